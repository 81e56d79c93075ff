"""The shop's pages for looking around: catalogue, product, comparison, search, reviews, help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.routing import Route

from meshwright.site.shop.reviews import load_reviews
from meshwright.site.shop.submission import read_query

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from meshwright.site.shop.pages import DemoPages

MAX_SEARCH_LENGTH = 100
REVIEWS_ON_A_PAGE = 6

_ORDERINGS = ("name", "price", "stock", "delivery_days")


class BrowseRoutes:
    """Pages that only read."""

    def __init__(self, pages: DemoPages) -> None:
        self._pages = pages
        self.routes = [
            Route("/", self.home),
            Route("/products/{slug}", self.product),
            Route("/compare", self.compare),
            Route("/search", self.search),
            Route("/reviews", self.reviews),
            Route("/help", self.help),
        ]

    async def home(self, request: Request) -> Response:
        """The catalogue, whole or one category of it."""
        catalogue = self._pages.catalogue()
        category = read_query(request).get("category", "")
        if category and category not in catalogue.categories:
            raise HTTPException(404, "The shop has no such category.")
        shown = [product for product in catalogue.products if category in ("", product.category)]
        return self._pages.render(request, "home.html", catalogue, shown=shown, category=category)

    async def product(self, request: Request) -> Response:
        """One product with its details."""
        catalogue = self._pages.catalogue()
        product = catalogue.find(request.path_params["slug"])
        if product is None:
            raise HTTPException(404, "The shop has no such product.")
        reviews = [review for review in load_reviews(self._pages.demo_dir) if review.product == product.slug]
        return self._pages.render(request, "product.html", catalogue, product=product, reviews=reviews)

    async def compare(self, request: Request) -> Response:
        """All products in one table, in a chosen order."""
        catalogue = self._pages.catalogue()
        order = read_query(request).get("sort", "name")
        if order not in _ORDERINGS:
            raise HTTPException(400, f"Sort by one of: {', '.join(_ORDERINGS)}.")
        rows = sorted(catalogue.products, key=lambda product: (getattr(product, order), product.name))
        return self._pages.render(request, "compare.html", catalogue, rows=rows, order=order)

    async def search(self, request: Request) -> Response:
        """The products in which all words of the query occur."""
        catalogue = self._pages.catalogue()
        query = read_query(request).get("q", "").strip()
        if len(query) > MAX_SEARCH_LENGTH:
            raise HTTPException(400, f"Search for at most {MAX_SEARCH_LENGTH} characters.")
        return self._pages.render(request, "search.html", catalogue, query=query, found=catalogue.search(query))

    async def reviews(self, request: Request) -> Response:
        """What customers say, a few on each page."""
        catalogue = self._pages.catalogue()
        reviews = load_reviews(self._pages.demo_dir)
        last = max(1, -(-len(reviews) // REVIEWS_ON_A_PAGE))
        wanted = read_query(request).get("page", "1")
        page = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 6 else 0
        if not 1 <= page <= last:
            raise HTTPException(404, "There is no such page of reviews.")
        start = (page - 1) * REVIEWS_ON_A_PAGE
        shown = [(review, catalogue.find(review.product)) for review in reviews[start : start + REVIEWS_ON_A_PAGE]]
        return self._pages.render(
            request, "reviews.html", catalogue, shown=shown, page=page, last=last, count=len(reviews)
        )

    async def help(self, request: Request) -> Response:
        """Delivery, returns and warranty."""
        return self._pages.render(request, "help.html", self._pages.catalogue())
