"""Clients that vanish, and connections that break, in the middle of a run. (The page's reload is in test_page.py.)"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from meshwright.client import (
    Event,
    Message,
    RunFinished,
    RunOutcome,
    RunState,
    TextDelta,
    ToolCallFinished,
    ToolCallStarted,
)
from meshwright.client import Mesh as Client
from tests.model_script import Call, Say, Tokens, in_turn
from tests.model_server import ModelServer
from tests.support.commands import started
from tests.support.tcp_proxy import tcp_proxy
from tests.support.web_pages import web_pages

if TYPE_CHECKING:
    from tests.support.mesh_process import MeshProcess
    from tests.support.web_pages import WebPages

PATIENCE = 60.0
PROGRAM = """
import asyncio, sys
from meshwright import Mesh

async def main(address, task):
    async with Mesh(address) as mesh:
        stream = mesh.run(task, model="openai:scripted")
        async for event in stream:
            print(stream.session_id, stream.run_id, event.sequence, type(event).__name__, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


def sequences(events: list[Event]) -> list[int]:
    return [event.sequence for event in events]


def answer_of(events: list[Event]) -> str:
    end = events[-1]
    assert isinstance(end, RunFinished)
    assert end.outcome is RunOutcome.COMPLETED
    return end.answer


async def killed_at_the_gate(mesh: MeshProcess, pages: WebPages) -> tuple[str, str, int]:
    """Start a run by a program, kill the program when the run waits for a page; its session, run and cursor."""
    async with started(sys.executable, "-c", PROGRAM, mesh.address, "look") as program, asyncio.timeout(PATIENCE):
        assert program.stdout is not None
        while line := (await program.stdout.readline()).decode().split():
            session_id, run_id, sequence, kind = line
            if kind == "ToolCallStarted":
                await pages.visited("/gated")
                program.kill()
                assert await program.wait() == -9
                return session_id, run_id, int(sequence)
    raise AssertionError("the program ended by itself")


async def test_a_run_goes_on_without_the_program_that_started_it(mesh: MeshProcess, model_port: int) -> None:
    async with web_pages() as pages, Client(mesh.address) as client:
        gated = pages.add("/gated", "The gate is open", gated=True)
        script = in_turn([Say("I am looking."), Call("browser.open", {"url": gated})], Say("It is open."))
        async with ModelServer(script, model_port), asyncio.timeout(PATIENCE):
            session_id, run_id, cursor = await killed_at_the_gate(mesh, pages)
            run = client.session(session_id).existing_run(run_id)
            assert (await run.info()).state is RunState.ACTIVE
            pages.gates["/gated"].set()
            while (await run.info()).state is not RunState.FINISHED:  # noqa: ASYNC110  # nobody watches: that is the point
                await asyncio.sleep(0.05)
        missed = [event async for event in client.session(session_id).events(cursor, follow=False)]
        whole = [event async for event in client.session(session_id).events(follow=False)]
    assert sequences(whole) == list(range(1, len(whole) + 1))
    assert whole[cursor:] == missed
    assert [event.tool for event in missed if isinstance(event, ToolCallFinished)] == ["browser.open"]
    ends = [event for event in missed if isinstance(event, RunFinished)]
    assert [end.answer for end in ends] == ["It is open."]


async def test_a_program_that_comes_back_follows_the_run_live(mesh: MeshProcess, model_port: int) -> None:
    async with web_pages() as pages, Client(mesh.address) as client:
        gated = pages.add("/gated", "The gate is open", gated=True)
        script = in_turn([Say("I am looking."), Call("browser.open", {"url": gated})], Say("It is open."))
        async with ModelServer(script, model_port), asyncio.timeout(PATIENCE):
            session_id, run_id, cursor = await killed_at_the_gate(mesh, pages)
            later: list[Event] = []
            async for event in client.session(session_id).existing_run(run_id).events():
                later.append(event)
                if isinstance(event, ToolCallStarted):
                    pages.gates["/gated"].set()
    assert cursor in sequences(later)
    assert sequences(later) == sorted(set(sequences(later)))
    assert answer_of(later) == "It is open."


async def test_a_connection_that_breaks_again_and_again_loses_and_repeats_nothing(
    mesh: MeshProcess, model_port: int
) -> None:
    async with (
        ModelServer(Tokens(400, 0.005, stamped=True), model_port),
        tcp_proxy(mesh.address) as network,
        Client(network.address) as client,
        asyncio.timeout(PATIENCE),
    ):
        events: list[Event] = []
        cut = 0
        async for event in client.run("talk", model="openai:scripted"):
            events.append(event)
            if isinstance(event, TextDelta) and cut < network.connections <= 3:
                cut = network.connections
                network.cut()
        session_id = events[0].session_id
        log = [event async for event in client.session(session_id).events(follow=False)]
    assert network.connections >= 4
    assert sequences(events) == list(range(1, len(events) + 1))
    assert events == log[: len(events)]
    spoken = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert spoken == answer_of(events)
    stamps = [int(stamp) for stamp in spoken.split()]
    assert (len(stamps), stamps) == (400, sorted(stamps))


async def test_a_break_just_after_the_task_was_given_starts_one_run(mesh: MeshProcess, model_port: int) -> None:
    """The client opens the stream anew, and may say the task again with the same id."""
    async with (
        ModelServer(Say("Once."), model_port) as model,
        tcp_proxy(mesh.address) as network,
        Client(network.address) as client,
        asyncio.timeout(PATIENCE),
    ):
        await client.agent()
        running = client.run("say it", model="openai:scripted")
        reading = asyncio.create_task(running.result())
        await model.wait_requests(timeout=PATIENCE)
        network.cut()
        assert (await reading).answer == "Once."
        session = client.session(running.session_id)
        runs = [run async for run in session.runs()]
        said = [
            event.text async for event in session.events(follow=False, kinds=(Message,)) if isinstance(event, Message)
        ]
    assert ([run.run_id for run in runs], said) == ([running.run_id], ["say it", "Once."])
