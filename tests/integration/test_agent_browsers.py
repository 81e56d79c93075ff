"""Whose browser it is when there are fewer than sessions: a real pool of one or two, and sessions that rest or work."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from meshwright.serving.address import Address
from meshwright.serving.channel import open_channel
from meshwright.v1.agent_service_pb2 import DeleteSessionRequest
from meshwright.v1.browser_service_pb2 import AcquireLeaseRequest
from meshwright.v1.browser_service_pb2_grpc import BrowserServiceStub
from meshwright.v1.tool_pb2 import ToolOutcome
from tests.model_script import Call, Request, Say, Steps
from tests.support.agent_mesh import PATIENCE, AgentMesh, agent_mesh
from tests.support.tool_mesh import browser_server
from tests.support.web_pages import WebPages, web_pages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from meshwright.v1.event_pb2 import Event


def as_told(request: Request) -> Steps:
    """`open URL`, or `look` at the page that is there; then an answer."""
    verb, _, url = request.last_user_text.partition(" ")
    if request.step:
        return Say("Done.")
    return Call("browser.open", {"url": url}) if verb == "open" else Call("browser.snapshot", {})


@asynccontextmanager
async def mesh_with_browsers(folder: Path, capacity: int) -> AsyncIterator[tuple[AgentMesh, WebPages]]:
    async with (
        browser_server(folder, browser_capacity=capacity),
        agent_mesh(folder, as_told, browser_address=f"unix:{folder}/browser.sock") as mesh,
        web_pages() as pages,
    ):
        yield mesh, pages


async def do(mesh: AgentMesh, session_id: str, task: str) -> list[Event]:
    run = await mesh.start(session_id, task)
    return await mesh.events(session_id, run.run_id)


def results(events: list[Event]) -> list[tuple[str, str]]:
    """Outcome and text of every tool call."""
    ends = [event.tool_call_finished.completion for event in events if event.HasField("tool_call_finished")]
    return [(ToolOutcome.Name(end.outcome).removeprefix("TOOL_OUTCOME_"), end.result.text) for end in ends]


async def test_more_sessions_than_browsers_each_get_one_in_turn_and_find_their_page_again(tmp_path: Path) -> None:
    async with mesh_with_browsers(tmp_path, capacity=2) as (mesh, pages), asyncio.timeout(PATIENCE):
        sessions = [await mesh.new_session() for _ in range(5)]
        for number, session_id in enumerate(sessions):
            url = pages.add(f"/{number}", f"<h1>Page {number}</h1>")
            ((outcome, _),) = results(await do(mesh, session_id, f"open {url}"))
            assert outcome == "SUCCEEDED"
        for number, session_id in enumerate(sessions):
            (*_, (outcome, text)) = results(await do(mesh, session_id, "look"))
            assert (outcome, f"Page {number}" in text) == ("SUCCEEDED", True)


async def test_the_browser_of_the_session_that_rests_longest_is_given_back(tmp_path: Path) -> None:
    async with mesh_with_browsers(tmp_path, capacity=3) as (mesh, pages), asyncio.timeout(PATIENCE):
        url = pages.add("/page", "A page")
        first, second, third = [await mesh.new_session() for _ in range(3)]
        await do(mesh, first, f"open {url}")
        await do(mesh, second, f"open {url}")
        await do(mesh, first, "look")
        await do(mesh, third, f"open {url}")
        await mesh.wait_for(second, "browser_detached")
        kept = await do(mesh, first, "look")
    assert not [event for event in kept if event.HasField("browser_detached")]


async def test_a_session_at_work_keeps_its_browser(tmp_path: Path) -> None:
    async with mesh_with_browsers(tmp_path, capacity=1) as (mesh, pages), asyncio.timeout(PATIENCE):
        gated = pages.add("/gated", "The gate is open", gated=True)
        working, waiting = await mesh.new_session(), await mesh.new_session()
        first = await mesh.start(working, f"open {gated}")
        await pages.visited("/gated")
        second = await mesh.start(waiting, f"open {pages.add('/page', 'A page')}")
        await mesh.wait_for(waiting, "tool_call_started")
        pages.gates["/gated"].set()
        ((outcome, text),) = results(await mesh.events(working, first.run_id))
        assert (outcome, "The gate is open" in text) == ("SUCCEEDED", True)
        outcome, text = results(await mesh.events(waiting, second.run_id))[-1]
        assert (outcome, "A page" in text) == ("SUCCEEDED", True)


async def test_sessions_that_begin_at_the_same_time_each_get_a_browser_from_one_that_rests(tmp_path: Path) -> None:
    async with mesh_with_browsers(tmp_path, capacity=3) as (mesh, pages), asyncio.timeout(PATIENCE):
        url = pages.add("/page", "A page")
        for _ in range(3):
            await do(mesh, await mesh.new_session(), f"open {url}")
        gated = [pages.add(f"/{name}", f"Gate {name}", gated=True) for name in "abc"]
        together = [asyncio.create_task(do(mesh, await mesh.new_session(), f"open {gate}")) for gate in gated]
        for name in "abc":
            await pages.visited(f"/{name}")
        for gate in pages.gates.values():
            gate.set()
        ends = [results(events)[-1][0] for events in await asyncio.gather(*together)]
    assert ends == ["SUCCEEDED"] * 3


async def test_a_caller_beside_the_agent_finds_a_browser_however_many_sessions_rest(tmp_path: Path) -> None:
    async with mesh_with_browsers(tmp_path, capacity=2) as (mesh, pages), asyncio.timeout(PATIENCE):
        sessions = [await mesh.new_session() for _ in range(2)]
        url = pages.add("/page", "A page")
        await asyncio.gather(*(do(mesh, session_id, f"open {url}") for session_id in sessions))
        async with open_channel(Address.parse(f"unix:{tmp_path}/browser.sock")) as channel:
            acquired = await BrowserServiceStub(channel).AcquireLease(AcquireLeaseRequest())
    assert acquired.lease.lease_id


async def test_after_a_restart_a_session_goes_on_at_its_page(tmp_path: Path) -> None:
    """Another replica would do the same: what a browser leaves is kept outside of the process."""
    async with (
        browser_server(tmp_path, browser_capacity=2),
        web_pages() as pages,
        asyncio.timeout(PATIENCE),
    ):
        browsers = f"unix:{tmp_path}/browser.sock"
        async with agent_mesh(tmp_path, as_told, browser_address=browsers) as mesh:
            session_id, other = await mesh.new_session(), await mesh.new_session()
            for each, name in ((session_id, "first"), (other, "second")):
                await do(mesh, each, f"open {pages.add(f'/{name}', f'<h1>The {name} page</h1>')}")
            await mesh.stub.DeleteSession(DeleteSessionRequest(session_id=other))
        assert [path.name for path in (tmp_path / "browsers").iterdir()] == [session_id]
        async with agent_mesh(tmp_path, as_told, browser_address=browsers) as mesh:
            (*_, (outcome, text)) = results(await do(mesh, session_id, "look"))
    assert (outcome, "The first page" in text) == ("SUCCEEDED", True)
