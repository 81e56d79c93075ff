"""Pages with what a browser does beyond reading: dialogs, a second window, a download, waiting."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from meshwright.site.shop.submission import read_query

if TYPE_CHECKING:
    from starlette.requests import Request

    from meshwright.site.shop.catalogue import Catalogue
    from meshwright.site.shop.pages import DemoPages

MAX_SLOW_SECONDS = 10.0
_SECONDS = re.compile(r"[0-9]{1,2}(\.[0-9]{1,3})?")


class ShowroomRoutes:
    """The showroom, its size guide and price list, and the slow page."""

    def __init__(self, pages: DemoPages) -> None:
        self._pages = pages
        self.routes = [
            Route("/showroom", self.showroom),
            Route("/size-guide", self.size_guide),
            Route("/price-list.csv", self.price_list),
            Route("/slow", self.slow),
        ]

    async def showroom(self, request: Request) -> Response:
        """Dialogs, the size guide's window and the price list's download."""
        return self._pages.render(request, "showroom.html", self._pages.catalogue())

    async def size_guide(self, request: Request) -> Response:
        """What the showroom opens in a second window."""
        return self._pages.render(request, "size-guide.html", self._pages.catalogue())

    async def price_list(self, _request: Request) -> Response:
        """All prices as a CSV file to download."""
        return Response(
            _price_list(self._pages.catalogue()),
            media_type="text/csv",
            headers={"Content-Disposition": 'attachment; filename="price-list.csv"'},
        )

    async def slow(self, request: Request) -> Response:
        """A page that takes `seconds` to come, at most MAX_SLOW_SECONDS."""
        text = read_query(request).get("seconds", "2")
        seconds = float(text) if _SECONDS.fullmatch(text) else -1.0
        if not 0 <= seconds <= MAX_SLOW_SECONDS:
            raise HTTPException(400, f"Ask for 0 to {MAX_SLOW_SECONDS:g} seconds.")
        await asyncio.sleep(seconds)
        return self._pages.render(request, "slow.html", self._pages.catalogue(), seconds=f"{seconds:g}")


def _price_list(catalogue: Catalogue) -> str:
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["product", "category", "price", "in stock", "delivery days", "warranty years"])
    for product in catalogue.products:
        price = f"{product.price:.2f}"
        row = [product.name, product.category, price, product.stock, product.delivery_days, product.warranty_years]
        table.writerow(row)
    return text.getvalue()
