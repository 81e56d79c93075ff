"""What a store is held to by chance: whatever happens at once, what was answered is so, and what was refused is not."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field

from meshwright.serving.errors import MeshError
from meshwright.store.interface import ClaimedRun, Page, Quotas, Retention, Store
from meshwright.store.live import Subscription
from meshwright.store.refusals import TrimmedError
from meshwright.store.stored_event import StoredEvent
from meshwright.v1.event_pb2 import Event
from meshwright.v1.run_pb2 import Run, RunState, Track
from tests.support.store_drive import ME, a_notice, a_session, an_unstored_run, finished, settled, the_end

LIMITS = Quotas(sessions=3, open_runs=6)
ALL_EVENTS = 100_000
PAGE = Page(10_000)
PATIENCE = 60.0
FINISHED = RunState.RUN_STATE_FINISHED
STABLE, CANARY = Track.TRACK_STABLE, Track.TRACK_CANARY


@dataclass
class Watcher:
    """Somebody who reads a log from a cursor and then follows it."""

    subscription: Subscription
    cursor: int
    gaps: int = 0

    def see(self, events: Sequence[StoredEvent]) -> None:
        """Every event that follows the last one, once; those that come twice are those of the read."""
        for event in events:
            if event.sequence > self.cursor:
                assert event.sequence == self.cursor + 1, "an event is missing"
                self.cursor = event.sequence


@dataclass
class Log:
    """What is known of a session's log."""

    texts: dict[int, str] = field(default_factory=dict)
    """What was appended, by its sequence."""
    watchers: list[Watcher] = field(default_factory=list)


