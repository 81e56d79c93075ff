"""The SDK against a real AgentService: sessions, their events and files, pages."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from meshwright import Mesh
from meshwright.client import AlreadyExists, Event, NotFound, OutOfRange, RunFinished, RunQueued, TextDelta
from meshwright.store.artifacts import ArtifactStore
from tests.support.sdk_agent import assert_gapless, obey, sdk_agent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.sdk_agent import SdkAgent

PATIENCE = 60.0


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[SdkAgent]:
    async with sdk_agent(tmp_path, obey) as running:
        yield running


@pytest.fixture
async def mesh(agent: SdkAgent) -> AsyncIterator[Mesh]:
    async with Mesh(agent.name) as connected:
        yield connected


async def test_a_started_run_is_watched_from_its_beginning_at_any_time(mesh: Mesh) -> None:
    session = await mesh.create_session()
    run = await session.start("hello")
    finished = await run.result()
    assert finished.answer == "You said: hello"
    again = [event async for event in run.events()]
    assert isinstance(again[0], RunQueued)
    assert again[-1] == finished
    rest = [event async for event in run.events(after=again[2].sequence)]
    assert rest == again[3:]


async def test_a_request_that_is_repeated_takes_effect_once(mesh: Mesh) -> None:
    session = await mesh.create_session(request_id="make-1")
    assert (await mesh.create_session(request_id="make-1")).session_id == session.session_id
    run = await session.start("hello", request_id="start-1")
    assert (await session.start("hello", request_id="start-1")).run_id == run.run_id
    with pytest.raises(AlreadyExists) as refusal:
        await session.start("something else", request_id="start-1")
    assert refusal.value.reason == "REQUEST_ID_REUSED"
    streamed = [await mesh.run("hello", request_id="stream-1").result() for _ in range(2)]
    assert streamed[0].run_id == streamed[1].run_id
    assert [info async for info in session.runs()] == [await run.info()]


async def test_lists_are_fetched_page_by_page(mesh: Mesh) -> None:
    sessions = [await mesh.create_session(title=f"number {n}") for n in range(5)]
    listed = [info.title async for info in mesh.sessions(page_size=2)]
    assert listed == [f"number {n}" for n in reversed(range(5))]
    for n in range(3):
        await sessions[0].ask(f"task {n}")
    assert [info.task async for info in sessions[0].runs(page_size=2)] == ["task 2", "task 1", "task 0"]


async def test_a_deleted_session_is_gone(mesh: Mesh) -> None:
    session = await mesh.create_session()
    await session.ask("hello")
    await session.delete()
    for asking in (session.info(), session.ask("hello"), session.delete(), session.start("hello")):
        with pytest.raises(NotFound) as refusal:
            await asking
        assert refusal.value.reason == "SESSION_NOT_FOUND"
    with pytest.raises(NotFound):
        await anext(session.events())
    with pytest.raises(NotFound):
        await anext(session.runs())


async def test_events_are_chosen_by_their_classes(mesh: Mesh) -> None:
    session = await mesh.create_session()
    await session.ask("hello")
    everything = [event async for event in session.events(follow=False)]
    assert_gapless(everything)
    ends = [event async for event in session.events(follow=False, kinds=(RunQueued, RunFinished))]
    assert ends == [everything[0], everything[-1]]
    silent = [event async for event in session.events(follow=False, exclude=(TextDelta,))]
    assert silent == [event for event in everything if not isinstance(event, TextDelta)]
    assert [event async for event in session.events(everything[-1].sequence, follow=False)] == []
    with pytest.raises(OutOfRange):
        await anext(session.events(everything[-1].sequence + 1))
    with pytest.raises(ValueError, match="Event is not a kind"):
        session.events(kinds=(Event,))


async def test_a_session_is_followed_live(mesh: Mesh) -> None:
    session = await mesh.create_session()
    following = session.events(kinds=(RunFinished,))
    waiting = asyncio.create_task(anext(following))
    await session.ask("hello")
    event = await waiting
    assert isinstance(event, RunFinished)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(following), 0.2)
    # An impatient wait costs nothing: what follows still comes.
    waiting = asyncio.create_task(anext(following))
    answer = await session.ask("again")
    event = await waiting
    assert isinstance(event, RunFinished)
    assert event.answer == answer


async def test_an_artifact_is_read_whole_and_saved_under_its_own_name(
    agent: SdkAgent, mesh: Mesh, tmp_path: Path
) -> None:
    session = await mesh.create_session()
    content = bytes(range(256)) * 1024
    store = ArtifactStore(f"file://{agent.folder / 'artifacts'}")
    kept = await store.put(session.session_id, "page.png", "image/png", content, width=16, height=9)
    artifact = await session.artifact(kept.artifact_id)
    assert artifact.data == content
    assert (artifact.name, artifact.media_type, artifact.width, artifact.height) == ("page.png", "image/png", 16, 9)
    saved = await session.save_artifact(kept.artifact_id, tmp_path)
    assert saved == tmp_path / "page.png"
    assert saved.read_bytes() == content
    assert await session.save_artifact(kept.artifact_id, tmp_path / "other.png") == tmp_path / "other.png"
    with pytest.raises(NotFound) as refusal:
        await session.artifact("art_0")
    assert refusal.value.reason == "ARTIFACT_NOT_FOUND"


async def test_the_agent_says_what_it_is(mesh: Mesh) -> None:
    agent = await mesh.agent()
    assert agent.model == "openai:scripted"
    assert not agent.offline
    assert agent.max_steps == 40
