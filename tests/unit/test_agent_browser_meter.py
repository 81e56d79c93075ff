"""Whose account the time of a browser is on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meshwright.agent.browser_meter import BrowserMeter


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds


def test_a_browser_counts_for_the_run_and_then_for_the_session() -> None:
    clock = Clock()
    meter = BrowserMeter(clock)
    meter.begin()
    clock.passes(5)
    meter.leased()
    clock.passes(3)
    assert meter.run_seconds() == 3
    clock.passes(1)
    assert meter.run_seconds() == 4
    meter.rest()
    clock.passes(10)
    assert meter.released(14.0) == 10


def test_the_next_run_is_charged_from_its_beginning() -> None:
    clock = Clock()
    meter = BrowserMeter(clock)
    meter.begin()
    meter.leased()
    clock.passes(2)
    assert meter.run_seconds() == 2
    meter.rest()
    clock.passes(10)
    meter.begin()
    clock.passes(3)
    assert meter.run_seconds() == 3
    # It crashes during the run: the rest before it is the session's.
    assert meter.released(15.0) == 10
    assert meter.run_seconds() == 3
    clock.passes(7)
    meter.leased()
    clock.passes(1)
    assert meter.run_seconds() == 4


def test_what_was_never_written_down_for_a_run_counts_for_the_session() -> None:
    clock = Clock()
    meter = BrowserMeter(clock)
    meter.begin()
    meter.leased()
    clock.passes(2)
    assert meter.run_seconds() == 2
    clock.passes(6)
    meter.rest()
    assert meter.released(None) == 6


def test_without_a_browser_there_is_nothing() -> None:
    meter = BrowserMeter(Clock())
    assert not meter.is_needed
    meter.begin()
    assert meter.run_seconds() == 0
    meter.rest()
    assert meter.released(5.0) == 0
    assert not meter.is_needed


STEPS = st.lists(
    st.tuples(st.sampled_from(["begin", "leased", "note", "rest", "released"]), st.integers(0, 1000)), max_size=40
)


@given(STEPS)
def test_every_moment_of_a_lease_is_counted_once(steps: list[tuple[str, int]]) -> None:
    clock = Clock()
    meter = BrowserMeter(clock)
    runs = session = held = of_run = 0.0
    leased_at: float | None = None
    working = False
    for step, seconds in [*steps, ("released", 0), ("note", 0), ("rest", 0)]:
        clock.passes(seconds)
        if step == "begin" and not working:
            meter.begin()
            working, of_run = True, 0.0
        elif step == "note" and working:
            of_run = meter.run_seconds()
        elif step == "rest" and working:
            # A run that ends writes down what it has used.
            runs += meter.run_seconds()
            meter.rest()
            working = False
        elif step == "leased" and leased_at is None:
            meter.leased()
            leased_at = clock.now
        elif step == "released" and leased_at is not None:
            held += clock.now - leased_at
            leased_at = None
            session += meter.released(None)
        assert of_run >= 0
    assert runs + session == held
