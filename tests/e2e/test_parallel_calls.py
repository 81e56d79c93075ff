"""Two page visits and two file reads of one task run at the same time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from meshwright.client import Event, RunFinished, Session, ToolCallFinished, ToolCallStarted, ToolOutcome
from meshwright.client import Mesh as Client
from tests.model_script import Call, Say, in_turn
from tests.model_server import ModelServer
from tests.support.web_pages import web_pages

if TYPE_CHECKING:
    from tests.support.mesh_process import MeshProcess
    from tests.support.web_pages import WebPages

PATIENCE = 60.0
NOTES = {"north.txt": "The north wind blows.", "south.txt": "The south wind sleeps."}


async def session_with_notes(client: Client, model_port: int) -> Session:
    """A session in whose workspace an agent has written two files."""
    session = await client.create_session()
    writing = [Call("file.write", {"path": path, "content": text}) for path, text in NOTES.items()]
    async with ModelServer(in_turn(writing, Say("Written.")), model_port):
        await session.ask("write the notes", model="openai:scripted")
    return session


async def events_with_gates(session: Session, pages: WebPages, task: str, model: str = "") -> list[Event]:
    """The run's events. The pages open once all were asked for and both files were read: not before, and not in turn."""
    read = asyncio.Event()

    async def open_gates() -> None:
        for path in pages.gates:
            await pages.visited(path)
        await read.wait()
        for gate in pages.gates.values():
            gate.set()

    opening = asyncio.create_task(open_gates())
    events: list[Event] = []
    try:
        async with asyncio.timeout(PATIENCE):
            async for event in session.run(task, model=model):
                events.append(event)
                ends = [e for e in events if isinstance(e, ToolCallFinished) and e.tool == "file.read"]
                if len(ends) == len(NOTES):
                    read.set()
        await opening
    finally:
        opening.cancel()
    return events


def assert_overlap(events: list[Event]) -> None:
    """Each of the four calls began before any of them ended."""
    started = [event for event in events if isinstance(event, ToolCallStarted)]
    finished = [event for event in events if isinstance(event, ToolCallFinished)]
    four = started[:4]
    assert sorted(event.tool for event in four) == ["browser.open"] * 2 + ["file.read"] * 2
    ends = [event for event in finished if event.call_id in {call.call_id for call in four}]
    assert [event.outcome for event in ends] == [ToolOutcome.SUCCEEDED] * 4
    assert max(event.sequence for event in four) < min(event.sequence for event in ends)
    assert max(event.time for event in four) <= min(event.time for event in ends)


async def test_a_model_asks_for_four_things_and_gets_them_at_once(mesh: MeshProcess, model_port: int) -> None:
    async with Client(mesh.address) as client, web_pages() as pages:
        session = await session_with_notes(client, model_port)
        urls = [pages.add(f"/{name}", f"<h1>{name}</h1>", gated=True) for name in ("east", "west")]
        calls = [Call("browser.open", {"url": url}) for url in urls]
        calls += [Call("file.read", {"path": path}) for path in NOTES]
        async with ModelServer(in_turn(calls, Say("All four.")), model_port) as model:
            events = await events_with_gates(session, pages, "look", "openai:scripted")
            results = model.requests[-1].tool_results
    assert_overlap(events)
    assert ["east" in results[0], "west" in results[1]] == [True, True]
    assert ["north wind" in results[2], "south wind" in results[3]] == [True, True]


async def test_the_offline_planner_does_what_a_task_joins_by_and_at_once(mesh: MeshProcess, model_port: int) -> None:
    async with Client(mesh.address) as client, web_pages() as pages:
        session = await session_with_notes(client, model_port)
        urls = [pages.add(f"/{name}", f"<h1>The {name}</h1>", gated=True) for name in ("east", "west")]
        task = f"Open {urls[0]} and open {urls[1]} and read north.txt and read south.txt"
        events = await events_with_gates(session, pages, task)
    assert_overlap(events)
    end = events[-1]
    assert isinstance(end, RunFinished)
    for part in ("The east", "The west", *NOTES.values()):
        assert part in end.answer


@pytest.mark.parametrize("seconds", [1])
async def test_two_slow_pages_take_as_long_as_one(mesh: MeshProcess, seconds: int) -> None:
    slow = f"{mesh.url}/demo/slow?seconds={seconds}"
    async with Client(mesh.address) as client:
        events = [event async for event in client.run(f"Open {slow} and open {slow}&again=1")]
    opened = [event for event in events if isinstance(event, ToolCallFinished)]
    assert [event.outcome for event in opened] == [ToolOutcome.SUCCEEDED] * 2
    assert all(event.duration.total_seconds() >= seconds for event in opened)
    began = min(event.time for event in events if isinstance(event, ToolCallStarted))
    took = max(event.time for event in opened) - began
    assert took < sum((event.duration for event in opened), type(took)())
