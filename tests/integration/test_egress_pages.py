"""What pages reach through a real Chromium and the egress proxy: the public web, and nothing of this machine or its neighbours."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Value

from meshwright.v1 import browser_pb2 as pb
from tests.support.browser_client import Driving, fails
from tests.support.small_web import PUBLIC, SmallWeb, small_web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMES = {
    "inner.test": ["127.0.0.1"],
    "inner6.test": ["::1"],
    "mapped.test": ["::ffff:127.0.0.1"],
    "metadata.test": ["169.254.169.254"],
    "private.test": ["10.1.2.3"],
    "local.test": ["fd00::1"],
}
SPELLINGS = (
    *(
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "a.localhost",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
    ),
    *("0.0.0.0", "0", "[::]", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "127.0.1"),
    *("%31%32%37.0.0.1", "①②⑦.0.0.1", "ok.test@127.0.0.1", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"),
    *(
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "[fd00:ec2::254]",
    ),
    *("[fe80::1]", "224.0.0.1", "255.255.255.255", "[ff02::1]"),
    *NAMES,
)
# Ways in which a page asks for an address of another host. Each is fired and not waited for.
WAYS = {
    "image": "new Image().src = u",
    "script": "add('script', {src: u})",
    "style": "add('link', {rel: 'stylesheet', href: u})",
    "prefetch": "add('link', {rel: 'prefetch', href: u})",
    "preload": "add('link', {rel: 'preload', as: 'fetch', crossOrigin: 'anonymous', href: u})",
    "frame": "add('iframe', {src: u})",
    "object": "add('object', {data: u})",
    "video": "add('video', {src: u, preload: 'auto'})",
    "font": "new FontFace('f', `url(${u})`).load().catch(() => 0)",
    "fetch": "fetch(u).catch(() => 0)",
    "opaque fetch": "fetch(u, {mode: 'no-cors', method: 'POST', body: 'x'}).catch(() => 0)",
    "request": "{ const x = new XMLHttpRequest(); x.open('GET', u); x.send() }",
    "event source": "new EventSource(u)",
    "beacon": "navigator.sendBeacon(u, 'x')",
    "WebSocket": "new WebSocket(u.replace('http', 'ws'))",
    "form": "{ const f = add('form', {action: u, method: 'POST', target: add('iframe', {name: 'f'}).name}); f.submit() }",
    "window": "window.open(u)",
    "worker": "new Worker(URL.createObjectURL(new Blob([`importScripts('${u}')`])))",
    "fetch of a worker": "new Worker(URL.createObjectURL(new Blob([`fetch('${u}')`])))",
    "location": "setTimeout(() => location.href = u)",
}
FIRE = """({u}) => {
  const add = (tag, attributes) => document.body.appendChild(Object.assign(document.createElement(tag), attributes));
  SCRIPT
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def small(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SmallWeb]:
    async with small_web(tmp_path_factory.mktemp("e")) as running:
        running.dns.names |= NAMES
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(small: SmallWeb) -> AsyncIterator[Driving]:
    """One tab for all that leaves nothing behind in it."""
    async with small.browser.drive() as driving:
        yield driving


@pytest_asyncio.fixture(loop_scope="module")
async def driving(small: SmallWeb) -> AsyncIterator[Driving]:
    small.visits.clear()
    async with small.browser.drive() as driving:
        yield driving


async def evaluate(driving: Driving, script: str, **argument: Any) -> Any:
    given = ParseDict(argument, Value())
    return MessageToDict((await driving.run(evaluate=pb.Evaluate(script=script, argument=given))).value)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", SPELLINGS)
async def test_what_is_not_public_is_refused_however_it_is_written(
    small: SmallWeb, shared: Driving, scheme: str, host: str
) -> None:
    port = small.port if scheme == "http" else small.tls_port
    error = await fails(shared.goto(f"{scheme}://{host}:{port}/"))
    assert error.reason_name == "EGRESS_DENIED", error.message
    assert "MESHWRIGHT_EGRESS_ALLOW" in error.message
    assert small.inner_visits == []


@pytest.mark.parametrize("way", WAYS)
async def test_a_page_reaches_nothing_of_this_machine_in_any_way(small: SmallWeb, driving: Driving, way: str) -> None:
    fire = FIRE.replace("SCRIPT", WAYS[way])
    await driving.goto(small.url("ok.test"))
    before = await small.denied()
    await evaluate(driving, fire, u=small.url("inner.test", "/inner"))
    await small.denied_beyond(before)
    # It would have arrived; and the tab may still be on its way to the refusal.
    async with small.browser.drive() as another:
        await another.goto(small.url("ok.test"))
        await evaluate(another, fire, u=small.url("other.test", "/public"))
        await small.visited("/public")
    assert small.inner_visits == []


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_redirect_leads_nowhere_either(small: SmallWeb, driving: Driving, scheme: str) -> None:
    target = f"{scheme}://127.0.0.1:{small.port if scheme == 'http' else small.tls_port}/secret"
    error = await fails(driving.goto(small.url("ok.test", f"/go?to={target}")))
    assert (error.reason_name, error.metadata["url"]) == ("EGRESS_DENIED", target)
    assert small.inner_visits == []


async def test_a_name_that_leads_elsewhere_at_the_next_look_is_refused_there(small: SmallWeb, driving: Driving) -> None:
    small.dns.names["rebound.test"] = [PUBLIC]
    await driving.goto(small.url("rebound.test"))
    small.dns.names["rebound.test"] = ["127.0.0.1"]
    # Another port is looked up anew.
    error = await fails(driving.goto(f"https://rebound.test:{small.tls_port}/"))
    assert error.reason_name == "EGRESS_DENIED"
    assert small.inner_visits == []


@pytest.mark.parametrize("addresses", [[PUBLIC, "127.0.0.1"], ["127.0.0.1", PUBLIC], [PUBLIC, "::1"]], ids=str)
async def test_of_several_addresses_of_a_name_none_is_reached_that_is_not_public(
    small: SmallWeb, driving: Driving, addresses: list[str]
) -> None:
    """Also when the public one cannot be connected to, and the next is tried."""
    name = f"several{len(small.dns.names)}.test"
    small.dns.names[name] = addresses
    visits: list[bytes] = []

    async def take(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append(b"x")
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with await asyncio.start_server(take, "::1", port):
            for _ in range(4):
                for scheme in ("http", "https"):
                    await fails(driving.goto(f"{scheme}://{name}:{port}/"))
    assert visits == []


async def test_a_page_cannot_ask_a_stun_server_by_udp(small: SmallWeb, driving: Driving) -> None:
    await driving.goto(small.url("ok.test"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stun:
        stun.bind(("127.0.0.1", 0))
        stun.setblocking(False)
        script = """async ({port}) => {
          const peer = new RTCPeerConnection({iceServers: [{urls: `stun:127.0.0.1:${port}`}]});
          peer.createDataChannel("x");
          const gathered = new Promise(done => peer.onicegatheringstatechange = () => peer.iceGatheringState === "complete" && done());
          await peer.setLocalDescription(await peer.createOffer());
          await Promise.race([gathered, new Promise(done => setTimeout(done, 2000))]);
        }"""
        await evaluate(driving, script, port=stun.getsockname()[1])
        with pytest.raises(BlockingIOError):
            stun.recv(1)


async def test_a_page_of_the_web_comes_as_before(small: SmallWeb, driving: Driving) -> None:
    result = await driving.goto(small.url("ok.test"))
    assert (result.navigation.http_status, result.tab.title) == (200, "Reached")
    seen = await evaluate(driving, "async ({u}) => await (await fetch(u)).json()", u=small.url("ok.test", "/headers"))
    names = {name.lower() for name in seen}
    assert not [name for name in names if name.startswith(("x-", "proxy", "via", "forwarded"))]


async def test_a_page_over_tls_is_the_sites_own_affair(small: SmallWeb, driving: Driving) -> None:
    """Its tunnel is opened, and what Chromium thinks of the certificate is what it says."""
    error = await fails(driving.goto(f"https://ok.test:{small.tls_port}/"))
    assert (error.reason_name, error.metadata["cause"]) == ("NAVIGATION_FAILED", "ERR_CERT_AUTHORITY_INVALID")


async def test_a_web_socket_talks_through_the_proxy(small: SmallWeb, driving: Driving) -> None:
    await driving.goto(small.url("ok.test"))
    script = """({u}) => new Promise((done, failed) => {
      const socket = new WebSocket(u);
      socket.onopen = () => socket.send("hello");
      socket.onmessage = message => done(message.data);
      socket.onerror = failed;
    })"""
    assert await evaluate(driving, script, u=small.url("other.test", "/ws").replace("http", "ws")) == "hello"


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("http://unknown.test/", "ERR_NAME_NOT_RESOLVED"),
        ("https://unknown.test/", "ERR_NAME_NOT_RESOLVED"),
        ("http://ok.test:8/", "ERR_CONNECTION_REFUSED"),
        ("https://ok.test:4/", "ERR_CONNECTION_REFUSED"),
    ],
)
async def test_a_page_that_does_not_come_says_why_as_without_a_proxy(driving: Driving, url: str, cause: str) -> None:
    error = await fails(driving.goto(url))
    assert (error.reason_name, error.metadata["cause"]) == ("NAVIGATION_FAILED", cause)


async def test_a_connection_that_the_site_closed_meanwhile_costs_no_page(small: SmallWeb, driving: Driving) -> None:
    served: list[int] = []

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers one request and goes away at the next."""
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nok")
        served.append(1)
        await reader.read(1)
        writer.close()

    async with await asyncio.start_server(once, PUBLIC, 0) as server:
        url = f"http://ok.test:{server.sockets[0].getsockname()[1]}/"
        for _ in range(3):
            assert (await driving.goto(url)).navigation.http_status == 200
    assert len(served) >= 3


async def test_a_site_cannot_speak_for_the_proxy(small: SmallWeb, driving: Driving) -> None:
    result = await driving.goto(small.url("ok.test", "/forged"))
    assert result.navigation.http_status == 403
