"""A run whose worker died in the middle of a delegation, as it left the store."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from meshwright.agent.compose import Composer, current_time
from meshwright.store.opening import open_store
from meshwright.v1.event_pb2 import Message, Role, RunFinished, RunQueued, RunStarted, ToolCallStarted
from meshwright.v1.run_pb2 import Run, RunOptions, RunOutcome, RunSpec, RunState
from meshwright.v1.session_pb2 import Session
from tests.support.delegation import DELEGATE

if TYPE_CHECKING:
    from pathlib import Path

    from meshwright.store.interface import ClaimedRun, Draft, Store

CALL = "call_half"
LEASE_SECONDS = 60.0
TOKENS_OF_CHILD = 500


@dataclass(frozen=True)
class HalfDone:
    """How far the worker had come: the call is begun in any case."""

    child_begun: bool = False
    child_ended: bool = False
    cancelled: bool = False
    """Somebody cancelled the run after its worker died."""
    timeout: float = 60.0
    model: str = "openai:scripted"


class Left(NamedTuple):
    """What is in the store."""

    session_id: str
    root: str
    child: str


async def leave_half_done(store_url: str, folder: Path, how: HalfDone) -> Left:
    """Write down what such a worker wrote, and give its claim back, so that no test waits for its end."""
    left = Left(*(f"{kind}_{uuid4().hex}" for kind in ("ses", "run", "run")))
    store = await open_store(store_url, folder / "store" / "meshwright.sqlite3")
    try:
        claimed = await _begun(store, left, how)
        if how.child_begun:
            await _delegated(store, left, claimed, how)
        if how.cancelled:
            await store.cancel_run("local", left.session_id, left.root, None, _never)
        await store.release_claims([claimed.claim])
    finally:
        await store.close()
    return left


async def _begun(store: Store, left: Left, how: HalfDone) -> ClaimedRun:
    options = RunOptions(model=how.model, max_steps=10)
    options.timeout.FromMilliseconds(round(how.timeout * 1000))
    run = Run(run_id=left.root, session_id=left.session_id, state=RunState.RUN_STATE_QUEUED, create_time=current_time())
    run.spec.CopyFrom(RunSpec(task="plan", options=options))
    composer = Composer(left.session_id, left.root)
    await store.create_session(Session(session_id=left.session_id, principal="local"), None)
    queued = composer.draft(run_queued=RunQueued(spec=run.spec))
    await store.enqueue_run("local", run, [queued], None, reject_if_busy=False)
    claimed = await store.claim_run("the one that dies", LEASE_SECONDS)
    assert claimed is not None
    call = ToolCallStarted(call_id=CALL, tool=DELEGATE, step=1, attempt=1)
    call.arguments.update({"task": "look"})
    drafts = [
        composer.draft(run_started=RunStarted(attempt=1)),
        composer.draft(message=Message(message_id="msg_1", role=Role.ROLE_USER, text="plan")),
        composer.draft(message=Message(message_id="msg_2", role=Role.ROLE_AGENT, step=1, call_ids=[CALL])),
        composer.draft(tool_call_started=call),
    ]
    claimed.run.usage.model_calls = claimed.run.usage.tool_calls = 1
    await store.append(claimed.claim, drafts, claimed.run)
    return claimed


async def _delegated(store: Store, left: Left, parent: ClaimedRun, how: HalfDone) -> None:
    child = Run(run_id=left.child, session_id=left.session_id, create_time=current_time())
    child.spec.CopyFrom(RunSpec(task="look", options=parent.run.spec.options))
    composer = Composer(left.session_id, left.child, agent_path=[left.child])
    queued = RunQueued(spec=child.spec, parent_run_id=left.root, parent_call_id=CALL)
    claimed = await store.enqueue_child(parent.claim, child, [composer.draft(run_queued=queued)])
    drafts = [
        composer.draft(run_started=RunStarted(attempt=1)),
        composer.draft(message=Message(message_id="msg_3", role=Role.ROLE_USER, text="look")),
    ]
    run = claimed.run
    run.usage.input_tokens = TOKENS_OF_CHILD
    if how.child_ended:
        run.state, run.outcome, run.answer = RunState.RUN_STATE_FINISHED, RunOutcome.RUN_OUTCOME_COMPLETED, "Seen."
        run.finish_time.FromMilliseconds(round(time.time() * 1000))
        finished = RunFinished(outcome=run.outcome, answer=run.answer, usage=run.usage)
        drafts.append(composer.draft(run_finished=finished))
    await store.append(claimed.claim, drafts, run)


def _never(run: Run) -> tuple[Run, Draft]:
    raise AssertionError("a run at work is ended by its worker")
