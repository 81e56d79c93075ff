"""Several replicas of a service behind one gateway."""

from __future__ import annotations

import asyncio
import contextlib
import json
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from meshwright.browser import failures
from meshwright.gateway import gateway as gateway_module
from meshwright.gateway.files import GatewayFiles
from meshwright.gateway.gateway import Gateway
from meshwright.gateway.writing import write_files
from meshwright.serving.address import Address
from meshwright.serving.server import Server, Service
from meshwright.serving.settings import ServerSettings
from meshwright.v1 import browser_service_pb2 as pb
from meshwright.v1.browser_pb2 import BrowserCommand, Element, Type
from meshwright.v1.browser_service_pb2_grpc import (
    BrowserServiceServicer,
    BrowserServiceStub,
    add_BrowserServiceServicer_to_server,
)
from tests.support.dns_server import dns_server
from tests.support.gateway_mesh import GetAgent, ListSessions, Upstream, eventually, unary, upstream_settings, watch
from tests.support.ports import reserved_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from meshwright.gateway.routes import Target
    from meshwright.gateway.settings import GatewaySettings
    from meshwright.serving.health import Readiness

LIMIT = 60.0
NAMES = ("first", "second", "third")


@contextlib.asynccontextmanager
async def agents(folder: Path, *names: str) -> AsyncIterator[dict[str, Upstream]]:
    """Servers that say their names."""
    servers = {name: Upstream(name, Address(path=str(folder / f"{name}.sock"))) for name in names}
    try:
        for server in servers.values():
            await server.start()
        yield servers
    finally:
        for server in servers.values():
            await server.stop()


@contextlib.asynccontextmanager
async def gateway_before(folder: Path, **addresses: str) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a gateway before these replicas."""
    settings = upstream_settings(folder, **addresses)
    async with Gateway(settings) as gateway, grpc.aio.insecure_channel(gateway.address) as channel:
        yield channel


def sockets(folder: Path, *names: str) -> str:
    return ",".join(f"unix:{folder / name}.sock" for name in names)


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
        reads = [asyncio.create_task(unary(channel, ListSessions)) for _ in range(4)]
        changes = [asyncio.create_task(unary(channel, change)) for _ in range(4)]
        await eventually(lambda: sum(server.waiting for server in servers.values()) == 8)
        lost = servers["first"].waiting
        assert lost
        await servers["first"].stop()
        await eventually(lambda: servers["second"].waiting + sum(task.done() for task in changes) == 8)
        assert not any(task.done() for task in reads)
        servers["second"].answer.set()
        await asyncio.gather(*reads)
        ended = await asyncio.gather(*changes, return_exceptions=True)
        failed = [end for end in ended if isinstance(end, grpc.aio.AioRpcError)]
        assert 0 < len(failed) < 4


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


class Leases(BrowserServiceServicer):
    """Knows some leases."""

    def __init__(self, *leases: str) -> None:
        self.leases = leases
        self.asked: list[str] = []

    async def RunCommand(self, request: pb.RunCommandRequest, context: Any) -> pb.RunCommandResponse:  # noqa: N802
        self.asked.append(request.lease_id)
        if request.lease_id not in self.leases:
            raise failures.lease_not_found(request.lease_id)
        return pb.RunCommandResponse()

    async def GetPool(self, request: pb.GetPoolRequest, context: Any) -> pb.GetPoolResponse:  # noqa: N802
        return pb.GetPoolResponse(pool=pb.Pool(leased=len(self.leases)))

    @contextlib.asynccontextmanager
    async def open(self, _readiness: Readiness) -> AsyncIterator[Leases]:
        yield self

    def serve(self, address: Address) -> Server[Leases]:
        service = Service("meshwright.v1.BrowserService", add_BrowserServiceServicer_to_server, self.open)
        return Server(service, ServerSettings(listen=address, stop_grace=0.1))


def command(lease_id: str, text: str = "") -> pb.RunCommandRequest:
    typing = Type(element=Element(ref="e1", snapshot_id="s1"), text=text)
    return pb.RunCommandRequest(lease_id=lease_id, command=BrowserCommand(type=typing))


def leases(*held: str) -> Leases:
    return Leases(*held)  # type: ignore[abstract]  # the rest is not implemented


async def test_a_call_about_a_lease_finds_the_replica_that_holds_it(tmp_path: Path) -> None:
    replicas = [leases(f"lease_{number}") for number in range(5)]
    names = [f"browser{number}" for number in range(5)]
    async with contextlib.AsyncExitStack() as stack:
        for name, replica in zip(names, replicas, strict=True):
            await stack.enter_async_context(replica.serve(Address(path=f"{tmp_path / name}.sock")))
        channel = await stack.enter_async_context(gateway_before(tmp_path, browser_address=sockets(tmp_path, *names)))
        stub = BrowserServiceStub(channel)

        async def run(lease_id: str) -> pb.RunCommandResponse:
            return await stub.RunCommand(command(lease_id, text="\N{SNOWMAN}" * 60_000), timeout=LIMIT)

        await asyncio.gather(*(run(f"lease_{number % 5}") for number in range(50)))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await run("lease_of_nobody")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert all("lease_of_nobody" in replica.asked for replica in replicas)
        assert "x-meshwright-elsewhere" not in dict(caught.value.trailing_metadata() or ())


async def test_a_call_that_reaches_a_replica_that_stops_is_made_by_another(tmp_path: Path) -> None:
    """Until the next health check a stopping replica gets new calls; it refuses them without having done anything."""
    first, second = leases("a"), leases("a")
    async with (
        first.serve(Address(path=f"{tmp_path}/first.sock")) as stopping,
        second.serve(Address(path=f"{tmp_path}/second.sock")),
        gateway_before(tmp_path, browser_address=sockets(tmp_path, "first", "second")) as channel,
    ):
        stub = BrowserServiceStub(channel)
        await stub.GetPool(pb.GetPoolRequest(), timeout=LIMIT)
        stopping._boundary.refuse_new_calls()  # as it does when told to stop, without the rest
        for _ in range(20):
            await stub.RunCommand(command("a"), timeout=LIMIT)
        assert not first.asked
