"""The egress proxy by itself: every special address, exceptions, its death, and a proxy of one's own in its place."""

from __future__ import annotations

import asyncio
import ssl
from ipaddress import ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
import psutil
import pytest
import pytest_asyncio
from aiohttp import web
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from yarl import URL

from meshwright.egress import proxy, render
from meshwright.egress.refusals import DENIED, ask
from meshwright.egress.settings import EgressSettings
from meshwright.egress.special_ranges import SPECIAL_V4, SPECIAL_V6
from meshwright.envoy.binary import EnvoyError
from meshwright.serving.channel import open_channel
from tests.support.browser_client import PATIENCE, browser_client, command_line, eventually, fails, local_site
from tests.support.ports import reserved_port
from tests.support.small_web import INNER, PUBLIC, SmallWeb, small_web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.asyncio(loop_scope="module")

OUTSIDE_OF_ALL = (
    "::",
    "::1",
    "::ffff:10.0.0.1",
    "::7f00:1",
    "64:ff9b::7f00:1",
    "100::1",
    "fc00::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
)
SPECIAL = [str(each) for network in SPECIAL_V4 for each in (network[0], network[-1])] + [
    str(each) for network in SPECIAL_V6 for each in (network[0], network[-1])
]


EXCEPTIONS = (
    f"{PUBLIC},127.0.0.78:6000,localhost:4000,pathed.test/headers,wiki.test,*.corp.test:443,port.test:5000,80.test:80"
)
LET = (
    *("http://localhost:4000/", "http://127.0.0.1:4000/", "http://[::1]:4000/"),
    *("https://wiki.test/", "http://wiki.test:81/", "https://a.corp.test/", "https://a.b.corp.test/"),
    *("http://port.test:5000/", "http://80.test/"),
    *("http://127.0.0.78:6000/",),
)
REFUSED = (
    *(
        "http://localhost:4001/",
        "http://127.0.0.2:4000/",
        "http://foreign.test:4000/",
        "http://localhost.foreign.test:4000/",
    ),
    *("https://xwiki.test/", "https://wiki.test.foreign.test/", "https://corp.test/", "https://acorp.test/"),
    *("http://a.corp.test:80/", "http://port.test:50001/", "http://port.test:5001/", "https://80.test/"),
    *("http://127.0.0.78:5999/", "http://127.0.0.78:6001/", "https://pathed.test/headers"),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def small(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SmallWeb]:
    async with small_web(tmp_path_factory.mktemp("e"), egress_allow=EXCEPTIONS) as running:
        running.dns.names |= {urlsplit(url).hostname or "": [INNER[0]] for url in (*LET, *REFUSED) if ".test" in url}
        yield running


@pytest.mark.parametrize("address", [*SPECIAL, *OUTSIDE_OF_ALL])
async def test_every_special_range_is_refused_from_its_first_to_its_last_address(small: SmallWeb, address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    assert await ask(small.proxy, f"https://{host}/") == DENIED
    assert await ask(small.proxy, f"http://{host}:8080/") == DENIED


@pytest.mark.parametrize("url", LET)
async def test_an_exception_lets_through_what_it_names(small: SmallWeb, url: str) -> None:
    assert await ask(small.proxy, url) != DENIED


@pytest.mark.parametrize("url", REFUSED)
async def test_an_exception_lets_through_nothing_beside_what_it_names(small: SmallWeb, url: str) -> None:
    assert await ask(small.proxy, url) == DENIED


async def test_an_exception_with_a_path_lets_through_http_urls_that_begin_with_it(small: SmallWeb) -> None:
    small.dns.names["pathed.test"] = [INNER[0]]
    async with aiohttp.ClientSession() as session:
        for path, status in (
            ("/headers", 200),
            ("/headers?a=b", 200),
            ("/", 403),
            ("/x/headers", 403),
            ("/%2e%2e/headers", 403),
        ):
            async with session.get(URL(small.url("pathed.test", path), encoded=True), proxy=small.proxy) as answer:
                assert (path, answer.status) == (path, status)


async def test_what_lies_in_this_machines_own_networks_is_not_public(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "near", lambda: (ip_network("198.20.7.0/24"), ip_network("2a00:7::/64")))
    async with proxy.EgressProxy(EgressSettings.load(runtime_dir=tmp_path)) as running:
        for address in ("198.20.7.0", "198.20.7.255", "[2a00:7::1]"):
            assert await ask(running.server, f"https://{address}:81/") == DENIED
        assert await ask(running.server, "https://[2a00:8::1]:81/") != DENIED


async def test_a_site_over_tls_comes_through_the_tunnel_untouched(small: SmallWeb) -> None:
    trusting = ssl.create_default_context(cafile=str(small.certificate))
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"https://ok.test:{small.tls_port}/headers", proxy=small.proxy, ssl=trusting) as answer,
    ):
        assert answer.status == 200
        assert {name.lower() for name in await answer.json()} == {"host", "accept", "accept-encoding", "user-agent"}


