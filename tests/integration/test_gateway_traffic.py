"""Two tracks of the agent: weights that move under open streams, sessions that stay, testers who choose."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import grpc
import pytest
from typer.testing import CliRunner

from meshwright.cli.main import app
from meshwright.gateway import gateway as gateway_module
from meshwright.gateway.gateway import Gateway
from meshwright.gateway.render import render_routes
from meshwright.gateway.shifting import follow_traffic
from meshwright.gateway.traffic import Traffic, TrafficError
from meshwright.gateway.traffic_file import FileTrafficSource, TrafficFile
from meshwright.serving.address import Address
from tests.support import grpc_web
from tests.support.gateway_mesh import GetAgent, Mesh, Upstream, running_mesh, unary, upstream_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from meshwright.gateway.routes import Target
    from meshwright.gateway.settings import GatewaySettings

LIMIT = 60.0
SESSION, TRACK = "x-meshwright-session", "x-meshwright-track"


@contextlib.asynccontextmanager
async def two_tracks(folder: Path, **settings: object) -> AsyncIterator[Mesh]:
    """A mesh whose agent says `agent` on the stable track and `canary` on the other."""
    address = Address(path=str(folder / "canary.sock"))
    canary = Upstream("canary", address)
    await canary.start()
    try:
        async with running_mesh(folder, agent_canary_address=address, **settings) as mesh:
            yield mesh
    finally:
        await canary.stop()


async def asked(mesh: Mesh, headers: Mapping[str, str] | None = None) -> str:
    """Who answers a call with these headers."""
    method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = mesh.channel.unary_unary(GetAgent)
    return (await method(b"", timeout=LIMIT, metadata=tuple((headers or {}).items()))).decode()


async def tracks_of(mesh: Mesh, sessions: Sequence[str]) -> list[str]:
    return await asyncio.gather(*(asked(mesh, {SESSION: session}) for session in sessions))


async def test_a_session_stays_on_its_track_while_the_canary_grows(tmp_path: Path) -> None:
    sessions = [f"ses_{number}" for number in range(300)]
    async with two_tracks(tmp_path) as mesh:
        on_canary: set[str] = set()
        for weight in (0, 10, 50, 100):
            await mesh.gateway.shift(Traffic(weight))
            tracks = await tracks_of(mesh, sessions)
            assert tracks == await tracks_of(mesh, sessions)
            now = {session for session, track in zip(sessions, tracks, strict=True) if track == "canary"}
            assert on_canary <= now
            assert abs(len(now) / len(sessions) * 100 - weight) < 6
            on_canary = now


async def test_while_the_canary_is_down_its_sessions_go_to_the_stable_track(tmp_path: Path) -> None:
    address = Address(path=str(tmp_path / "canary.sock"))
    canary = Upstream("canary", address)
    await canary.start()
    async with running_mesh(tmp_path, agent_canary_address=address) as mesh:
        await mesh.gateway.shift(Traffic(100))
        assert await asked(mesh) == "canary"
        await canary.stop()
        for _ in range(50):
            assert await asked(mesh) == "agent"
        with pytest.raises(grpc.aio.AioRpcError):
            await asked(mesh, {TRACK: "canary"})
        await canary.start()
        async with asyncio.timeout(LIMIT):
            while await asked(mesh) != "canary":
                pass
        await canary.stop()


async def test_a_canary_that_loses_some_of_its_replicas_keeps_its_sessions(tmp_path: Path) -> None:
    addresses = [Address(path=str(tmp_path / f"canary{number}.sock")) for number in range(5)]
    canary = Upstream("canary", addresses[0])
    await canary.start()
    try:
        async with running_mesh(tmp_path, agent_canary_address=",".join(map(str, addresses))) as mesh:
            await mesh.gateway.shift(Traffic(100))
            assert {await asked(mesh) for _ in range(100)} == {"canary"}
    finally:
        await canary.stop()


async def test_calls_of_no_session_are_shared_out_too(tmp_path: Path) -> None:
    async with two_tracks(tmp_path) as mesh:
        await mesh.gateway.shift(Traffic(50))
        answers = [await asked(mesh) for _ in range(200)]
        assert 50 < answers.count("canary") < 150


@pytest.mark.parametrize("weight", [0, 100])
async def test_a_tester_chooses_the_track_whatever_the_weight(tmp_path: Path, weight: int) -> None:
    async with two_tracks(tmp_path) as mesh:
        await mesh.gateway.shift(Traffic(weight))
        for track, name in (("canary", "canary"), ("stable", "agent")):
            assert {await asked(mesh, {TRACK: track, SESSION: f"ses_{n}"}) for n in range(10)} == {name}
            messages, _ = await grpc_web.call(mesh.http, mesh.gateway.address, GetAgent, headers={TRACK: track})
            assert messages == [name.encode()]
        by_weight = "canary" if weight else "agent"
        assert await asked(mesh, {TRACK: "no such track"}) == by_weight


async def test_the_weights_of_the_start_hold_at_once(tmp_path: Path) -> None:
    async with (
        two_tracks(tmp_path) as mesh,
        Gateway(mesh.settings, Traffic(100)) as other,
        grpc.aio.insecure_channel(other.address) as channel,
    ):
        assert await unary(channel, GetAgent) == b"canary"


async def test_without_a_canary_there_is_nothing_to_shift_to(tmp_path: Path) -> None:
    async with running_mesh(tmp_path) as mesh:
        with pytest.raises(TrafficError, match="MESHWRIGHT_AGENT_CANARY_ADDRESS"):
            await mesh.gateway.shift(Traffic(10))
        assert await mesh.unary(GetAgent) == b"agent"
    with pytest.raises(TrafficError, match="MESHWRIGHT_AGENT_CANARY_ADDRESS"):
        await Gateway(upstream_settings(tmp_path), Traffic(10)).__aenter__()


@pytest.mark.parametrize(
    ("good", "broken"),
    [("timeout: 15s", "timeout: soon"), ("weight: 90", "weight: 4294967295"), ("resources:", "resources: [")],
    ids=["of a wrong type", "refused by Envoy", "not even YAML"],
)
async def test_routes_that_envoy_refuses_are_told_and_the_former_weights_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, good: str, broken: str
) -> None:
    render = render_routes

    def broken_at_10(settings: GatewaySettings, targets: Mapping[str, Sequence[Target]]) -> str:
        text = render(settings, targets)
        if targets["agent"][1].weight != 10:
            return text
        assert good in text
        return text.replace(good, broken)

    async with two_tracks(tmp_path) as mesh:
        await mesh.gateway.shift(Traffic(100, 1))
        monkeypatch.setattr(gateway_module, "render_routes", broken_at_10)
        with pytest.raises(TrafficError, match="Envoy refuses the new routes"):
            await mesh.gateway.shift(Traffic(10, 2))
        assert mesh.gateway.traffic == Traffic(100, 1)
        assert {await asked(mesh) for _ in range(20)} == {"canary"}
        await mesh.gateway.shift(Traffic(0, 3))
        assert {await asked(mesh) for _ in range(20)} == {"agent"}


async def test_the_command_is_told_of_a_refusal_and_takes_its_wish_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def traffic(*arguments: str) -> tuple[int, str]:
        command = ["traffic", *arguments, "--data-dir", str(tmp_path)]
        result = await asyncio.to_thread(CliRunner().invoke, app, command)
        return result.exit_code, result.output

    async with two_tracks(tmp_path) as mesh:
        following = asyncio.create_task(follow_traffic(mesh.gateway, FileTrafficSource(tmp_path)))
        async with asyncio.timeout(LIMIT):
            while TrafficFile(tmp_path).read_report() is None:  # noqa: ASYNC110  # a file has nothing to await
                await asyncio.sleep(0.01)
        assert (await traffic("set", "50"))[0] == 0
        with monkeypatch.context() as patch:
            patch.setattr(gateway_module, "render_routes", lambda *_: "resources: [")
            code, said = await traffic("set", "90")
        assert (code, "Nothing changed, stable 50 %, canary 50 %: Envoy refuses the new routes" in said) == (1, True)
        assert TrafficFile(tmp_path).read().canary_weight == 50
        assert "stable 100 %" in (await traffic("rollback"))[1]

        async def silent(*_: str) -> dict[str, int]:
            raise ConnectionError

        with monkeypatch.context() as patch:
            patch.setattr(mesh.gateway.admin, "stats", silent)
            code, said = await traffic("set", "90")
        assert (code, "Envoy does not say" in said) == (1, True)
        assert (await traffic("set", "10"))[0] == 0
        following.cancel()
