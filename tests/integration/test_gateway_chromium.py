"""What pages in a real Chromium can do to a mesh on the visitor's machine."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import async_playwright

from meshwright.browser import chromium
from tests.support.gateway_mesh import CreateSession, GetAgent, running_mesh

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser, Page

    from tests.support.gateway_mesh import Mesh

pytestmark = pytest.mark.asyncio(loop_scope="module")

REBOUND = "attacker.example"

# Every way a page has to send bytes: with a preflight, without one, and by a form.
CALL = """
async ([url, mode, type]) => {
  const headers = type ? {"content-type": type, "x-grpc-web": "1"} : {};
  if (!type.startsWith("application/grpc")) delete headers["x-grpc-web"];
  try {
    const response = await fetch(url, {method: "POST", mode, headers, body: new Uint8Array(5)});
    return response.type === "opaque" ? "opaque" : String(response.status);
  } catch (error) {
    return error.name;
  }
}
"""


@pytest_asyncio.fixture(loop_scope="module")
async def mesh(tmp_path: Path) -> AsyncIterator[Mesh]:
    async with running_mesh(tmp_path) as mesh:
        yield mesh


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    found = chromium.find()
    assert found is not None, "Chromium is missing: run `make chromium`"
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=str(found.path), args=[*arguments, f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1"]
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page with cookies and a cache of its own."""
    async with await browser.new_page() as page:
        yield page


@contextlib.asynccontextmanager
async def foreign_page() -> AsyncIterator[str]:
    """The URL of a page of another origin on this machine."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text="<title>foreign</title>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://localhost:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def test_the_own_page_calls_the_mesh(mesh: Mesh, page: Page) -> None:
    await page.goto(mesh.url)
    assert await page.evaluate(CALL, [GetAgent, "cors", "application/grpc-web+proto"]) == "200"
    assert len(mesh.agent.metadata) == 1


@pytest.mark.parametrize(
    ("mode", "content_type", "outcome"),
    [
        ("cors", "application/grpc-web+proto", "TypeError"),
        ("cors", "text/plain", "TypeError"),
        ("no-cors", "text/plain", "opaque"),
        ("no-cors", "", "opaque"),
    ],
)
async def test_a_foreign_page_neither_reaches_a_service_nor_reads_an_answer(
    mesh: Mesh, page: Page, mode: str, content_type: str, outcome: str
) -> None:
    async with foreign_page() as url:
        await page.goto(url)
        for method in (GetAgent, CreateSession):
            assert await page.evaluate(CALL, [mesh.url + method, mode, content_type]) == outcome
    reached = await mesh.gateway.admin.stats("cluster.agent.upstream_rq_total")
    assert reached == {"cluster.agent.upstream_rq_total": 0}


async def test_a_listed_page_calls_the_mesh(tmp_path: Path, page: Page) -> None:
    async with foreign_page() as url, running_mesh(tmp_path, cors_origins=url.rstrip("/")) as mesh:
        await page.goto(url)
        assert await page.evaluate(CALL, [mesh.url + GetAgent, "cors", "application/grpc-web+proto"]) == "200"
        assert len(mesh.agent.metadata) == 1


async def test_a_name_that_somebody_points_at_this_machine_gets_nothing(mesh: Mesh, page: Page) -> None:
    port = mesh.gateway.address.rpartition(":")[2]
    response = await page.goto(f"http://{REBOUND}:{port}/")
    assert response is not None
    assert response.status == 403
    assert await page.evaluate(CALL, [GetAgent, "cors", "application/grpc-web+proto"]) == "403"
    assert mesh.agent.metadata == []
