"""Feature flags of an agent at work: from a file that changes and from flagd, stored with each run, and what each of them switches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from meshwright.agent.flags import sources
from meshwright.serving.address import Address
from meshwright.serving.channel import open_channel
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from meshwright.v1.run_pb2 import Run, RunOptions, RunOutcome, RunSpec
from meshwright.v1.session_pb2 import Session
from tests.model_script import Call, Hang, Request, Say, Script, Steps, in_turn
from tests.support.agent_mesh import PATIENCE, AgentMesh, agent_mesh
from tests.support.agent_process import agent_process
from tests.support.collector import collecting
from tests.support.delegation import by_task, child_of_task, delegate
from tests.support.flags import document, flag, flagd
from tests.support.ports import reserved_port
from tests.support.principals import As
from tests.support.token_issuer import authentication

MODEL, MAX_STEPS, DELEGATION = "meshwright.model", "meshwright.max_steps", "meshwright.delegation"
APPROVALS, HISTORY_BUDGET = "meshwright.approvals", "meshwright.history_budget"
WRITE = Call("file.write", {"path": "a.txt", "content": "x"})


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(sources, "RETRY_SECONDS", 0.05)


@asynccontextmanager
async def flagged_mesh(folder: Path, script: Script | Steps, text: str, **settings: object) -> AsyncIterator[AgentMesh]:
    """A mesh whose agent has the flags of a file."""
    (folder / "flags.json").write_text(text)
    async with agent_mesh(folder, script, None, flags_file=folder / "flags.json", **settings) as mesh:
        yield mesh


def fixed(key: str, value: Any) -> str:
    """A file of one flag that says the same to all."""
    return document(**{key: flag({"chosen": value}, "chosen")})


def put(path: Path, text: str) -> None:
    """Write a file in one step, as no reader can see it half written."""
    beside = path.with_suffix(".new")
    beside.write_text(text)
    beside.rename(path)


async def start(stub: Any, **session: Any) -> Run:
    """A run in a new session."""
    created = await stub.CreateSession(pb.CreateSessionRequest(session=Session(**session)))
    request = pb.StartRunRequest(session_id=created.session.session_id, spec=RunSpec(task="do it"))
    run: Run = (await stub.StartRun(request)).run
    return run


def variants(run: Run) -> dict[str, str]:
    return {each.key: each.variant for each in run.flags}


async def eventually(stub: Any, right: Callable[[Run], bool]) -> Run:
    """The first of many runs that is as it should be."""
    async with asyncio.timeout(PATIENCE):
        while not right(run := await start(stub)):  # noqa: ASYNC110 - the agent may be another process
            await asyncio.sleep(0.02)
        return run


async def told(lines: Sequence[Mapping[str, Any]], event: str) -> None:
    """Wait until the log tells of an event."""
    async with asyncio.timeout(PATIENCE):
        while not any(line["event"] == event for line in lines):  # noqa: ASYNC110 - a list tells nobody that it grows
            await asyncio.sleep(0.02)


async def test_a_change_of_the_file_holds_for_runs_from_then_on(tmp_path: Path) -> None:
    async with flagged_mesh(tmp_path, Say("Hello."), fixed(MAX_STEPS, 5)) as mesh:
        before = await start(mesh.stub)
        assert (before.spec.options.max_steps, variants(before)) == (5, {MAX_STEPS: "chosen"})
        put(tmp_path / "flags.json", fixed(MAX_STEPS, 60))
        after = await eventually(mesh.stub, lambda run: run.spec.options.max_steps == 60)
        kept = await mesh.stub.GetRun(pb.GetRunRequest(session_id=before.session_id, run_id=before.run_id))
        assert (kept.run.spec.options.max_steps, variants(kept.run)) == (5, {MAX_STEPS: "chosen"})
        (tmp_path / "flags.json").unlink()
        (tmp_path / "older.json").write_text(fixed(MAX_STEPS, 7))
        (tmp_path / "flags.json").symlink_to(tmp_path / "older.json")
        await eventually(mesh.stub, lambda run: run.spec.options.max_steps == 7)
    assert variants(after) == {MAX_STEPS: "chosen"}


async def test_a_process_takes_a_change_without_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "flags.yaml"
    path.write_text("flags: {}\n")
    with agent_process(tmp_path, MESHWRIGHT_FLAGS_FILE=str(path)) as address:
        async with open_channel(Address.parse(address)) as channel:
            stub = AgentServiceStub(channel)
            assert not (await start(stub)).flags
            yaml = f"flags: {{{MAX_STEPS}: {{state: ENABLED, variants: {{few: 3}}, defaultVariant: few}}}}\n"
            path.write_text(yaml)
            await eventually(stub, lambda run: run.spec.options.max_steps == 3)


@pytest.mark.parametrize(
    "broken", ["{", fixed(MAX_STEPS, 9000), fixed("meshwright.max_stepz", 9)], ids=["json", "bounds", "key"]
)
async def test_a_broken_file_leaves_the_flags_of_before_and_is_told_once(tmp_path: Path, broken: str) -> None:
    with capture_logs() as lines:
        async with flagged_mesh(tmp_path, Say("Hello."), fixed(MAX_STEPS, 5)) as mesh:
            put(tmp_path / "flags.json", broken)
            await told(lines, "flags.refused")
            for _ in range(5):
                assert (await start(mesh.stub)).spec.options.max_steps == 5
            put(tmp_path / "flags.json", fixed(MAX_STEPS, 6))
            await eventually(mesh.stub, lambda run: run.spec.options.max_steps == 6)
    assert [line["event"] for line in lines if line["event"].startswith("flags.")] == [
        "flags.read",
        "flags.refused",
        "flags.read",
    ]


@pytest.mark.parametrize("text", [None, "{"], ids=["missing", "broken"])
async def test_an_agent_starts_without_a_file_that_it_can_use(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        put(tmp_path / "flags.json", text)
    with capture_logs() as lines:
        async with agent_mesh(tmp_path, Say("Hello."), flags_file=tmp_path / "flags.json") as mesh:
            run = await start(mesh.stub)
            assert (run.spec.options.max_steps, variants(run)) == (40, {})
            put(tmp_path / "flags.json", fixed(MAX_STEPS, 5))
            await eventually(mesh.stub, lambda run: run.spec.options.max_steps == 5)
    assert [line["event"] for line in lines if line["event"].startswith("flags.")] == ["flags.refused", "flags.read"]


async def test_half_of_400_sessions_move_to_another_model_and_stay_there(tmp_path: Path) -> None:
    halves = {"fractional": [["new", 50], ["old", 50]]}
    text = document(**{MODEL: flag({"new": "openai:new", "old": "openai:scripted"}, "old", halves)})
    async with flagged_mesh(tmp_path, Hang(), text, max_runs=1) as mesh:
        runs = [run for _ in range(8) for run in await asyncio.gather(*(start(mesh.stub) for _ in range(50)))]
        again = [await mesh.start(run.session_id, "once more") for run in runs[:40]]
    moved = [run for run in runs if run.spec.options.model == "openai:new"]
    # Six times the standard deviation of 400 tosses of a coin.
    assert 140 <= len(moved) <= 260
    assert all(variants(run) == {MODEL: "new"} for run in moved)
    assert [run.spec.options.model for run in again] == [run.spec.options.model for run in runs[:40]]


async def test_principals_and_labels_are_targeted(tmp_path: Path) -> None:
    rule = {"if": [{"in": [{"var": "principal"}, ["alice", "carol"]]}, "alices", "others"]}
    pilot = {"if": [{"==": [{"var": "labels.stage"}, "pilot"]}, "off", "on"]}
    text = document(
        **{
            MAX_STEPS: flag({"alices": 10, "others": 20}, "others", rule),
            DELEGATION: flag({"on": True, "off": False}, "on", pilot),
        }
    )
    async with flagged_mesh(tmp_path, Say("Hello."), text, **authentication(tmp_path)) as mesh:
        alice = await start(As(mesh.stub, "alice"))
        bob = await start(As(mesh.stub, "bob"), labels={"stage": "pilot"})
    assert (alice.spec.options.max_steps, variants(alice)) == (10, {MAX_STEPS: "alices", DELEGATION: "on"})
    assert (bob.spec.options.max_steps, variants(bob)) == (20, {MAX_STEPS: "others", DELEGATION: "off"})


async def test_a_model_that_somebody_named_is_no_flags_affair(tmp_path: Path) -> None:
    async with flagged_mesh(tmp_path, Say("Hello."), fixed(MODEL, "openai:new")) as mesh:
        by_nobody = await start(mesh.stub)
        by_session = await start(mesh.stub, model="openai:sessions")
        by_run = await mesh.start(by_nobody.session_id, "go", options=RunOptions(model="openai:runs"))
        events = await mesh.events(by_nobody.session_id, by_nobody.run_id)
    models = [run.spec.options.model for run in (by_nobody, by_session, by_run)]
    assert models == ["openai:new", "openai:sessions", "openai:runs"]
    assert [variants(run) for run in (by_session, by_run)] == [{}, {}]
    [started] = [e.run_started for e in events if e.HasField("run_started") and e.run_id == by_nobody.run_id]
    assert started.model == "openai:new"


async def test_a_model_that_no_lane_serves_is_left_for_the_agents_own(tmp_path: Path) -> None:
    with capture_logs() as lines:
        async with flagged_mesh(tmp_path, Say("Hello."), fixed(MODEL, "nobody:x")) as mesh:
            runs = [await start(mesh.stub) for _ in range(3)]
            events = await mesh.events(runs[0].session_id, runs[0].run_id)
    assert {run.spec.options.model for run in runs} == {"openai:scripted"}
    assert events[-1].run_finished.outcome == RunOutcome.RUN_OUTCOME_COMPLETED
    assert [line["flag"] for line in lines if line["event"] == "flags.not_decided"] == [MODEL]


@pytest.mark.parametrize(("asked", "got"), [(0, 90), (10, 10), (200, 90)])
async def test_a_run_may_ask_for_fewer_steps_than_the_flag_and_not_for_more(
    tmp_path: Path, asked: int, got: int
) -> None:
    async with flagged_mesh(tmp_path, Say("Hello."), fixed(MAX_STEPS, 90)) as mesh:
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "go", options=RunOptions(max_steps=asked))
    assert run.spec.options.max_steps == got


async def test_approvals_of_a_flag_hold_for_the_run_and_its_next_worker(tmp_path: Path) -> None:
    """The flag goes while the run waits in the queue of a session; what was said for the run holds."""
    script = in_turn([WRITE], Say("Written."))
    async with flagged_mesh(tmp_path, [Hang()], fixed(APPROVALS, "file.write"), hand_over_grace=0) as mesh:
        run = await start(mesh.stub)
        await mesh.wait_for(run.session_id, "run_started")
    async with flagged_mesh(tmp_path, script, document()) as mesh:
        asked = await mesh.wait_for(run.session_id, "approval_requested")
        fresh = await mesh.do("write")
    assert asked.run_id == run.run_id
    assert not any(event.HasField("approval_requested") for event in fresh)


async def test_delegation_is_switched_off_and_on(tmp_path: Path) -> None:
    def tells_its_tools(request: Request) -> Steps:
        return Say(f"delegates: {any('delegate' in name for name in request.tools)}")

    async with flagged_mesh(tmp_path, tells_its_tools, fixed(DELEGATION, False)) as mesh:
        without = await mesh.do("look")
        put(tmp_path / "flags.json", fixed(DELEGATION, True))
        run = await eventually(mesh.stub, lambda run: run.flags[0].value.bool_value)
        with_ = await mesh.events(run.session_id, run.run_id)
    assert without[-1].run_finished.answer == "delegates: False"
    assert with_[-1].run_finished.answer == "delegates: True"


async def test_sub_agents_have_the_flags_of_their_parent(tmp_path: Path) -> None:
    script = by_task({"plan": [delegate("look"), Say("Planned.")], "look": [WRITE, Say("Looked.")]})
    async with flagged_mesh(tmp_path, script, fixed(APPROVALS, "file.*")) as mesh:
        session_id = await mesh.new_session()
        await mesh.start(session_id, "plan")
        events = await mesh.events_until(session_id, "approval_requested", 1)
        child = child_of_task(events, "look")
        found = await mesh.stub.GetRun(pb.GetRunRequest(session_id=session_id, run_id=child))
    assert events[-1].run_id == child
    assert variants(found.run) == {APPROVALS: "chosen"}


async def test_the_history_budget_leaves_old_results_out(tmp_path: Path) -> None:
    long = Call("file.write", {"path": "long.txt", "content": "a line of it\n" * 1500})
    answers = in_turn([long], [Call("file.read", {"path": "long.txt"})], Say("Read."))
    async with flagged_mesh(tmp_path, answers, fixed(HISTORY_BUDGET, 10_000), approvals="none") as mesh:
        await mesh.do("read")
        last = mesh.model.requests[-1]
    assert "characters left out" in str(last.messages)


async def test_flags_stand_in_the_trace_of_their_run(tmp_path: Path) -> None:
    text = document(**{MAX_STEPS: flag({"few": 5}, "few"), DELEGATION: flag({"off": False}, "off")})
    async with collecting() as (collector, endpoint):  # noqa: SIM117 - spans are sent when the mesh ends
        async with flagged_mesh(tmp_path, Say("Hello."), text, otlp_endpoint=endpoint) as mesh:
            run = await start(mesh.stub)
            await mesh.events(run.session_id, run.run_id)
    [span] = [span for span in collector.spans if span.name == "run"]
    told = [{a.key: a.value.string_value for a in event.attributes} for event in span.events]
    assert {event.name for event in span.events} == {"feature_flag.evaluation"}
    assert [(each["feature_flag.key"], each["feature_flag.result.variant"]) for each in told] == [
        (MAX_STEPS, "few"),
        (DELEGATION, "off"),
    ]
    assert {each["feature_flag.context.id"] for each in told} == {run.session_id}


# flagd, by its sync protocol.


async def test_flagd_tells_flags_and_their_changes(tmp_path: Path) -> None:
    with capture_logs() as lines:
        async with (
            flagd(fixed(MAX_STEPS, 5)) as (service, port),
            agent_mesh(tmp_path, Say("Hello."), flagd_address=f"127.0.0.1:{port}") as mesh,
        ):
            assert (await start(mesh.stub)).spec.options.max_steps == 5
            await service.change(fixed(MAX_STEPS, 6))
            await eventually(mesh.stub, lambda run: run.spec.options.max_steps == 6)
            await service.change("{")
            await told(lines, "flags.refused")
            assert (await start(mesh.stub)).spec.options.max_steps == 6


SENT = """{"flags":{
 "meshwright.max_steps":{"key":"meshwright.max_steps","state":"ENABLED","defaultVariant":"","variants":{"few":5,"many":9},
  "targeting":{"fractional":[["few",100],["many",0]]},"source":"/etc/flagd/flags.json","selector":"","metadata":{"flagSetId":"mesh"}},
 "meshwright.delegation":{"key":"meshwright.delegation","state":"ENABLED","defaultVariant":"off","variants":{"off":false,"on":true},
  "targeting":{},"source":"core.openfeature.dev/agents/mesh","metadata":null}},
 "metadata":{"flagSetId":"mesh"}}"""
"""As flagd's several versions write it: with what they know of a flag beside its definition, and without a default as an empty one."""


