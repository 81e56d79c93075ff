"""Several replicas of a service behind one gateway."""

from __future__ import annotations

import asyncio
import contextlib
import json
from functools import partial
from typing import TYPE_CHECKING

import grpc
import pytest

from meshwright.gateway import gateway as gateway_module
from meshwright.gateway.files import GatewayFiles
from meshwright.gateway.gateway import Gateway
from meshwright.gateway.writing import write_files
from meshwright.serving.address import Address
from tests.support.dns_server import dns_server
from tests.support.gateway_mesh import GetAgent, ListSessions, Upstream, eventually, unary, upstream_settings, watch
from tests.support.gateway_replicas import agents, gateway_before, sockets
from tests.support.ports import reserved_port

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from meshwright.gateway.routes import Target
    from meshwright.gateway.settings import GatewaySettings

LIMIT = 60.0
NAMES = ("first", "second", "third")


async def who_answers(channel: grpc.aio.Channel, calls: int = 20) -> set[str]:
    return {name.decode() for name in await asyncio.gather(*(unary(channel, GetAgent) for _ in range(calls)))}


async def only(channel: grpc.aio.Channel, *names: str) -> None:
    """Wait until exactly these answer; every call has to succeed meanwhile."""
    async with asyncio.timeout(LIMIT):
        while await who_answers(channel) != set(names):
            pass


async def test_calls_are_shared_out_and_replicas_come_and_go_without_a_failed_call(tmp_path: Path) -> None:
    async with (
        agents(tmp_path, *NAMES) as servers,
        gateway_before(tmp_path, agent_address=sockets(tmp_path, *NAMES)) as channel,
    ):
        await only(channel, *NAMES)
        await servers["first"].stop()
        await only(channel, "second", "third")
        await servers["second"].report(serving=False)
        await only(channel, "third")
        await servers["second"].report(serving=True)
        await servers["first"].start()
        await only(channel, *NAMES)


async def test_a_replica_that_drains_keeps_its_open_streams(tmp_path: Path) -> None:
    async with (
        agents(tmp_path, *NAMES) as servers,
        gateway_before(tmp_path, agent_address=sockets(tmp_path, *NAMES)) as channel,
    ):
        streams = [watch(channel, LIMIT) for _ in range(12)]
        assert {await stream.read() for stream in streams} == {b"0"}
        assert all(server.waiting for server in servers.values())

        for name in ("first", "second"):
            await servers[name].report(serving=False)
        await only(channel, "third")
        for server in servers.values():
            server.tick.set()
        async with asyncio.timeout(LIMIT):
            assert {await stream.read() for stream in streams} == {b"1"}


async def test_when_no_replica_is_healthy_any_of_them_is_better_than_none(tmp_path: Path) -> None:
    settings = upstream_settings(tmp_path, agent_address=sockets(tmp_path, "first", "second"))
    healthy = "cluster.agent.membership_healthy"
    async with (
        agents(tmp_path, "first", "second") as servers,
        Gateway(settings) as gateway,
        grpc.aio.insecure_channel(gateway.address) as channel,
    ):
        for server in servers.values():
            await server.report(serving=False)
        async with asyncio.timeout(LIMIT):
            while (await gateway.admin.stats(healthy))[healthy]:  # noqa: ASYNC110  # a gauge has nothing to await
                await asyncio.sleep(0.02)
        assert await who_answers(channel) == {"first", "second"}


async def test_a_read_whose_replica_dies_is_made_again_and_other_calls_are_not(tmp_path: Path) -> None:
    change = "/meshwright.v1.AgentService/StartRun"
    async with (
        agents(tmp_path, "first", "second") as servers,
        gateway_before(tmp_path, agent_address=sockets(tmp_path, "first", "second")) as channel,
    ):
        await only(channel, "first", "second")
        changes, first = [], servers["first"]
        async with asyncio.timeout(LIMIT):
            while not all(server.waiting for server in servers.values()):
                changes.append(asyncio.create_task(unary(channel, change)))
                await eventually(lambda: sum(server.waiting for server in servers.values()) == len(changes))
        lost = first.waiting
        reads = [asyncio.create_task(unary(channel, ListSessions)) for _ in range(4)]
        calls = len(changes) + len(reads)
        await eventually(lambda: sum(server.waiting for server in servers.values()) == calls)
        await first.stop()
        await eventually(lambda: servers["second"].waiting + sum(task.done() for task in changes) == calls)
        assert not any(task.done() for task in reads)
        servers["second"].answer.set()
        await asyncio.gather(*reads)
        ended = await asyncio.gather(*changes, return_exceptions=True)
        assert sum(isinstance(end, grpc.aio.AioRpcError) for end in ended) == lost


async def test_a_host_name_stands_for_all_its_addresses_as_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = {"first": "127.0.0.2", "second": "127.0.0.3"}
    async with contextlib.AsyncExitStack() as stack:
        port = stack.enter_context(reserved_port(*hosts.values()))
        for name, host in hosts.items():
            server = Upstream(name, Address(host, port))
            await server.start()
            stack.push_async_callback(server.stop)
        dns = await stack.enter_async_context(dns_server(hosts["first"]))
        monkeypatch.setattr(gateway_module, "write_files", partial(_write_files_with_dns, dns.port))
        async with gateway_before(tmp_path, agent_address=f"agents.test:{port}") as channel:
            await only(channel, "first")
            dns.addresses.append(hosts["second"])
            await only(channel, "first", "second")


async def test_localhost_is_found_at_its_ipv4_address_where_most_servers_listen(tmp_path: Path) -> None:
    server = Upstream("first", Address("127.0.0.1", 0))
    await server.start()
    try:
        async with gateway_before(tmp_path, agent_address=f"localhost:{server.port}") as channel:
            await only(channel, "first")
    finally:
        await server.stop()


def _write_files_with_dns(
    port: int, settings: GatewaySettings, directory: Path, targets: Mapping[str, Sequence[Target]]
) -> GatewayFiles:
    """The gateway's files, and a DNS server of our own instead of the system's."""
    files = write_files(settings, directory, targets)
    resolver = {
        "@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
        "resolvers": [{"socket_address": {"address": "127.0.0.1", "port_value": port}}],
    }
    config = {"name": "envoy.network.dns_resolver.cares", "typed_config": resolver}
    with files.bootstrap.open("a") as bootstrap:
        bootstrap.write(f"typed_dns_resolver_config: {json.dumps(config)}\n")
    return files