class StoreModel:
    """Makes changes and remembers their answers. `stores` are replicas of one store."""

    def __init__(self, stores: Sequence[Store], head_start: float = 0.0) -> None:
        """`head_start`: seconds that the canary has to take its runs; 0 where all runs are everybody's."""
        self.stores = stores
        self._head_start = head_start
        self.logs: dict[str, Log] = {}
        self.claims: list[ClaimedRun] = []
        """Every claim that was ever given."""
        self.lost: set[tuple[str, int]] = set()
        """Runs and tokens of claims that had certainly ended before the present burst."""
        self.held_under: dict[tuple[str, int], tuple[str, int]] = {}
        """Of claims on children: that on the parent."""
        self.refused: set[str] = set()
        """Texts of events that must not be anywhere."""
        self._count = 0

    @property
    def sessions(self) -> list[str]:
        return sorted(self.logs)

    def _next(self, what: str) -> str:
        self._count += 1
        return f"{what}_{self._count}"

    def _store(self) -> Store:
        return self.stores[self._count % len(self.stores)]

    async def burst(self, actions: Sequence[Awaitable[None]]) -> None:
        """Have everything happen at once, then look at what came of it."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*actions)
            await self.check()

    async def create(self) -> None:
        session_id = self._next("ses")
        try:
            await a_session(self._store(), session_id, quotas=LIMITS)
        except MeshError as error:
            assert error.reason_name == "QUOTA_EXCEEDED"  # noqa: PT017 - which refusals are right is what is tested
            return
        self.logs[session_id] = Log()

    async def enqueue(self, session_id: str, track: Track.ValueType) -> None:
        run, text = an_unstored_run(self._next("run"), session_id, track), self._next("queued")
        drafts = [a_notice(text, run.run_id)]
        try:
            stored = await self._store().enqueue_run(ME, run, drafts, None, reject_if_busy=False, quotas=LIMITS)
        except MeshError as error:
            assert error.reason_name == "QUOTA_EXCEEDED"  # noqa: PT017
            self.refused.add(text)
            return
        self.logs[session_id].texts[stored.first_sequence] = text

    async def claim(self, lease: float, track: Track.ValueType) -> None:
        await self._claim(lease, track)

    async def _claim(self, lease: float, track: Track.ValueType) -> ClaimedRun | None:
        claimed = await self._store().claim_run("somebody", lease, track)
        if claimed is not None:
            self.claims.append(claimed)
            assert not claimed.run.parent_run_id
            self._check_track(claimed.run, track)
        return claimed

    def _check_track(self, run: Run, track: Track.ValueType) -> None:
        """The canary gets its own runs only; the stable track none of those that may still be the canary's."""
        if self._head_start and track == CANARY:
            assert run.track == CANARY
        elif run.track == CANARY:
            assert time.time() - run.create_time.ToMicroseconds() / 1e6 >= self._head_start

    async def end_all(self) -> None:
        """Have the stable track end every run, as it can where nobody of the canary is left: no run was lost from sight."""
        await asyncio.gather(*(self.release(claimed) for claimed in self.claims))
        async with asyncio.timeout(PATIENCE):
            while await self._unfinished():
                if (claimed := await self._claim(PATIENCE, STABLE)) is not None:
                    await self.append(claimed, 0, end=True)
                else:
                    await asyncio.sleep(self._head_start / 4)
            await self.check()

    async def _unfinished(self) -> int:
        """How many runs have not ended, without sub-agents' runs."""
        pages = [await self.stores[0].list_runs(ME, session_id, PAGE) for session_id in self.logs]
        return sum(run.state != FINISHED and not run.parent_run_id for page in pages for run, _ in page)

    async def release(self, claimed: ClaimedRun) -> None:
        await self._store().release_claims([claimed.claim])
        self.lost.add(held_by(claimed))

    async def delegate(self, claimed: ClaimedRun) -> None:
        session_id, run_id, text = claimed.claim.session_id, self._next("child"), self._next("queued")
        drafts = [a_notice(text, run_id)]
        try:
            child = await self._store().enqueue_child(claimed.claim, an_unstored_run(run_id, session_id), drafts)
        except MeshError as error:
            self._was_refused(error, claimed, [text])
            return
        self._take_child(child, claimed)
        self.logs[session_id].texts[child.run.first_sequence] = text

    async def adopt(self, claimed: ClaimedRun, child: ClaimedRun) -> None:
        try:
            adopted = await self._store().claim_child(claimed.claim, child.claim.run_id)
        except MeshError as error:
            assert error.reason_name in ("RUN_CLAIM_LOST", "RUN_NOT_FOUND", "RUN_FINISHED")  # noqa: PT017
            return
        assert held_by(claimed) not in self.lost
        self._take_child(adopted, claimed)

    def _take_child(self, child: ClaimedRun, parent: ClaimedRun) -> None:
        self.claims.append(child)
        self.held_under[held_by(child)] = held_by(parent)

    async def append(self, claimed: ClaimedRun, count: int, *, end: bool) -> None:
        run_id = claimed.claim.run_id
        texts = [self._next("text") for _ in range(count)]
        drafts = [a_notice(text, run_id) for text in texts]
        run = None
        if end:
            run = Run()
            run.CopyFrom(claimed.run)
            finished(run)
            drafts.append(the_end(run_id))
        held = held_by(claimed) not in self.lost
        try:
            events = await self._store().append(claimed.claim, drafts, run)
        except MeshError as error:
            self._was_refused(error, claimed, texts)
            return
        assert held, "a claim that was lost has appended"
        first = events[0].sequence if events else 0
        assert [event.sequence for event in events] == list(range(first, first + len(drafts)))
        self.logs[claimed.claim.session_id].texts |= dict(zip(range(first, first + count), texts, strict=True))

    def _was_refused(self, error: MeshError, claimed: ClaimedRun, texts: Sequence[str]) -> None:
        assert error.reason_name == "RUN_CLAIM_LOST"
        self.lost.add(held_by(claimed))
        self.refused.update(texts)

    async def say(self, session_id: str, count: int) -> None:
        await self._store().append_to_session(session_id, [a_notice(self._next("said")) for _ in range(count)])

    async def cancel(self, session_id: str) -> None:
        try:
            await self._store().cancel_run(ME, session_id, "", None, settled)
        except MeshError as error:
            assert error.reason_name == "RUN_NOT_FOUND"  # noqa: PT017

    async def trim(self, session_id: str, seconds: float, events: int) -> None:
        await self._store().trim(session_id, _retention(seconds, events))

    async def sweep(self, seconds: float, events: int) -> None:
        await self._store().trim_all(_retention(seconds, events))

    async def watch(self, session_id: str, back: int) -> None:
        """Follow a session from some events before its end."""
        store = self._store()
        session = await store.get_session(ME, session_id)
        watcher = Watcher(store.subscribe(session_id), max(0, session.last_sequence - back))
        await self._read_on(store, session_id, watcher)
        self.logs[session_id].watchers.append(watcher)

    async def _read_on(self, store: Store, session_id: str, watcher: Watcher) -> None:
        while True:
            try:
                events = await store.read(session_id, watcher.cursor, 7)
            except TrimmedError as trimmed:
                assert trimmed.first_available_sequence > watcher.cursor + 1  # noqa: PT017
                watcher.cursor, watcher.gaps = trimmed.first_available_sequence - 1, watcher.gaps + 1
                continue
            watcher.see(events)
            if len(events) < 7:
                return

    async def check(self) -> None:
        """What must be so whenever nothing is under way."""
        unfinished = 0
        for session_id, log in self.logs.items():
            session = await self.stores[0].get_session(ME, session_id)
            runs = [run for run, _ in await self.stores[-1].list_runs(ME, session_id, PAGE)]
            unfinished += sum(run.state != FINISHED and not run.parent_run_id for run in runs)
            stored = await self.stores[-1].read(session_id, session.first_sequence - 1, ALL_EVENTS)
            events = {event.sequence: Event.FromString(event.payload) for event in stored}
            assert [*events] == list(range(session.first_sequence, session.last_sequence + 1)), "a gap or a double"
            self._check_texts(log, events, session.first_sequence)
            _check_ends(runs, events, session.first_sequence)
            await self._check_watchers(log, session.last_sequence)
        assert unfinished <= LIMITS.open_runs
        assert len(self.logs) <= LIMITS.sessions
        self._note_what_is_lost()

    def _check_texts(self, log: Log, events: dict[int, Event], first: int) -> None:
        for sequence, text in log.texts.items():
            assert sequence < first or events[sequence].notice.text == text, "an acknowledged event is missing"
        texts = [event.notice.text for event in events.values() if event.HasField("notice")]
        assert len(set(texts)) == len(texts), "an event came twice"
        assert not self.refused.intersection(texts), "a refused event is there"

    async def _check_watchers(self, log: Log, last: int) -> None:
        for watcher in log.watchers:
            while watcher.cursor < last:
                await watcher.subscription.wait()
                watcher.see(watcher.subscription.take())
            assert watcher.cursor == last

    def _note_what_is_lost(self) -> None:
        """Of the claims on a run only the latest can hold, and those on its descendants only if they were given under it."""
        tokens = Counter(held_by(claimed) for claimed in self.claims)
        assert all(count == 1 for count in tokens.values()), "a token was given twice"
        latest: dict[str, int] = {}
        for run_id, token in tokens:
            latest[run_id] = max(latest.get(run_id, 0), token)
        for held in tokens:
            above: tuple[str, int] | None = held
            while above is not None:
                if above[1] < latest[above[0]]:
                    self.lost.add(held)
                above = self.held_under.get(above)

    async def close(self) -> None:
        for log in self.logs.values():
            for watcher in log.watchers:
                watcher.subscription.close()


def _retention(seconds: float, events: int) -> Retention:
    return Retention(time.time() + seconds if seconds else 0.0, events)


def held_by(claimed: ClaimedRun) -> tuple[str, int]:
    """Run and token."""
    return claimed.claim.run_id, claimed.claim.token


def _check_ends(runs: Sequence[Run], events: dict[int, Event], first: int) -> None:
    """Runs have one end each, and none is cut by the log's beginning."""
    ends = Counter(event.run_id for event in events.values() if event.HasField("run_finished"))
    for run in runs:
        if run.state == FINISHED:
            assert run.finish_sequence < first or run.first_sequence >= first, "half a run was removed"
            kept = run.finish_sequence >= first
            assert ends[run.run_id] == kept
            assert not kept or events[run.finish_sequence].HasField("run_finished")
            after = [sequence for sequence, event in events.items() if event.run_id == run.run_id]
            assert not after or max(after) == run.finish_sequence, "a run went on after its end"
        else:
            assert ends[run.run_id] == 0
            assert run.first_sequence >= first, "a run that has not ended lost events"
