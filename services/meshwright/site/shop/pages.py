"""Rendering the demo shop's pages from the template files in demo/."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jinja2
from starlette.responses import HTMLResponse

from meshwright.site.shop.account import customer_name
from meshwright.site.shop.cart import Cart
from meshwright.site.shop.catalogue import Catalogue, load_catalogue
from meshwright.site.shop.demo_file import DemoFileError

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request


class DemoPages:
    """The shop's files: the catalogue and the page templates, always as they stand on disk."""

    def __init__(self, demo_dir: Path) -> None:
        self.demo_dir = demo_dir
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(demo_dir),
            autoescape=True,
            auto_reload=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def catalogue(self) -> Catalogue:
        """The catalogue as it stands now; raises DemoFileError."""
        return load_catalogue(self.demo_dir)

    def render(
        self,
        request: Request,
        template: str,
        catalogue: Catalogue,
        *,
        status: int = 200,
        **context: object,
    ) -> HTMLResponse:
        """A page from the file `template`, with the shop, the cart and the customer in its context.

        Raises DemoFileError when the template cannot be used.
        """
        try:
            text = self._templates.get_template(template).render(
                shop=catalogue.shop,
                products=catalogue.products,
                categories=catalogue.categories,
                money=catalogue.shop.money,
                cart=Cart.of(request.session, catalogue),
                customer=customer_name(request.session),
                path=request.url.path,
                **context,
            )
        except jinja2.TemplateSyntaxError as error:
            file_name = error.name or template
            raise DemoFileError(file_name, f"line {error.lineno}: {error.message}") from None
        except jinja2.TemplateNotFound as error:
            raise DemoFileError(str(error.name or template), "the file is missing") from None
        except jinja2.UndefinedError as error:
            raise DemoFileError(template, str(error.message)) from None
        return HTMLResponse(text, status_code=status)
