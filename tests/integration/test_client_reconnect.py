"""The SDK when the network fails and when the mesh restarts, against a real AgentService: every event once, in order."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from meshwright import Mesh
from meshwright.client import RunFinished, TextDelta, ToolCallStarted, Unavailable
from tests.model_script import Call, Say, Tokens, in_turn
from tests.support.scripted_tools import Gates, scripted_tools
from tests.support.sdk_agent import sdk_agent
from tests.support.tcp_proxy import tcp_proxy

if TYPE_CHECKING:
    from pathlib import Path

    from meshwright.client import Event

TOKENS = 400


def sequences(events: list[Event]) -> list[int]:
    return [event.sequence for event in events]


async def test_a_cut_connection_loses_and_doubles_nothing(tmp_path: Path) -> None:
    async with (
        sdk_agent(tmp_path, Tokens(TOKENS, delay=0.002)) as agent,
        tcp_proxy(agent.name) as proxy,
        Mesh(proxy.address) as mesh,
    ):
        events: list[Event] = []
        deltas = 0
        async for event in mesh.run("stream"):
            events.append(event)
            deltas += isinstance(event, TextDelta)
            if isinstance(event, TextDelta) and deltas in (3, 30, 60):
                proxy.cut()
        logged = [event async for event in mesh.session(events[0].session_id).events(follow=False)]
    assert proxy.connections >= 4
    assert events == logged
    assert sequences(events) == list(range(1, len(events) + 1))
    assert isinstance(events[-1], RunFinished)
    said = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert said == events[-1].answer
    assert len(said.split()) == TOKENS


async def test_a_task_is_started_once_however_often_its_connection_is_cut(tmp_path: Path) -> None:
    async with sdk_agent(tmp_path, Say("hello")) as agent, tcp_proxy(agent.name) as proxy, Mesh(proxy.address) as mesh:
        await mesh.agent()
        loop = asyncio.get_running_loop()
        for _ in range(10):
            # Cut at whatever moment it happens to be.
            cutting = loop.call_later(0.003, proxy.cut)
            assert await mesh.ask("hello") == "hello"
            cutting.cancel()
        assert len([info async for info in mesh.sessions()]) == 10
        assert len(agent.model.requests) == 10


async def test_a_run_goes_on_through_a_restart_of_the_mesh(tmp_path: Path) -> None:
    gates = Gates()
    script = in_turn(Call("test.gate", {"name": "a"}), Say("through"))
    async with sdk_agent(tmp_path, script, scripted_tools(gates)) as agent, Mesh(agent.name) as mesh:
        events: list[Event] = []
        async for event in mesh.run("pass"):
            events.append(event)
            if isinstance(event, ToolCallStarted) and event.attempt == 1 and len(gates.passing) == 0:
                await gates.until(lambda: gates.passing == ["a"])
                await agent.stop()
                gates.open("a")
                await agent.start()
    assert sequences(events) == list(range(1, len(events) + 1))
    assert isinstance(events[-1], RunFinished)
    assert events[-1].answer == "through"


async def test_a_session_is_followed_through_a_restart(tmp_path: Path) -> None:
    async with sdk_agent(tmp_path, Say("hello")) as agent, Mesh(agent.name) as mesh:
        session = await mesh.create_session()
        following = session.events(kinds=(RunFinished,))
        waiting = asyncio.create_task(anext(following))
        first = await (await session.start("one")).result()
        assert await waiting == first
        await agent.stop()
        waiting = asyncio.create_task(anext(following))
        await agent.start()
        second = await (await session.start("two")).result()
        assert await waiting == second
        await following.aclose()


async def test_repeating_a_task_of_a_session_shows_its_run_again(tmp_path: Path) -> None:
    async with sdk_agent(tmp_path, Say("hello")) as agent, Mesh(agent.name) as mesh:
        session = await mesh.create_session()
        first = [event async for event in session.run("one", request_id="r1")]
        await session.ask("two")
        assert [event async for event in session.run("one", request_id="r1")] == first


async def test_a_mesh_that_is_not_there_is_told_at_once_with_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with Mesh(address) as mesh:
            for asking in (mesh.agent(), mesh.ask("hello"), anext(mesh.session("ses_1").events())):
                with pytest.raises(Unavailable, match=f"no mesh at {address}: start it with `meshwright up`"):
                    await asking
        assert loop.time() - began < 5


async def test_a_program_can_wait_for_a_mesh_that_starts(tmp_path: Path) -> None:
    async with sdk_agent(tmp_path, Say("hello")) as agent:
        await agent.stop()
        async with Mesh(agent.name) as mesh:
            with pytest.raises(Unavailable):
                await mesh.wait_ready(timeout=0.3)
            waiting = asyncio.create_task(mesh.wait_ready(timeout=30))
            await agent.start()
            assert (await waiting).model == "openai:scripted"
