"""Following a session's log: first what is there, then what comes, as frames that both doors send alike."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from google.protobuf.duration_pb2 import Duration

from meshwright.agent.compose import current_time
from meshwright.agent.history import read_events
from meshwright.agent.metrics import agent_metrics
from meshwright.agent.snapshot import session_snapshot
from meshwright.serving.errors import MeshError
from meshwright.store.refusals import TrimmedError
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.agent_service_pb2 import Attached, CaughtUp, ConverseResponse, Gap, Receipt
from meshwright.v1.event_pb2 import Event, EventFilter, EventKind
from meshwright.v1.stream_pb2 import GoingAway, Heartbeat

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    from meshwright.store.interface import Store
    from meshwright.store.stored_event import StoredEvent
    from meshwright.v1.run_pb2 import Run
    from meshwright.v1.session_pb2 import Session

HEARTBEAT_SECONDS = 15.0
MAX_EVENTS_IN_FRAME = 256
MAX_FRAME_BYTES = 1 << 20
RUN_FINISHED = EventKind.EVENT_KIND_RUN_FINISHED


class Selection:
    """Which events a watcher wants. It has to be shown every event, in order: runs bring their sub-agents along."""

    def __init__(self, wanted: EventFilter) -> None:
        self._kinds = frozenset(wanted.kinds)
        self._excluded = frozenset(wanted.excluded_kinds)
        self._runs = set(wanted.run_ids)

    async def catch_up(self, store: Store, session: Session, cursor: int) -> None:
        """Learn which runs the chosen ones delegated before the cursor."""
        if not self._runs or not cursor:
            return
        before = max(0, session.first_sequence - 1)
        async for event in read_events(store, session.session_id, before, (EventKind.EVENT_KIND_RUN_QUEUED,)):
            if event.sequence > cursor:
                return
            self._adopt(event)

    def __call__(self, event: StoredEvent) -> bool:
        """Whether to send the event."""
        if self._runs and event.kind == EventKind.EVENT_KIND_RUN_QUEUED:
            self._adopt(Event.FromString(event.payload))
        return (
            (not self._kinds or event.kind in self._kinds)
            and event.kind not in self._excluded
            and (not self._runs or event.run_id in self._runs)
        )

    def _adopt(self, event: Event) -> None:
        if event.run_queued.parent_run_id in self._runs:
            self._runs.add(event.run_id)


class Watcher:
    """One watcher of one session. `frames` gives serialised responses.

    ConverseResponse and WatchSessionResponse give the same numbers to what they share, so the bytes serve both doors.
    """

    def __init__(self, store: Store, session: Session, *, after_sequence: int, wanted: EventFilter) -> None:
        """CURSOR_AHEAD."""
        if after_sequence > session.last_sequence:
            raise MeshError(
                reasons.ERROR_REASON_CURSOR_AHEAD,
                "The cursor lies after the session's last event.",
                metadata={"after_sequence": after_sequence, "last_sequence": session.last_sequence},
            )
        self.cursor = after_sequence
        self.session_id = session.session_id
        self._until_run_id = ""
        self._store = store
        self._session = session
        self._selected = Selection(wanted)
        self._subscription = store.subscribe(self.session_id)
        self._receipts: deque[Receipt] = deque()
        self._failure: MeshError | None = None
        self._finished = False
        self._grace: float | None = None
        self._sent_at = asyncio.get_running_loop().time()

    def watch_until(self, run: Run) -> None:
        """End in good order after the run's terminal event, or once all is sent when that lies before the cursor."""
        self._until_run_id = run.run_id
        if 0 < run.finish_sequence <= self.cursor:
            self.finish()

    def send_receipt(self, receipt: Receipt) -> None:
        """Send the receipt of a command between the events."""
        self._receipts.append(receipt)
        self._subscription.poke()

    def finish(self, failure: MeshError | None = None) -> None:
        """End the frames once what waits has been sent, in good order or with `failure`."""
        self._finished = True
        self._failure = failure
        self._subscription.poke()

    def go_away(self, grace: float) -> None:
        """Tell the client to come back, with its cursor, and end."""
        self._grace = grace
        self._subscription.poke()

    def tick(self) -> None:
        """Send a heartbeat if it is time for one."""
        if asyncio.get_running_loop().time() - self._sent_at >= HEARTBEAT_SECONDS:
            self._subscription.poke()

    async def frames(self, *, created: bool = False) -> AsyncGenerator[bytes, None]:
        """Everything to send, until the watcher is finished. Raises what `finish` or the store's tail says."""
        try:
            yield _control(attached=Attached(session=self._session, created=created))
            await self._selected.catch_up(self._store, self._session, self.cursor)
            async for frame in self._replay():
                yield frame
            yield _control(caught_up=CaughtUp(cursor=self.cursor))
            async for frame in self._live():
                self._sent_at = asyncio.get_running_loop().time()
                yield frame
        except MeshError as error:
            agent_metrics.watch_failed(error)
            raise
        finally:
            self._subscription.close()

    async def _replay(self) -> AsyncGenerator[bytes, None]:
        while not self._finished:
            try:
                events = await self._store.read(self.session_id, self.cursor, MAX_EVENTS_IN_FRAME)
            except TrimmedError as trimmed:
                yield await self._across(trimmed.first_available_sequence)
                continue
            for frame in self._frames_of(events):
                yield frame
            if len(events) < MAX_EVENTS_IN_FRAME:
                return

    async def _live(self) -> AsyncGenerator[bytes, None]:
        while True:
            await self._subscription.wait()
            events = self._subscription.take()
            sent = False
            for frame in self._frames_of(events):
                sent = True
                yield frame
            if sent and agent_metrics.due():
                agent_metrics.delivered(events)
            while self._receipts:
                sent = True
                yield _control(receipt=self._receipts.popleft())
            if self._finished:
                if self._failure is not None:
                    raise self._failure
                return
            if self._grace is not None:
                yield _control(going_away=GoingAway(cursor=self.cursor, grace=Duration(seconds=int(self._grace))))
                return
            if not sent and asyncio.get_running_loop().time() - self._sent_at >= HEARTBEAT_SECONDS:
                yield _control(heartbeat=Heartbeat(time=current_time(), cursor=self.cursor))

    async def _across(self, first_available: int) -> bytes:
        """What stands for events that are gone. The cursor lies behind them then."""
        principal = self._session.principal
        gap = Gap(
            after_sequence=self.cursor,
            first_available_sequence=first_available,
            snapshot=await session_snapshot(self._store, principal, self.session_id),
        )
        self.cursor = first_available - 1
        if self._until_run_id:
            self.watch_until(await self._store.get_run(principal, self.session_id, self._until_run_id))
        return _control(gap=gap)

    def _frames_of(self, events: Sequence[StoredEvent]) -> Iterator[bytes]:
        """The wanted ones of the events that were not sent yet, as few frames as may be."""
        frame: list[bytes] = []
        size = 0
        for event in events:
            if event.sequence <= self.cursor:
                continue
            self.cursor = event.sequence
            if self._selected(event):
                if frame and (len(frame) == MAX_EVENTS_IN_FRAME or size + len(event.frame) > MAX_FRAME_BYTES):
                    yield b"".join(frame)
                    frame, size = [], 0
                frame.append(event.frame)
                size += len(event.frame)
            if event.kind == RUN_FINISHED and event.run_id == self._until_run_id:
                self.finish()
                break
        if frame:
            yield b"".join(frame)


