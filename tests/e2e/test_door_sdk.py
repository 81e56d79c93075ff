"""The second door: the SDK, as programs and as scripts use it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from meshwright.client import (
    ArtifactAdded,
    Message,
    Role,
    RunCancelled,
    RunFinished,
    RunOutcome,
    RunQueued,
    RunStarted,
    TextDelta,
    ToolCallFinished,
    ToolCallStarted,
    ToolOutcome,
)
from meshwright.client import Mesh as Client
from tests.model_script import Hang, Say
from tests.model_server import ModelServer
from tests.support.commands import run

if TYPE_CHECKING:
    from tests.support.mesh_process import MeshProcess

SCRIPT = """
import sys
from meshwright.client.sync import Mesh

with Mesh(sys.argv[1]) as mesh:
    for event in mesh.run(sys.argv[2]):
        print(type(event).__name__, event.sequence)
    session = mesh.create_session(title="From a script")
    print(session.ask(sys.argv[2]))
    print([info.outcome.name for info in session.runs()])
"""


def lamp_task(mesh: MeshProcess) -> str:
    """The README's first task."""
    return f"Open {mesh.url}/demo/ and tell me what the desk lamp costs"


async def test_the_first_task_is_a_stream_of_typed_events(mesh: MeshProcess) -> None:
    async with Client(mesh.address) as client:
        events = [event async for event in client.run(lamp_task(mesh))]
    kinds = [type(event) for event in events]
    assert kinds[0] is RunQueued
    assert kinds.index(RunStarted) < kinds.index(ToolCallStarted) < kinds.index(ToolCallFinished)
    assert kinds.index(ToolCallFinished) < kinds.index(TextDelta) < kinds.index(RunFinished) == len(kinds) - 1
    started = next(event for event in events if isinstance(event, ToolCallStarted))
    assert (started.tool, started.arguments["url"]) == ("browser.open", f"{mesh.url}/demo/")
    ended = next(event for event in events if isinstance(event, ToolCallFinished))
    assert (ended.call_id, ended.outcome) == (started.call_id, ToolOutcome.SUCCEEDED)
    assert ended.duration.total_seconds() > 0
    end = events[-1]
    assert isinstance(end, RunFinished)
    assert (end.outcome, "$49.00" in end.answer) == (RunOutcome.COMPLETED, True)
    answer = [event.text for event in events if isinstance(event, Message) and event.role is Role.AGENT][-1]
    assert answer == end.answer


async def test_the_answer_is_streamed_in_the_pieces_it_is_made_of(mesh: MeshProcess) -> None:
    async with Client(mesh.address) as client:
        events = [event async for event in client.run(lamp_task(mesh))]
    end = events[-1]
    assert isinstance(end, RunFinished)
    answers = [event for event in events if isinstance(event, Message) and event.text == end.answer]
    pieces = [e.text for e in events if isinstance(e, TextDelta) and e.message_id == answers[0].message_id]
    assert "".join(pieces) == end.answer


@pytest.mark.usefixtures("dearer_lamp")
async def test_another_price_on_the_page_is_another_answer(mesh: MeshProcess) -> None:
    async with Client(mesh.address) as client:
        answer = await client.ask(lamp_task(mesh))
    assert "$57.25" in answer
    assert "$49.00" not in answer


async def test_a_script_has_the_same_without_await(mesh: MeshProcess) -> None:
    """In a process of its own, as scripts are: gRPC wants one event loop for a process."""
    done = await run(sys.executable, "-c", SCRIPT, mesh.address, lamp_task(mesh))
    assert done.code == 0, done
    lines = done.out.splitlines()
    assert lines[0].startswith("RunQueued 1")
    assert any(line.startswith("RunFinished ") for line in lines)
    assert "$49.00" in done.out
    assert lines[-1] == "['COMPLETED']"


async def test_a_screenshot_can_be_kept(mesh: MeshProcess) -> None:
    async with Client(mesh.address) as client, client.run(f"Take a screenshot of {mesh.url}/demo/") as running:
        await running.result()
        session = client.session(running.session_id)
        (added,) = [event async for event in session.events(follow=False) if isinstance(event, ArtifactAdded)]
        artifact = await session.artifact(added.artifact.artifact_id)
    assert artifact.data is not None
    assert (artifact.media_type, artifact.data[:3]) == ("image/jpeg", b"\xff\xd8\xff")
    assert len(artifact.data) == artifact.size_bytes > 10_000


async def test_a_program_cancels_its_run(mesh: MeshProcess, model_port: int) -> None:
    async with ModelServer([Say("Well, "), Hang()], model_port) as model, Client(mesh.address) as client:
        running = client.run("talk", model="openai:scripted")
        async for event in running:
            if isinstance(event, TextDelta):
                await running.cancel()
            if isinstance(event, RunFinished):
                with pytest.raises(RunCancelled):
                    event.raise_for_outcome()
        await model.wait_abandoned()


async def test_sessions_and_runs_are_found_again(mesh: MeshProcess) -> None:
    async with Client(mesh.address) as client:
        session = await client.create_session(title="To be found", labels={"team": "e2e"})
        await session.ask("list the files")
        found = [info async for info in client.sessions() if info.session_id == session.session_id]
        assert [(info.title, dict(info.labels)) for info in found] == [("To be found", {"team": "e2e"})]
        assert [info.outcome async for info in session.runs()] == [RunOutcome.COMPLETED]
        await session.delete()
        assert session.session_id not in [info.session_id async for info in client.sessions()]
