"""`meshwright run` and `chat` at a real terminal, against an agent in processes of its own."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.support.agent_process import agent_process
from tests.support.mesh_process import MESHWRIGHT
from tests.support.terminal import CTRL_C, CTRL_D, Terminal, terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

LONG = "stream 100000 tokens every 5 ms"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with agent_process(tmp_path_factory.mktemp("agent"), "tests.support.cli_script:by_task") as running:
        yield running


def at(address: str, home: Path, *arguments: str) -> AbstractAsyncContextManager[Terminal]:
    return terminal(MESHWRIGHT, *arguments, "--address", address, HOME=str(home))


async def test_the_answer_is_shown_as_it_is_written_and_stays_as_markdown(address: str, tmp_path: Path) -> None:
    async with at(address, tmp_path, "run", "say something long") as screen:
        await screen.shows("first paragraph")
        assert "second paragraph" not in screen.text, "it waits for the rest"
        assert await screen.end() == 0
    assert "second paragraph" in screen.text
    assert "**" not in screen.text, "Markdown is shown and not printed"
    assert screen.raw.endswith("\x1b[?25h\r\x1b[1A\x1b[2K") or "\x1b[?25h" in screen.raw, "the cursor is back"


async def test_tool_calls_are_shown_as_they_run_side_by_side_each_with_its_time(address: str, tmp_path: Path) -> None:
    async with at(address, tmp_path, "run", "read two files") as screen:
        assert await screen.end() == 0
    for path in ("a.txt", "b.txt"):
        (line,) = {line for line in screen.text.splitlines() if f"file.read path={path}" in line and "✗" in line}
        assert " s " in line
    assert "Both are missing." in screen.text


async def test_what_sub_agents_do_is_shown_indented_and_what_they_say_is_not(address: str, tmp_path: Path) -> None:
    async with at(address, tmp_path, "run", "delegate") as screen:
        assert await screen.end() == 0
    done = [line.rstrip() for line in screen.text.splitlines() if "✓" in line]
    assert any(line.startswith("  ✓ file.list") for line in done)
    assert any(line.startswith("✓ agent.delegate task=list") for line in done)
    assert "The sub-agent is done." in screen.text
    assert "Words of the sub-agent." not in screen.text


@pytest.mark.parametrize("options", [(), ("--json",)])
async def test_programs_are_given_the_answer_of_the_run_and_not_of_its_sub_agents(
    address: str, tmp_path: Path, options: tuple[str, ...]
) -> None:
    process = await asyncio.create_subprocess_exec(
        str(MESHWRIGHT),
        *("run", "--address", address, *options, "delegate"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    out, err = (stream.decode().splitlines() for stream in await process.communicate())
    assert process.returncode == 0
    if not options:
        assert out == ["The sub-agent is done."]
        calls = [line.split(" ")[:-3] if "<" in line else line.split(" ") for line in err if ">" in line or "<" in line]
        assert [" ".join(words).rstrip() for words in calls] == [
            "> agent.delegate task=list",
            "  > file.list",
            "  < file.list done",
            "< agent.delegate done",
        ]
        return
    events = [json.loads(line) for line in out]
    ends = [event for event in events if "runFinished" in event]
    assert [event["runFinished"]["answer"] for event in ends] == ["Words of the sub-agent.", "The sub-agent is done."]
    assert [event.get("agentPath", []) for event in ends] == [[ends[0]["runId"]], []]


async def test_ctrl_c_cancels_the_run_and_says_so(address: str, tmp_path: Path) -> None:
    async with at(address, tmp_path, "run", LONG) as screen:
        await screen.shows("tok tok")
        screen.type(CTRL_C)
        await screen.shows("Cancelling the run")
        await screen.shows("The run was cancelled.")
        assert await screen.end() == 3


async def test_what_a_page_or_a_model_says_cannot_drive_the_terminal(address: str, tmp_path: Path) -> None:
    async with at(address, tmp_path, "run", "say something evil") as screen:
        assert await screen.end() == 0
    assert "evil" in screen.text
    assert "\x1b]0;" not in screen.raw
    assert "\x07" not in screen.raw


async def test_a_chat_remembers_and_goes_on_after_a_cancelled_run(address: str, tmp_path: Path) -> None:
    async with at(address, tmp_path, "chat") as screen:
        await screen.shows("> ")
        screen.type("hello\n")
        await screen.shows("You said: hello")
        await screen.shows("> ", 2)
        screen.type(f"{LONG}\n")
        await screen.shows("tok tok")
        screen.type(CTRL_C)
        await screen.shows("The run was cancelled.")
        screen.type("how many messages were there?\n")
        await screen.shows("3 messages")
        screen.type("/new\n")
        await screen.shows("A new session begins")
        screen.type("how many messages were there?\n")
        await screen.shows("1 messages")
        screen.type("/sessions\n")
        await screen.shows("last used")
        screen.type("/fly\n")
        await screen.shows("There is no /fly. /help shows what there is.\n\n> ")
        screen.type("half a line")
        await screen.shows("half a line")
        prompts = screen.text.count("\n> ")
        await screen.shows_after(CTRL_C, "\n> ", prompts + 1)
        screen.type("/help\n")
        await screen.shows("Ctrl-D          leave\n\n> ")
        screen.type(CTRL_D)
        assert await screen.end() == 0
    history = tmp_path / ".local/state/meshwright/chat_history"
    assert "hello" in history.read_text()
    assert history.stat().st_mode & 0o777 == 0o600


async def test_a_chat_goes_on_in_a_session_that_is_there(address: str, tmp_path: Path) -> None:
    async with at(address, tmp_path, "chat", "--session", "ses_none") as screen:
        assert await screen.end() == 2
        assert "There is no such session." in screen.text
    async with at(address, tmp_path, "chat") as screen:
        await screen.shows("\n> ")
        screen.type("/session ses_none\n")
        await screen.shows("There is no such session.")
        await screen.shows("\n> ", 2)
        screen.type(CTRL_D)
        assert await screen.end() == 0


@pytest.mark.parametrize(
    ("typed", "outcome"), [("y\n", "It is written."), ("not today\n", "It is not written: not today")]
)
async def test_a_person_at_the_terminal_is_asked_before_a_call_that_needs_it(
    tmp_path: Path, typed: str, outcome: str
) -> None:
    with agent_process(tmp_path, "tests.support.cli_script:by_task", MESHWRIGHT_APPROVALS="file.write") as own:
        async with at(own, tmp_path, "run", "write a file") as screen:
            await screen.shows("May the agent call file.write content=tea path=a.txt?")
            screen.type(typed)
            await screen.shows(outcome)
            assert await screen.end() == 0


async def test_sessions_are_listed_for_people_and_for_programs(address: str, tmp_path: Path) -> None:
    async with at(address, tmp_path, "run", "hello there") as screen:
        assert await screen.end() == 0
    async with at(address, tmp_path, "sessions", "-n", "1") as screen:
        assert await screen.end() == 0
    assert "hello there" in screen.text
    assert "title" in screen.text
    listing = await asyncio.create_subprocess_exec(
        MESHWRIGHT, "sessions", "--address", address, "-n", "1", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await listing.communicate()
    (line,) = out.decode().splitlines()
    session_id, _, state, title = line.split("\t")
    assert (session_id[:4], state, title) == ("ses_", "idle", "hello there")


async def test_a_pipe_that_nobody_reads_ends_the_command_quietly(address: str) -> None:
    command = f"{MESHWRIGHT} run --json '{LONG}' --address {address} | head -n 2; echo ${{PIPESTATUS[0]}}"
    shell = await asyncio.create_subprocess_exec(
        "bash", "-c", command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await shell.communicate()
    assert (out.decode().splitlines()[2:], err.decode()) == (["141"], "")


async def test_letters_that_a_terminal_lacks_do_not_end_a_run(address: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    shell = await asyncio.create_subprocess_exec(
        MESHWRIGHT, "run", "grüße", "--address", address, stdout=asyncio.subprocess.PIPE, env=environment
    )
    out, _ = await shell.communicate()
    assert (shell.returncode, out.decode()) == (0, "You said: gr??e\n")
