"""However `meshwright up` ends, in the middle of work, nothing of it is left: no process, no open port, no half event."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import TYPE_CHECKING

import psutil
import pytest

from meshwright.client import Event, RunFinished, RunStarted, ToolCallStarted
from meshwright.client import Mesh as Client
from tests.model_script import Call, Hang, Say, in_turn
from tests.model_server import ModelServer
from tests.support.mesh_process import mesh_process, wait_until
from tests.support.ports import reserved_port
from tests.support.web_pages import web_pages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.mesh_process import MeshProcess

PATIENCE = 60.0
GONE_SECONDS = 60.0


@pytest.fixture
def own(tmp_path: Path) -> Iterator[tuple[MeshProcess, int]]:
    """A mesh of the test's own, and the port of its models."""
    with (
        reserved_port() as port,
        mesh_process(tmp_path, MESHWRIGHT_OPENAI_BASE_URL=f"http://127.0.0.1:{port}/v1") as running,
    ):
        yield running, port


def listened_on(process: psutil.Process) -> set[int]:
    try:
        return {c.laddr.port for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    except psutil.Error:
        return set()


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, -9)], ids=["Ctrl-C", "TERM", "KILL"]
)
async def test_no_process_is_left_when_it_is_stopped_in_the_middle_of_a_run(
    own: tuple[MeshProcess, int], number: signal.Signals, code: int
) -> None:
    mesh, port = own
    async with Client(mesh.address) as client, web_pages() as pages, asyncio.timeout(PATIENCE):
        gated = pages.add("/gated", "never seen", gated=True)
        async with ModelServer(Call("browser.open", {"url": gated}), port):
            async for event in client.run("look", model="openai:scripted"):
                if isinstance(event, ToolCallStarted):
                    await pages.visited("/gated")
                    break
            processes = mesh.processes()
            commands = " ".join(" ".join(process.cmdline()) for process in processes)
            ports = {port for process in processes for port in listened_on(process)}
            assert all(part in commands for part in ("envoy", "playwright", "chromium", "serve agent", "serve site"))
            egress = {port for each in mesh.service("browser").children() for port in listened_on(each)}
            assert len(egress) == 1
            assert ports == {mesh.port} | egress, (
                "there is one port and that of the browsers' proxy; nothing else is open"
            )
            assert await asyncio.to_thread(mesh.stop, number) == code
    wait_until(lambda: mesh.processes() == [], GONE_SECONDS, f"the end of {mesh.processes()}")
    assert is_free(mesh.port)
    if number is not signal.SIGKILL:
        assert mesh.temporary_files() == []
        assert "Stopped." in mesh.output


async def test_a_run_that_a_stop_cut_short_goes_on_at_the_next_start(tmp_path: Path) -> None:
    """Its session, its files and its events are those of the mesh before."""
    with reserved_port() as port:
        settings = {"MESHWRIGHT_OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1"}
        writing = Call("file.write", {"path": "note.txt", "content": "tea"})
        with mesh_process(tmp_path, **settings) as mesh:
            async with ModelServer(in_turn(writing, Hang()), port) as model, Client(mesh.address) as client:
                running = client.run("note it", model="openai:scripted")
                before: list[Event] = [await anext(running) for _ in range(3)]
                await model.wait_requests(2, timeout=PATIENCE)
                assert await asyncio.to_thread(mesh.stop) == 0
        script = in_turn(writing, Call("file.read", {"path": "note.txt"}), Say("Noted."))
        # The run goes on as soon as the mesh is back, so its model is there before.
        async with ModelServer(script, port) as model, asyncio.timeout(PATIENCE):
            with mesh_process(tmp_path, **settings) as mesh:
                async with Client(mesh.address) as client:
                    session = client.session(running.session_id)
                    end = await session.existing_run(running.run_id).result()
                    events = [event async for event in session.events(follow=False)]
            assert "tea" in model.requests[-1].tool_results[-1]
    assert end.answer == "Noted."
    assert events[:3] == before
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert [event.attempt for event in events if isinstance(event, RunStarted)] == [1, 2]
    assert [isinstance(event, RunFinished) for event in events].count(True) == 1
