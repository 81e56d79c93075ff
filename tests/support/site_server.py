"""The real site server on a Unix socket, and a client for it."""

from __future__ import annotations

import contextlib
import html
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

import meshwright.site
from meshwright.site.run import serve_site
from meshwright.site.settings import SiteSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from multidict import CIMultiDictProxy

SHIPPED_DEMO = Path(meshwright.site.__file__).parent / "demo"


@dataclass(frozen=True)
class Answer:
    """A response, read whole."""

    status: int
    headers: CIMultiDictProxy[str]
    body: str

    @property
    def text(self) -> str:
        """What a reader of the page sees, each run of blanks as one."""
        without_tags = re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", " ", self.body, flags=re.DOTALL)
        return " ".join(html.unescape(without_tags).split())


class SiteClient:
    """Requests to one site; cookies are kept as a browser keeps them."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(self, path: str, **options: Any) -> Answer:
        """GET `path` exactly as written."""
        return await self.request("GET", path, **options)

    async def post(self, path: str, form: dict[str, str] | None = None, **options: Any) -> Answer:
        """POST a form to `path`."""
        return await self.request("POST", path, data=form, **options)

    def forget_cookies(self) -> None:
        """Be a new visitor."""
        self._session.cookie_jar.clear()

    async def request(self, method: str, path: str, **options: Any) -> Answer:
        """Any request; redirects are answers, not followed."""
        url = URL(f"http://site.test{path}", encoded=True)
        async with self._session.request(method, url, allow_redirects=False, **options) as response:
            return Answer(response.status, response.headers, await response.text())


@contextlib.asynccontextmanager
async def served_site(folder: Path, **settings: Any) -> AsyncIterator[Path]:
    """The site on a socket in `folder`, without a built page unless `site_page_dir` names one; gives the socket."""
    socket = folder / "site.sock"
    async with serve_site(
        SiteSettings.load(listen=f"unix:{socket}", **{"site_page_dir": folder / "no-page", **settings})
    ):
        yield socket


@contextlib.asynccontextmanager
async def visitor(socket: Path) -> AsyncIterator[SiteClient]:
    """A new visitor, without cookies, of the site on `socket`."""
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket)), timeout=timeout) as session:
        yield SiteClient(session)


@contextlib.asynccontextmanager
async def running_site(folder: Path, **settings: Any) -> AsyncIterator[SiteClient]:
    """A site of one's own and a visitor of it."""
    async with served_site(folder, **settings) as socket, visitor(socket) as client:
        yield client


def copied_demo(folder: Path) -> Path:
    """A copy of the shipped demo shop's files, to be edited."""
    return Path(shutil.copytree(SHIPPED_DEMO, folder / "demo"))


def edit(path: Path, old: str, new: str) -> None:
    """Replace the one place where `old` stands in a file."""
    content = path.read_text()
    assert content.count(old) == 1, f"{old!r} stands {content.count(old)} times in {path.name}"
    path.write_text(content.replace(old, new))