async def test_browsers_are_told_of_one_proxy_and_of_no_way_around_it() -> None:
    async with browser_client(browser_warm=1) as (_client, server):
        (process,) = server.servicer._pool.fleet._processes
        words = psutil.Process(process.pid).cmdline()
        assert [word for word in words if word.startswith("--proxy-server")] == [f"--proxy-server={process.proxy}"]
        assert [word for word in words if word.startswith("--proxy-bypass")] == ["--proxy-bypass-list=<-loopback>"]
        assert "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1" in words
        assert {"--disable-quic", "--force-webrtc-ip-handling-policy=disable_non_proxied_udp"} <= set(words)


def left_in(folder: Path) -> list[Path]:
    """What lies in folders of the folder."""
    return list(folder.glob("*/*"))


def egress_envoys(folder: Path) -> list[psutil.Process]:
    """Those whose files lie in the folder."""
    return [each for each in psutil.Process().children() if str(folder) in " ".join(command_line(each))]


async def test_a_proxy_that_dies_is_started_again_at_its_place_and_the_service_is_not_ready_meanwhile(
    tmp_path: Path,
) -> None:
    async with (
        small_web(tmp_path, browser_warm=1) as small,
        small.browser.drive() as driving,
        open_channel(small.address) as channel,
    ):
        await driving.goto(small.url("ok.test"))
        watching = HealthStub(channel).Watch(HealthCheckRequest(service=""))  # type: ignore[attr-defined]  # the stubs package lacks it
        states = aiter(watching)
        seen = [(await anext(states)).status]
        (envoy,) = egress_envoys(tmp_path)
        envoy.kill()
        async with asyncio.timeout(PATIENCE):
            seen += [(await anext(states)).status for _ in range(2)]
        watching.cancel()
        state = HealthCheckResponse
        assert seen == [state.SERVING, state.NOT_SERVING, state.SERVING]
        assert [each.pid for each in egress_envoys(tmp_path)] != [envoy.pid]
        assert (await driving.goto(small.url("ok.test"))).navigation.http_status == 200
        assert (await fails(driving.goto(small.url("127.0.0.1")))).reason_name == "EGRESS_DENIED"


async def test_a_proxy_that_hangs_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "PULSE_SECONDS", 0.1)
    monkeypatch.setattr(proxy, "MISSED_PULSES", 1)
    async with proxy.EgressProxy(EgressSettings.load(runtime_dir=tmp_path)) as running:
        (envoy,) = egress_envoys(tmp_path)
        envoy.suspend()
        await eventually(lambda: running.is_up and envoy not in egress_envoys(tmp_path))
    assert egress_envoys(tmp_path) == []


async def test_a_proxy_that_does_not_answer_is_told_as_such() -> None:
    with reserved_port() as port:
        async with (
            browser_client(egress_proxy=f"http://127.0.0.1:{port}", browser_warm=1) as (client, _server),
            client.drive() as driving,
        ):
            for url in ("http://ok.test/", "https://ok.test/"):
                error = await fails(driving.goto(url))
                assert (error.reason_name, error.metadata) == ("UNAVAILABLE", {"service": "egress"})


async def test_a_proxy_of_ones_own_decides_alone() -> None:
    asked: list[str] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(str(request.url))
        return web.Response(text="<title>From the proxy</title>", content_type="text/html")

    async with local_site() as site:
        runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, INNER[0], 0).start()
        own = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            async with browser_client(egress_proxy=own, browser_warm=1) as (client, _server), client.drive() as driving:
                result = await driving.goto(site.page("/", "<p>Not seen</p>"))
                assert result.tab.title == "From the proxy"
        finally:
            await runner.cleanup()
        assert site.visits == []
    assert asked


async def test_an_envoy_that_cannot_start_ends_the_start_in_words(tmp_path: Path) -> None:
    with pytest.raises(EnvoyError, match="MESHWRIGHT_RUNTIME_DIR"):
        async with browser_client(runtime_dir=tmp_path / ("x" * 100)):
            pass
    assert left_in(tmp_path) == []
