"""`kill -9` of each part of a mesh while it works: nothing hangs, nothing is lost, the next task works."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from meshwright.client import (
    BrowserAttached,
    BrowserDetached,
    Event,
    RunFinished,
    RunOutcome,
    RunStarted,
    TextDelta,
    ToolCallFinished,
    ToolCallStarted,
    ToolOutcome,
    UsageRecorded,
)
from meshwright.client import Mesh as Client
from tests.model_script import Call, Hang, Say, Steps, in_order, in_turn
from tests.model_server import ModelServer
from tests.support.mesh_process import SERVICES, mesh_process
from tests.support.ports import reserved_port
from tests.support.web_pages import web_pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.mesh_process import MeshProcess

PATIENCE = 60.0
MODEL = "openai:scripted"


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[MeshProcess, int]]:
    """A mesh to be broken, and the port of its models. Every test leaves it whole."""
    with (
        reserved_port() as port,
        mesh_process(
            tmp_path_factory.mktemp("fragile"), MESHWRIGHT_OPENAI_BASE_URL=f"http://127.0.0.1:{port}/v1"
        ) as running,
    ):
        yield running, port


def assert_gapless(events: list[Event]) -> None:
    """Every event once, in order, and exactly one end: the last."""
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert [isinstance(event, RunFinished) for event in events] == [False] * (len(events) - 1) + [True]


def calls_of(events: list[Event]) -> list[ToolCallFinished]:
    return [event for event in events if isinstance(event, ToolCallFinished)]


async def price_of_the_lamp(mesh: MeshProcess) -> str:
    async with Client(mesh.address) as client, asyncio.timeout(PATIENCE):
        return await client.ask(f"Open {mesh.url}/demo/ and tell me what the desk lamp costs")


async def test_browser_time_is_counted_once_whatever_dies(fragile: tuple[MeshProcess, int]) -> None:
    mesh, port = fragile
    begun = time.monotonic()
    async with Client(mesh.address) as client, web_pages() as pages, asyncio.timeout(2 * PATIENCE):
        look: list[Steps] = [Call("browser.open", {"url": pages.add("/page", "A page")}), Say("Seen.")]
        async with ModelServer(in_order(*look, *look, *look), port):
            session = await client.create_session()
            await session.ask("look", model=MODEL)
            await asyncio.to_thread(mesh.kill_services, "tools")
            await session.ask("look again", model=MODEL)
            await asyncio.to_thread(mesh.kill_services, "agent")
            await session.ask("look once more", model=MODEL)
        info = await session.info()
        told = timedelta(0)
        async for event in session.events():
            if isinstance(event, UsageRecorded):
                told += event.usage.browser_duration
            if event.sequence == info.last_sequence:
                break
        runs = [run.usage.browser_duration async for run in session.runs()]
    assert len(runs) == 3
    assert min(runs) > timedelta(0)
    # What the session had between its first runs is told too; what the agent had not told when it died is lost.
    assert sum(runs, timedelta(0)) <= told == info.usage.browser_duration
    assert told < timedelta(seconds=time.monotonic() - begun)


async def test_a_chromium_that_is_killed_under_a_page_visit_is_replaced(fragile: tuple[MeshProcess, int]) -> None:
    mesh, port = fragile
    async with Client(mesh.address) as client, web_pages() as pages, asyncio.timeout(PATIENCE):
        gated = pages.add("/gated", "<h1>Back again</h1>", gated=True)
        async with ModelServer(in_turn(Call("browser.open", {"url": gated}), Say("I have looked.")), port) as model:
            events: list[Event] = []
            async for event in client.run("look", model=MODEL):
                events.append(event)
                if isinstance(event, ToolCallStarted):
                    await pages.visited("/gated")
                    mesh.kill_chromium()
                    pages.gates["/gated"].set()
            told = model.requests[-1].tool_results[0]
        (call,) = calls_of(events)
        if call.outcome is ToolOutcome.SUCCEEDED:
            assert "Back again" in told
        else:
            assert call.error is not None
            assert call.error.reason == "BROWSER_CRASHED"
        end = events[-1]
        assert isinstance(end, RunFinished)
        assert end.answer == "I have looked."
    assert "$49.00" in await price_of_the_lamp(mesh)


async def test_a_chromium_that_is_killed_between_two_runs_is_not_a_blank_page(fragile: tuple[MeshProcess, int]) -> None:
    """The session goes on where it was, or the model is told that the page is gone."""
    mesh, port = fragile
    async with Client(mesh.address) as client, asyncio.timeout(PATIENCE):
        session = await client.create_session()
        assert "$49.00" in await session.ask(f"Open {mesh.url}/demo/ and tell me what the desk lamp costs")
        mesh.kill_chromium()
        async with ModelServer(in_turn(Call("browser.snapshot", {}), Say("I have looked.")), port) as model:
            events = [event async for event in session.run("look again", model=MODEL)]
            told = model.requests[-1].tool_results[0]
        (call,) = calls_of(events)
        if call.outcome is ToolOutcome.SUCCEEDED:
            assert "$49.00" in told
        else:
            assert call.error is not None
            # The last one where the call was being sent in the very moment: gRPC loses the reason then.
            assert call.error.reason in ("BROWSER_CRASHED", "TAB_NOT_FOUND", "UNAVAILABLE")
        assert "$49.00" in await session.ask(f"Open {mesh.url}/demo/ and tell me what the desk lamp costs")


async def test_a_run_survives_the_kill_of_the_agent(fragile: tuple[MeshProcess, int]) -> None:
    """And the client that follows it does not notice."""
    mesh, port = fragile
    async with Client(mesh.address) as client, asyncio.timeout(PATIENCE):
        async with ModelServer(in_order([Say("Half of it"), Hang()], Say("All of it.")), port):
            events: list[Event] = []
            killing: asyncio.Task[None] | None = None
            async for event in client.run("talk", model=MODEL):
                events.append(event)
                if isinstance(event, TextDelta) and killing is None:
                    killing = asyncio.create_task(asyncio.to_thread(mesh.kill_services, "agent"))
            assert killing is not None
            await killing
        log = [event async for event in client.session(events[0].session_id).events(follow=False)]
    assert_gapless(events)
    assert events == log
    assert [event.attempt for event in events if isinstance(event, RunStarted)] == [1, 2]
    end = events[-1]
    assert isinstance(end, RunFinished)
    assert (end.outcome, end.answer) == (RunOutcome.COMPLETED, "All of it.")


async def look_while_killing(mesh: MeshProcess, port: int, service: str) -> tuple[list[Event], str]:
    """The events of a run that opens a page while a service is killed, and what the model was told of that."""
    async with Client(mesh.address) as client, web_pages() as pages, asyncio.timeout(PATIENCE):
        gated = pages.add("/gated", "<h1>Back again</h1>", gated=True)
        async with ModelServer(in_turn(Call("browser.open", {"url": gated}), Say("I have tried.")), port) as model:
            events: list[Event] = []
            killing: asyncio.Task[None] | None = None
            async for event in client.run("look", model=MODEL):
                events.append(event)
                if isinstance(event, ToolCallStarted):
                    await pages.visited("/gated")
                    killing = asyncio.create_task(asyncio.to_thread(mesh.kill_services, service))
                    pages.gates["/gated"].set()
            assert killing is not None
            await killing
            told = model.requests[-1].tool_results[0]
        log = [event async for event in client.session(events[0].session_id).events(follow=False)]
    end = events[-1]
    assert isinstance(end, RunFinished)
    assert (end.outcome, end.answer) == (RunOutcome.COMPLETED, "I have tried.")
    return log, told


async def test_a_run_goes_on_when_the_tools_are_killed_and_says_that_the_calls_end_is_unknown(
    fragile: tuple[MeshProcess, int],
) -> None:
    mesh, port = fragile
    log, told = await look_while_killing(mesh, port, "tools")
    (call,) = calls_of(log)
    assert call.error is not None
    assert (call.outcome, call.error.reason) == (ToolOutcome.UNKNOWN, "TOOL_OUTCOME_UNKNOWN")
    assert "whether it took effect is not known" in told
    attached = [event.lease_id for event in log if isinstance(event, BrowserAttached)]
    detached = [event.lease_id for event in log if isinstance(event, BrowserDetached)]
    assert attached == detached
    assert "$49.00" in await price_of_the_lamp(mesh)


async def test_a_run_goes_on_when_the_browser_service_is_killed(fragile: tuple[MeshProcess, int]) -> None:
    mesh, port = fragile
    log, told = await look_while_killing(mesh, port, "browser")
    (call,) = calls_of(log)
    if call.outcome is ToolOutcome.SUCCEEDED:
        assert "Back again" in told
    else:
        assert call.error is not None
        assert call.error.reason in ("BROWSER_CRASHED", "UNAVAILABLE")
    assert "$49.00" in await price_of_the_lamp(mesh)


async def test_a_mesh_whose_services_are_all_killed_at_once_is_back_by_itself(fragile: tuple[MeshProcess, int]) -> None:
    mesh, _ = fragile
    await asyncio.to_thread(mesh.kill_services, *SERVICES)
    assert "$49.00" in await price_of_the_lamp(mesh)
