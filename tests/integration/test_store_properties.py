"""Both engines under everything at once: appends, claims, takeovers, children, watchers, trims, limits."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from meshwright.store.opening import open_store
from meshwright.store.redis import schedules
from meshwright.v1.run_pb2 import Track
from tests.support.store_drive import a_store
from tests.support.store_model import StoreModel

SECONDS = st.sampled_from([0.0, -1000.0, 1000.0])
"""From now until when runs must have ended to go; 0 for whenever."""
KEPT = st.integers(0, 25)
ANY = st.integers(0, 10_000)
"""Chooses among however many there are."""

TRACKS = st.sampled_from(Track.values())
HEAD_START = 0.02

ACTIONS = st.one_of(
    st.tuples(st.just("enqueue"), ANY, TRACKS),
    st.tuples(st.just("claim"), st.sampled_from([0.0, 0.0, 30.0]), TRACKS),
    st.tuples(st.just("append"), ANY, st.integers(1, 4), st.booleans()),
    st.tuples(st.just("append"), ANY, st.integers(1, 4), st.just(value=False)),
    st.tuples(st.just("say"), ANY, st.integers(1, 3)),
    st.tuples(st.just("delegate"), ANY),
    st.tuples(st.just("adopt"), ANY, ANY),
    st.tuples(st.just("release"), ANY),
    st.tuples(st.just("cancel"), ANY),
    st.tuples(st.just("trim"), ANY, SECONDS, KEPT),
    st.tuples(st.just("sweep"), SECONDS, KEPT),
    st.tuples(st.just("watch"), ANY, st.integers(0, 30)),
)


class StoreMachine(RuleBasedStateMachine):
    """Bursts of actions on a store, between which everything is looked at."""

    address = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()

    @initialize()
    def open(self) -> None:
        self.model = self.runner.run(self._open())

    async def _open(self) -> StoreModel:
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        stores = [await self.stack.enter_async_context(a_store(self.address, Path(folder)))]
        if self.address:
            stores.append(await open_store(self.address, Path(folder)))
            self.stack.push_async_callback(stores[-1].close)
        model = StoreModel(stores, HEAD_START if self.address else 0.0)
        self.stack.push_async_callback(model.close)
        await model.create()
        await model.enqueue(model.sessions[0], Track.TRACK_UNSPECIFIED)
        return model

    @rule(count=st.integers(1, 4))
    def create_sessions(self, count: int) -> None:
        self.runner.run(self._burst([self.model.create() for _ in range(count)]))

    @rule(actions=st.lists(ACTIONS, min_size=1, max_size=14))
    def burst(self, actions: list[tuple[Any, ...]]) -> None:
        self.runner.run(self._burst([work for action in actions if (work := self._work_of(*action)) is not None]))

    async def _burst(self, work: list[Awaitable[None]]) -> None:
        await self.model.burst(work)

    def _work_of(self, name: str, *arguments: Any) -> Awaitable[None] | None:
        """The action on whatever the numbers choose; None where there is nothing to choose from."""
        model = self.model
        work = getattr(model, name)
        if name in ("claim", "sweep"):
            return work(*arguments)  # type: ignore[no-any-return]
        if name in ("append", "delegate", "adopt", "release"):
            if not model.claims:
                return None
            claimed = model.claims[arguments[0] % len(model.claims)]
            if name == "append":
                return model.append(claimed, arguments[1], end=arguments[2])
            if name == "adopt":
                return model.adopt(claimed, model.claims[arguments[1] % len(model.claims)])
            return work(claimed)  # type: ignore[no-any-return]
        return work(model.sessions[arguments[0] % len(model.sessions)], *arguments[1:])  # type: ignore[no-any-return]

    def teardown(self) -> None:
        try:
            self.runner.run(self.model.end_all())
            self.runner.run(self.stack.aclose())
        finally:
            self.runner.close()


@pytest.mark.parametrize("engine", ["sqlite", "redis", "cluster"], indirect=True)
def test_whatever_happens_at_once_the_log_is_whole(
    engine: str, store_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedules, "HEAD_START_MICROS", round(HEAD_START * 1e6))
    machine = type("Machine", (StoreMachine,), {"address": store_address})
    run_state_machine_as_test(
        machine,
        # What happens at once does not happen the same way again, so there is nothing to be made smaller.
        settings=settings(
            max_examples=12 if engine == "cluster" else 25,
            stateful_step_count=10,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
