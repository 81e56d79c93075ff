"""What a session amounts to, for those who cannot read its beginning any more."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from meshwright.agent.history import read_events
from meshwright.store.interface import Page
from meshwright.v1.agent_service_pb2 import SessionSnapshot
from meshwright.v1.event_pb2 import EventKind, Message
from meshwright.v1.run_pb2 import Run, RunState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from meshwright.store.interface import Store

MAX_BYTES = 1 << 20
"""Of each of its lists at most, so that a client takes the whole."""
MAX_RUNS = 1000
"""The newest runs among which those that have not ended are looked for."""
RUNS_AT_ONCE = 100
MESSAGES = 50
RUNS_OF_MESSAGES = 10
"""Messages are those of so many runs. What sub-agents say to themselves is none of the conversation."""
APPROVALS = 100


async def session_snapshot(store: Store, principal: str, session_id: str) -> SessionSnapshot:
    """The state as it is now; what is appended meanwhile may be in it or not. SESSION_NOT_FOUND."""
    session = await store.get_session(principal, session_id)
    runs = await _runs(store, principal, session_id)
    begin = max(session.first_sequence, min((run.first_sequence for run in runs[:RUNS_OF_MESSAGES]), default=1))
    waiting = await store.list_approvals(principal, session_id, Page(APPROVALS), pending_only=True)
    messages: deque[Message] = deque(maxlen=MESSAGES)
    async for event in read_events(store, session_id, begin - 1, (EventKind.EVENT_KIND_MESSAGE,)):
        if not event.agent_path:
            messages.append(event.message)
    return SessionSnapshot(
        sequence=session.last_sequence,
        session=session,
        runs=_fitting(_unfinished_and_last(runs)),
        messages=_fitting(messages),
        approvals=_fitting(approval for approval, _ in reversed(waiting)),
    )


async def _runs(store: Store, principal: str, session_id: str) -> list[Run]:
    """The newest runs, the newest first, to beyond the last that has ended and the oldest that has not."""
    session = await store.get_session(principal, session_id)
    runs: list[Run] = []
    before = None
    while len(runs) < MAX_RUNS:
        page = await store.list_runs(principal, session_id, Page(RUNS_AT_ONCE, before))
        runs += [run for run, _ in page]
        open_here = sum(run.state != RunState.RUN_STATE_FINISHED and not run.parent_run_id for run in runs)
        enough = open_here >= session.queued_runs + bool(session.active_run_id) and open_here < len(runs)
        if len(page) < RUNS_AT_ONCE or enough:
            break
        before = page[-1][1]
    return runs


def _unfinished_and_last(runs: Iterable[Run]) -> list[Run]:
    """Those that have not ended and the last one that has, the oldest first; a sub-agent's end tells nothing of its session."""
    ordered = sorted(runs, key=lambda run: run.first_sequence)
    ended = [run for run in ordered if run.state == RunState.RUN_STATE_FINISHED and not run.parent_run_id]
    last = max(ended, key=lambda run: run.finish_sequence, default=None)
    return [run for run in ordered if run.state != RunState.RUN_STATE_FINISHED or run is last]


def _fitting(messages: Iterable[Any]) -> list[Any]:
    """The newest of them that take no more room than they may, the oldest first."""
    room = MAX_BYTES
    fitting: deque[Any] = deque()
    for message in reversed(list(messages)):
        room -= message.ByteSize()
        if room < 0:
            break
        fitting.appendleft(message)
    return list(fitting)
