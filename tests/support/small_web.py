"""A small internet for tests of egress: sites that count as public, and this machine's own, which pages must not reach."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from meshwright.envoy.admin import Admin
from tests.support.browser_client import BrowserClient, browser_client
from tests.support.certificates import write_certificate
from tests.support.dns_server import DnsServer, dns_server
from tests.support.ports import reserved_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from meshwright.serving.address import Address

PUBLIC = "127.0.0.77"
"""Stands for an address of the internet: the one exception that tests allow."""
INNER = ("127.0.0.1", "::1")
"""What nobody shall reach."""
DENIED = "cluster.web.rbac.denied"
SECONDS = 60.0


@dataclass
class SmallWeb:
    """What runs: the same pages at the same ports of every address, and a browser service with its egress proxy."""

    browser: BrowserClient
    dns: DnsServer
    address: Address
    """Of the browser service."""
    admin: Admin
    proxy: str
    port: int
    """http"""
    tls_port: int
    certificate: Path
    visits: list[tuple[str, str]] = field(default_factory=list)
    """Address of the server, and path."""

    def url(self, host: str, path: str = "/") -> str:
        """An http address at the port that is open everywhere."""
        return f"http://{host}:{self.port}{path}"

    @property
    def inner_visits(self) -> list[tuple[str, str]]:
        """What reached this machine's own addresses."""
        return [visit for visit in self.visits if visit[0] != PUBLIC]

    async def denied(self) -> int:
        """How much the proxy has refused."""
        return (await self.admin.stats(DENIED))[DENIED]

    async def denied_beyond(self, before: int) -> None:
        """Wait until it has refused more than that."""
        async with asyncio.timeout(SECONDS):
            while await self.denied() <= before:  # noqa: ASYNC110  # a counter has nothing to await
                await asyncio.sleep(0.01)

    async def visited(self, path: str) -> None:
        """Wait until the path was asked for at the public address."""
        async with asyncio.timeout(SECONDS):
            while (PUBLIC, path) not in self.visits:  # noqa: ASYNC110  # as above
                await asyncio.sleep(0.01)


class _Pages:
    """Answers everything, also to scripts of other origins, and notes it."""

    def __init__(self) -> None:
        self.visits: list[tuple[str, str]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.visits.append((str(request.transport.get_extra_info("sockname")[0]), request.path))  # type: ignore[union-attr]
        headers = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*"}
        if to := request.query.get("to"):
            return web.Response(status=302, headers={"Location": to})
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await _echo(request)
        if request.path == "/headers":
            return web.json_response(dict(request.headers), headers=headers)
        if request.path == "/forged":
            return web.Response(status=403, text="no", headers={"x-meshwright-egress": "denied"})
        return web.Response(text="<!doctype html><title>Reached</title>", content_type="text/html", headers=headers)


async def _echo(request: web.Request) -> web.WebSocketResponse:
    answer = web.WebSocketResponse()
    await answer.prepare(request)
    async for message in answer:
        await answer.send_str(message.data)
    return answer


@asynccontextmanager
async def small_web(folder: Path, **settings: Any) -> AsyncIterator[SmallWeb]:
    """Everything, for the block. `settings` are the browser service's."""
    pages = _Pages()
    chain, key = folder / "chain.pem", folder / "key.pem"
    write_certificate(chain, key, "ok.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    async with _listening(pages) as port, _listening(pages, context) as tls_port, dns_server() as dns:
        dns.names = {"ok.test": [PUBLIC], "other.test": [PUBLIC]}
        asked = {"egress_allow": PUBLIC, "egress_dns": f"127.0.0.1:{dns.port}", "runtime_dir": folder, **settings}
        async with browser_client(browser_evaluate=True, **asked) as (browser, server):
            (socket_path,) = folder.glob("egress-*/admin.sock")  # noqa: ASYNC240  # a folder in memory
            admin = Admin(socket_path)
            proxy = f"http://127.0.0.1:{await admin.listener_port()}"
            made = SmallWeb(browser, dns, server.address, admin, proxy, port, tls_port, chain)
            made.visits = pages.visits
            yield made


@asynccontextmanager
async def _listening(pages: _Pages, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The pages at one port of every address."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", pages.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    hosts = (PUBLIC, *INNER)
    try:
        with reserved_port(*hosts) as port:
            for host in hosts:
                await web.TCPSite(runner, host, port, ssl_context=context).start()
            yield port
    finally:
        await runner.cleanup()
