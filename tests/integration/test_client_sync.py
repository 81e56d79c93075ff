"""The sync SDK in plain programs and in ones whose event loop runs already, against an agent in a process of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.agent_process import agent_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 60.0

BODY = """
    with Mesh({address!r}) as mesh:
        assert mesh.agent().model == "openai:scripted"
        events = list(mesh.run("hello"))
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "You said: hello"
        session = mesh.session(events[0].session_id)
        assert session.ask("again") == "You said: again"
        assert [info.task for info in session.runs()] == ["again", "hello"]
        run = session.start("stream 5000 tokens every 5 ms")
        stream = run.events()
        assert isinstance(next(stream), RunQueued)
        stream.close()
        run.cancel()
        try:
            run.result()
        except RunCancelled as error:
            assert error.run_id == run.run_id
        for event in session.events(follow=True):
            if isinstance(event, RunFinished) and event.run_id == run.run_id:
                break
        assert len(list(mesh.sessions())) >= 1
        try:
            mesh.session("ses_0").info()
        except NotFound as error:
            print("refused:", error.reason)
        session.delete()
    print("done")
"""

IMPORTS = """
from meshwright.client import NotFound, RunCancelled, RunFinished, RunQueued, TextDelta
from meshwright.client.sync import Mesh
"""

PLAIN = IMPORTS + "\ndef main():\n" + BODY + "\nmain()\n"
IN_A_LOOP = (
    IMPORTS
    + """
import asyncio

async def main():
    beats = 0
    async def heart():
        nonlocal beats
        while True:
            await asyncio.sleep(0.01)
            beats += 1
    beating = asyncio.create_task(heart())
    # A notebook's cell: synchronous code, called from a loop that runs.
    cell()
    await asyncio.sleep(0.05)
    assert beats

def cell():
"""
    + BODY
    + "\nasyncio.run(main())\n"
)
INTERRUPTED = (
    IMPORTS
    + """
import os, signal, threading

def main():
    with Mesh({address!r}) as mesh:
        stream = mesh.run("stream 100000 tokens every 5 ms")
        next(stream)
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            for event in stream:
                pass
        except KeyboardInterrupt:
            info = stream.cancel()
        try:
            stream.result()
        except RunCancelled:
            print("done")
main()
"""
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with agent_process(tmp_path_factory.mktemp("agent")) as running:
        yield running


async def program(text: str, folder: Path) -> tuple[int, str, str]:
    (folder / "program.py").write_text(text)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "error", str(folder / "program.py")),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(SECONDS):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("text", [PLAIN, IN_A_LOOP], ids=["plain", "in a running loop"])
async def test_a_program_without_await_does_everything(text: str, address: str, tmp_path: Path) -> None:
    code, out, err = await program(text.replace("{address!r}", repr(address)), tmp_path)
    assert (code, out.split("\n")[-3:], err) == (0, ["refused: SESSION_NOT_FOUND", "done", ""], "")


async def test_ctrl_c_interrupts_a_stream_that_can_then_be_cancelled(address: str, tmp_path: Path) -> None:
    code, out, err = await program(INTERRUPTED.replace("{address!r}", repr(address)), tmp_path)
    assert (code, out, err) == (0, "done\n", "")
