"""A channel between services whose other end has several replicas."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import grpc
import pytest

from meshwright.serving.address import Address, parse_addresses
from meshwright.serving.channel import CHANNEL_OPTIONS, REPLICAS_CONFIG, open_channel
from tests.support.dns_server import dns_server
from tests.support.gateway_mesh import GetAgent, Upstream, unary, watch
from tests.support.ports import reserved_port, reserved_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LIMIT = 60.0


@contextlib.asynccontextmanager
async def replicas(*addresses: Address) -> AsyncIterator[list[Upstream]]:
    """Servers on the addresses, each of which says its own when it is asked for its name."""
    servers = [Upstream(str(address), address) for address in addresses]
    try:
        for server in servers:
            await server.start()
        yield servers
    finally:
        for server in servers:
            await server.stop()


async def who_answers(channel: grpc.aio.Channel, calls: int = 12) -> set[str]:
    return {(await unary(channel, GetAgent)).decode() for _ in range(calls)}


async def only(channel: grpc.aio.Channel, names: set[str]) -> None:
    """Wait until exactly these answer."""
    async with asyncio.timeout(LIMIT):
        while await who_answers(channel) != names:
            pass


@pytest.mark.parametrize("kind", ["sockets", "ports"])
async def test_calls_go_to_every_replica(tmp_path: Path, kind: str) -> None:
    with reserved_ports(3) as ports:
        texts = [
            f"unix:{tmp_path}/{n}.sock" if kind == "sockets" else f"127.0.0.1:{port}" for n, port in enumerate(ports)
        ]
        addresses = parse_addresses(",".join(texts))
        async with replicas(*addresses), open_channel(*addresses) as channel:
            await only(channel, set(texts))


async def test_a_replica_that_drains_or_is_gone_gets_no_new_calls_and_keeps_its_streams(tmp_path: Path) -> None:
    addresses = parse_addresses(",".join(f"unix:{tmp_path}/{n}.sock" for n in range(3)))
    first, second, third = map(str, addresses)
    async with replicas(*addresses) as servers, open_channel(*addresses) as channel:
        await only(channel, {first, second, third})
        streams = [watch(channel, LIMIT) for _ in range(3)]
        assert [await stream.read() for stream in streams] == [b"0"] * 3

        await servers[0].report(serving=False)
        await only(channel, {second, third})
        assert servers[0].waiting == 1
        servers[0].tick.set()
        ticked = {asyncio.ensure_future(stream.read()) for stream in streams}
        done, waiting = await asyncio.wait(ticked, timeout=LIMIT, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result() for task in done] == [b"1"]
        for task in waiting:
            task.cancel()

        await servers[1].stop()
        await only(channel, {third})
        await servers[1].start()
        await servers[0].report(serving=True)
        await only(channel, {first, second, third})


async def test_a_name_is_looked_up_anew_when_its_replica_is_replaced() -> None:
    """As pods are in a cluster, a moment after the name was looked up for the first time."""
    options = (*CHANNEL_OPTIONS, ("grpc.service_config", REPLICAS_CONFIG))
    with reserved_port("127.0.0.2", "127.0.0.3") as port:
        before, after = (Address(host=f"127.0.0.{n}", port=port) for n in (2, 3))
        async with replicas(before, after) as servers, dns_server(before.host) as dns:
            target = f"dns://127.0.0.1:{dns.port}/agents.test:{port}"
            async with grpc.aio.insecure_channel(target, options=options) as channel:
                await only(channel, {str(before)})
                dns.addresses = [after.host]
                await servers[0].stop()
                ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(GetAgent)
                assert (await ask(b"", timeout=LIMIT, wait_for_ready=True)).decode() == str(after)
