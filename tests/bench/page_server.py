"""A page of 300 cards, served from a process of its own: `python -m tests.bench.page_server` prints its address."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvloop
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterator

CARDS = 300
STYLE = "body{font:15px sans-serif;margin:24px}.c{display:inline-block;width:180px;margin:8px;padding:12px;border:1px solid #ccc}"


def page() -> str:
    """The page's HTML."""
    cards = "".join(
        f'<div class="c"><h3>Product {n}</h3><p>Text about product {n}</p><a href="/{n}">{n}.99</a>'
        f"<button>Buy {n}</button></div>"
        for n in range(CARDS)
    )
    return f"<!doctype html><title>Cards</title><style>{STYLE}</style><h1>Cards</h1>{cards}"


async def answer(request: web.Request) -> web.Response:
    """The page, after `?wait=` seconds."""
    await asyncio.sleep(float(request.query.get("wait", 0)))
    return web.Response(text=page(), content_type="text/html")


async def serve() -> None:
    """Serve until killed."""
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/", flush=True)
    await asyncio.Event().wait()


@contextmanager
def page_server() -> Iterator[str]:
    """Run the server for the block; gives its address."""
    command = [sys.executable, "-m", "tests.bench.page_server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


if __name__ == "__main__":
    uvloop.run(serve())
