"""A model that cannot answer: `meshwright run` says what happened and what to do, soon, and the mesh stays well."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from meshwright.client import FailedPrecondition, RunFailed
from meshwright.client import Mesh as Client
from tests.model_script import Call, Cut, Fail, Hang, Say, Script, Steps, in_turn
from tests.model_server import ModelServer
from tests.support.commands import meshwright_run
from tests.support.mesh_process import mesh_process
from tests.support.raw_call import LEAK

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.mesh_process import MeshProcess

MODEL = ("--model", "openai:gpt-test")


async def failed_run(mesh: MeshProcess, *options: str) -> tuple[str, dict[str, Any]]:
    """What a person reads of a run that fails, and the run's last event."""
    done = await meshwright_run(mesh.address, "hello", "--json", *options)
    assert done.code == 1, done
    assert not LEAK.search(done.err), done.err
    end = json.loads(done.out.splitlines()[-1])["runFinished"]
    assert end["outcome"] == "RUN_OUTCOME_FAILED"
    return done.err, end["error"]


def reason_of(error: dict[str, Any]) -> str:
    (info,) = [detail for detail in error["details"] if detail["@type"].endswith("ErrorInfo")]
    assert info["domain"] == "meshwright"
    return str(info["reason"])


@pytest.mark.parametrize(
    ("script", "reason", "said"),
    [
        (Fail(401, "Incorrect API key provided: sk-proj-0123456789abcdef"), "MODEL_AUTHENTICATION", "Check the key"),
        (Fail(404, "The model does not exist", code="model_not_found"), "MODEL_NOT_FOUND", "MESHWRIGHT_MODEL"),
        (Fail(429, "Slow down", retry_after="60"), "MODEL_RATE_LIMITED", "Try again later"),
        (Fail(503, "Overloaded"), "MODEL_UNAVAILABLE", "Try again later"),
        ([Say("Half an ans"), Cut()], "MODEL_UNAVAILABLE", "Try again later"),
        (Fail(200, body=b"<html>Sign in to the Wi-Fi</html>"), "MODEL_PROTOCOL", "openai:gpt-test"),
    ],
    ids=["wrong key", "unknown model", "rate limit", "overloaded", "cut off", "no API"],
)
async def test_a_provider_that_refuses_is_a_failed_run_that_says_what_to_do(
    mesh: MeshProcess, model_port: int, script: Script | Steps, reason: str, said: str
) -> None:
    async with ModelServer(script, model_port):
        told, error = await failed_run(mesh, *MODEL)
    assert said in told
    assert "sk-proj" not in told + json.dumps(error)
    assert reason_of(error) == reason


async def test_a_failed_run_prints_no_answer(mesh: MeshProcess, model_port: int) -> None:
    async with ModelServer([Say("Half an ans"), Cut()], model_port):
        done = await meshwright_run(mesh.address, "hello", *MODEL)
    assert (done.code, done.out) == (1, ""), done


async def test_a_provider_that_is_down_is_a_failed_run_that_says_where_it_was_looked_for(
    mesh: MeshProcess, model_port: int
) -> None:
    told, error = await failed_run(mesh, *MODEL)
    assert f"127.0.0.1:{model_port}" in told
    assert "Try again later" in told
    assert reason_of(error) == "MODEL_UNAVAILABLE"


async def test_the_default_model_may_be_wrong_and_silent_and_is_not_waited_for_for_ever(
    tmp_path: Path, model_port: int
) -> None:
    settings = {
        "MESHWRIGHT_MODEL": MODEL[1],
        "MESHWRIGHT_OPENAI_BASE_URL": f"http://127.0.0.1:{model_port}/v1",
        "OPENAI_API_KEY": "sk-proj-0123456789abcdef",
        "MESHWRIGHT_MODEL_FIRST_TOKEN_TIMEOUT": "1",
        "MESHWRIGHT_MODEL_ATTEMPTS": "1",
    }
    with mesh_process(tmp_path, **settings) as mesh:
        assert MODEL[1] in mesh.output
        async with ModelServer(Fail(401), model_port) as model:
            told, error = await failed_run(mesh)
            assert model.requests[0].headers["authorization"] == f"Bearer {settings['OPENAI_API_KEY']}"
        assert ("Check the key" in told, reason_of(error)) == (True, "MODEL_AUTHENTICATION")
        async with ModelServer(Hang(), model_port):
            told, error = await failed_run(mesh)
        assert ("within 1 s" in told, reason_of(error)) == (True, "MODEL_UNAVAILABLE")
        assert settings["OPENAI_API_KEY"] not in mesh.output + mesh.logs()


async def test_a_failure_after_some_steps_keeps_what_was_done(mesh: MeshProcess, model_port: int) -> None:
    script = in_turn(Call("file.write", {"path": "kept.txt", "content": "kept"}), Fail(500))
    async with Client(mesh.address) as client:
        session = await client.create_session()
        async with ModelServer(script, model_port):
            with pytest.raises(RunFailed) as failure:
                await session.ask("write it", model=MODEL[1])
        assert failure.value.reason == "MODEL_UNAVAILABLE"
        assert "kept" in await session.ask("read kept.txt")


@pytest.mark.parametrize("model", ["nobody:nothing", "openai:", "gpt-5"])
async def test_a_model_that_cannot_exist_is_refused_before_a_run_begins(mesh: MeshProcess, model: str) -> None:
    async with Client(mesh.address) as client:
        session = await client.create_session()
        with pytest.raises(FailedPrecondition) as refusal:
            await session.start("hello", model=model)
        assert refusal.value.reason == "MODEL_NOT_FOUND"
        assert model in refusal.value.message
        assert [run async for run in session.runs()] == []
