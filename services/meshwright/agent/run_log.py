"""What a worker appends to its run's log."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from meshwright.agent.compose import Composer
from meshwright.agent.lease import LEASE_SECONDS
from meshwright.agent.metrics import agent_metrics
from meshwright.store.refusals import claim_lost
from meshwright.v1.event_pb2 import UsageRecorded
from meshwright.v1.run_pb2 import Run, RunState, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from meshwright.agent.browser_meter import BrowserMeter
    from meshwright.store.interface import Claim, Draft, Store
    from meshwright.store.stored_event import StoredEvent


class RunLog:
    """Appends under the run's claim. The order of calls is the order of events. Everything raises RUN_CLAIM_LOST when it is due."""

    def __init__(self, store: Store, claim: Claim, run: Run, agent_path: Sequence[str] = ()) -> None:
        self.run = run
        self.claim = claim
        self.principal = claim.principal
        self.held_until = float("inf")
        """When the claim ends unless it is renewed, by the monotonic clock."""
        self.goes_on = False
        """The run goes on in another process, so what is open stays open."""
        self._meter: BrowserMeter | None = None
        self._browser_before = run.usage.browser_duration.ToMicroseconds()
        self._store = store
        self._composer = Composer(claim.session_id, claim.run_id, agent_path=agent_path)

    @property
    def overdue(self) -> bool:
        """The claim was not renewed in time, so another may have the run."""
        return time.monotonic() > self.held_until

    async def hold(self) -> None:
        """Make sure of the claim where it was not renewed in time. RUN_CLAIM_LOST, and UNAVAILABLE of the store.

        For what is done outside of the log, and so cannot be refused there.
        """
        if self.overdue:
            until = time.monotonic() + LEASE_SECONDS
            if (await self._store.renew_claims([self.claim], LEASE_SECONDS)).lost:
                raise claim_lost(self.run.run_id)
            self.held_until = until

    def count_browser(self, meter: BrowserMeter) -> None:
        """From now on the session's browser time is this run's; it goes into the run's usage whenever the record is stored."""
        self._meter = meter
        meter.begin()

    def browser_usage(self) -> list[Draft]:
        """The event that tells of the run's browser time, which is counted up to now; none where it had no browser."""
        self._note_browser()
        usage = Usage(browser_duration=self.run.usage.browser_duration)
        held = usage.browser_duration.ToMicroseconds()
        return [self.draft(usage_recorded=UsageRecorded(usage=usage))] if held else []

    def _note_browser(self) -> None:
        if self._meter is None:
            return
        held = self._browser_before + round(self._meter.run_seconds() * 1e6)
        if held:
            self.run.usage.browser_duration.FromMicroseconds(held)

    def draft(self, **arm: Any) -> Draft:
        """A draft of this run; see Composer."""
        return self._composer.draft(**arm)

    async def append(
        self, *drafts: Draft, save_run: bool = False, inputs_seen: int | None = None
    ) -> Sequence[StoredEvent]:
        """Append, durably when it returns; with `save_run` the run's record is stored in the same breath.

        InputsWaitingError where `inputs_seen` is given and more inputs have come.
        """
        run = self._record() if save_run else None
        return await agent_metrics.timed(self._store.append(self.claim, drafts, run, inputs_seen=inputs_seen))

    def _record(self) -> Run:
        """The run's record as it is now: it may change before it is stored. At its end nothing does, but for what the store fills in."""
        if self.run.state == RunState.RUN_STATE_FINISHED:
            return self.run
        self._note_browser()
        record = Run()
        record.CopyFrom(self.run)
        return record

    def note(self, draft: Draft) -> None:
        """Append without waiting; what becomes of it does not matter to the run."""
        self._store.append(self.claim, [draft]).add_done_callback(lambda done: done.cancelled() or done.exception())

    def text(self, message_id: str) -> DeltaWriter:
        """A writer of the text of one message."""
        return DeltaWriter(self._store, self.claim, self._composer.text_deltas(message_id))

    def reasoning(self, message_id: str) -> DeltaWriter:
        """A writer of the reasoning before one message."""
        return DeltaWriter(self._store, self.claim, lambda text: self._composer.reasoning_delta(message_id, text))


class DeltaWriter:
    """Writes text as it comes: one append at a time, which carries all that came until the store takes it.

    So a quiet mesh stores and shows every piece at once, and a busy one pays for each append rather than for each piece.
    """

    def __init__(self, store: Store, claim: Claim, compose: Callable[[str], Draft]) -> None:
        self._store = store
        self._claim = claim
        self._compose = compose
        self._gathered: list[str] = []
        self._written: list[str] = []
        self._under_way: asyncio.Future[list[StoredEvent]] | None = None
        self._failure: BaseException | None = None
        self._landed: asyncio.Future[None] | None = None

    @property
    def begun(self) -> bool:
        """Whether anything was taken."""
        return bool(self._written or self._gathered)

    @property
    def text(self) -> str:
        """All that was taken so far."""
        return "".join(self._written) + "".join(self._gathered)

    def write(self, text: str) -> None:
        """Take a piece. Raises what an earlier append failed with."""
        if self._failure is not None:
            raise self._failure
        self._gathered.append(text)
        if self._under_way is None:
            self._append()

    async def flush(self) -> None:
        """Wait until everything is stored."""
        if self._under_way is not None:
            self._landed = asyncio.get_running_loop().create_future()
            await self._landed
        if self._failure is not None:
            raise self._failure

    def _append(self) -> None:
        self._under_way = agent_metrics.timed(self._store.append(self._claim, self._drafts))
        self._under_way.add_done_callback(self._appended)

    def _drafts(self) -> Sequence[Draft]:
        """All that was taken until the append is made."""
        text = "".join(self._gathered)
        self._gathered.clear()
        self._written.append(text)
        return [self._compose(text)]

    def _appended(self, done: asyncio.Future[list[StoredEvent]]) -> None:
        self._under_way = None
        self._failure = None if done.cancelled() else done.exception()
        if self._failure is None and self._gathered:
            self._append()
        elif self._landed is not None and not self._landed.done():
            self._landed.set_result(None)