@pytest.mark.parametrize("selector", ["", "flagSetId=mesh"])
async def test_what_flagd_really_sends_is_taken_and_what_it_is_to_select_is_said(tmp_path: Path, selector: str) -> None:
    async with (
        flagd(SENT) as (service, port),
        agent_mesh(tmp_path, Say("Hi."), flagd_address=f"127.0.0.1:{port}", flagd_selector=selector) as mesh,
    ):
        run = await start(mesh.stub)
        assert {each.key: each.variant for each in run.flags} == {MAX_STEPS: "few", DELEGATION: "off"}
        assert run.spec.options.max_steps == 5
    assert service.selectors == [(selector, selector)]


async def test_flags_stay_while_flagd_is_away_and_change_when_it_is_back(tmp_path: Path) -> None:
    with capture_logs() as lines, reserved_port() as port:
        async with flagd(fixed(MAX_STEPS, 5), port):
            mesh_of_flagd = agent_mesh(tmp_path, Say("Hello."), flagd_address=f"127.0.0.1:{port}")
            mesh = await mesh_of_flagd.__aenter__()
        try:
            assert (await start(mesh.stub)).spec.options.max_steps == 5
            async with flagd(fixed(MAX_STEPS, 6), port):
                await eventually(mesh.stub, lambda run: run.spec.options.max_steps == 6)
        finally:
            await mesh_of_flagd.__aexit__(None, None, None)
    assert [line["code"] for line in lines if line["event"] == "flags.source_lost"] != []


async def test_an_agent_starts_without_flagd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meshwright.agent.flags.evaluation.FIRST_SECONDS", 0.2)
    with capture_logs() as lines, reserved_port() as port:
        async with agent_mesh(tmp_path, Say("Hello."), flagd_address=f"127.0.0.1:{port}") as mesh:
            assert (await start(mesh.stub)).spec.options.max_steps == 40
            async with asyncio.timeout(PATIENCE):
                while "flags.source_lost" not in (line["event"] for line in lines):  # noqa: ASYNC110  # the log just grows
                    await asyncio.sleep(0.01)
            async with flagd(fixed(MAX_STEPS, 6), port):
                await eventually(mesh.stub, lambda run: run.spec.options.max_steps == 6)
    events = [line["event"] for line in lines if line["event"].startswith("flags.")]
    assert sorted(events[: events.index("flags.read")]) == ["flags.none_yet", "flags.source_lost"]
