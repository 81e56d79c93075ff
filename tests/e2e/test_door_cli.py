"""The first door: `meshwright run`."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from tests.model_script import Call, Hang, Say, in_turn
from tests.model_server import ModelServer
from tests.support.commands import line_with, meshwright_run, run, started
from tests.support.mesh_process import MESHWRIGHT

if TYPE_CHECKING:
    from tests.support.mesh_process import MeshProcess


def lamp_task(mesh: MeshProcess) -> str:
    """The README's first task."""
    return f"Open {mesh.url}/demo/ and tell me what the desk lamp costs"


async def test_the_first_task_is_answered_with_the_price_on_the_page(mesh: MeshProcess) -> None:
    done = await meshwright_run(mesh.address, lamp_task(mesh))
    assert (done.code, "$49.00" in done.out) == (0, True), done
    assert f"> browser.open url={mesh.url}/demo/" in done.err
    assert "< browser.open done after " in done.err
    assert "browser.open" not in done.out, "standard output is for the answer"


@pytest.mark.usefixtures("dearer_lamp")
async def test_another_price_on_the_page_is_another_answer(mesh: MeshProcess) -> None:
    done = await meshwright_run(mesh.address, lamp_task(mesh))
    assert (done.code, "$57.25" in done.out, "$49.00" in done.out) == (0, True, False), done


async def test_a_page_that_is_not_public_is_refused_with_the_setting_that_allows_it(mesh: MeshProcess) -> None:
    done = await meshwright_run(mesh.address, "Open http://10.0.0.1/ and tell me what it says")
    assert "Refused by the mesh's egress rules: http://10.0.0.1/" in done.out, done
    assert "MESHWRIGHT_EGRESS_ALLOW" in done.out


async def test_the_address_comes_from_the_environment_too(mesh: MeshProcess) -> None:
    done = await run(MESHWRIGHT, "run", lamp_task(mesh), MESHWRIGHT_ADDRESS=mesh.address)
    assert (done.code, "$49.00" in done.out) == (0, True), done


async def test_a_task_is_read_from_standard_input(mesh: MeshProcess) -> None:
    done = await run(MESHWRIGHT, "run", "-", "--address", mesh.address, stdin=lamp_task(mesh))
    assert (done.code, "$49.00" in done.out) == (0, True), done


async def test_json_is_one_event_a_line_without_a_gap_up_to_the_end_of_the_run(mesh: MeshProcess) -> None:
    done = await meshwright_run(mesh.address, lamp_task(mesh), "--json")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert done.code == 0, done.err
    sequences = [int(event["sequence"]) for event in events]
    # Events of the session itself, such as its browser's, are not the run's.
    assert sequences == sorted(set(sequences))
    assert "runQueued" in events[0]
    end = events[-1]["runFinished"]
    assert (end["outcome"], "$49.00" in end["answer"]) == ("RUN_OUTCOME_COMPLETED", True)
    assert len({event["runId"] for event in events}) == 1


async def test_json_of_a_run_without_browser_has_every_sequence(mesh: MeshProcess) -> None:
    done = await meshwright_run(mesh.address, "list the files", "--json")
    sequences = [int(json.loads(line)["sequence"]) for line in done.out.splitlines()]
    assert (done.code, sequences) == (0, list(range(1, len(sequences) + 1)))


async def test_ctrl_c_cancels_the_run(mesh: MeshProcess, model_port: int) -> None:
    arguments = ("run", "talk", "--address", mesh.address, "--model", "openai:scripted")
    async with ModelServer([Say("Well, "), Hang()], model_port) as model, started(MESHWRIGHT, *arguments) as command:
        await line_with(command.stderr, "model openai:scripted")
        await model.wait_requests()
        command.send_signal(signal.SIGINT)
        await line_with(command.stderr, "The run was cancelled.")
        assert await command.wait() == 3
        await model.wait_abandoned()


async def test_a_run_over_its_time_has_its_own_exit_code(mesh: MeshProcess, model_port: int) -> None:
    async with ModelServer(Hang(), model_port):
        done = await meshwright_run(mesh.address, "think", "--model", "openai:scripted", "--timeout", "1")
    assert (done.code, "--timeout" in done.err, done.out) == (4, True, ""), done


async def test_a_tool_call_that_fails_does_not_fail_the_run(mesh: MeshProcess, model_port: int) -> None:
    script = in_turn(Call("file.read", {"path": "missing.txt"}), Say("It is not there."))
    async with ModelServer(script, model_port):
        done = await meshwright_run(mesh.address, "read it", "--model", "openai:scripted")
    assert (done.code, done.out.strip()) == (0, "It is not there."), done
    assert "< file.read failed after " in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run", "hello", "--address", "localhost:1"], 5, "There is no mesh at localhost:1"),
        (["run", "hello", "--address", "ftp://localhost"], 2, "is not an address of a mesh"),
        (["run"], 2, "Missing argument"),
        (["run", "hello", "--timeout", "0"], 2, "--timeout"),
        (["fly"], 2, "No such command"),
    ],
    ids=["nobody there", "no address", "no task", "no time", "unknown command"],
)
async def test_what_cannot_work_says_why(arguments: list[str], code: int, said: str) -> None:
    done = await run(MESHWRIGHT, *arguments)
    assert (done.code, said in done.err, done.out) == (code, True, ""), done
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("task", "options", "said"),
    [
        ("", [], "task must"),
        ("hello", ["--session", "ses_none"], "There is no such session."),
        ("hello", ["--model", "nobody:nothing"], "--model"),
    ],
    ids=["empty task", "unknown session", "unknown model"],
)
async def test_what_the_mesh_refuses_is_a_wrong_request(
    mesh: MeshProcess, task: str, options: list[str], said: str
) -> None:
    done = await meshwright_run(mesh.address, task, *options)
    assert (done.code, said in done.err, done.out) == (2, True, ""), done
    assert "Traceback" not in done.err