class Watchers:
    """All watchers of this replica: their heartbeats and their farewell."""

    def __init__(self) -> None:
        self._watchers: set[Watcher] = set()

    def __len__(self) -> int:
        return len(self._watchers)

    def add(self, watcher: Watcher) -> None:
        """Look after a watcher."""
        self._watchers.add(watcher)

    def discard(self, watcher: Watcher) -> None:
        """Forget a watcher."""
        self._watchers.discard(watcher)

    async def keep_alive(self) -> None:
        """Have idle watchers send heartbeats, for ever: one timer for all of them."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS / 3)
            for watcher in tuple(self._watchers):
                watcher.tick()

    def go_away(self, grace: float) -> None:
        """Send everybody away."""
        for watcher in tuple(self._watchers):
            watcher.go_away(grace)


def _control(
    *,
    attached: Attached | None = None,
    receipt: Receipt | None = None,
    caught_up: CaughtUp | None = None,
    gap: Gap | None = None,
    heartbeat: Heartbeat | None = None,
    going_away: GoingAway | None = None,
) -> bytes:
    return ConverseResponse(
        attached=attached,
        receipt=receipt,
        caught_up=caught_up,
        gap=gap,
        heartbeat=heartbeat,
        going_away=going_away,
    ).SerializeToString()
