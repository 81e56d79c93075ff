"""Where a trimmed log begins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshwright.store.interface import Retention
from meshwright.store.trimming import Span, new_beginning, settles

OPEN, OLD, NEW = 0, 10.0, 20.0
AGED = Retention(finished_before=15.0)


@pytest.mark.parametrize(
    ("spans", "last", "retention", "begin"),
    [
        ([], 9, Retention(), 0),
        ([], 9, AGED, 0),
        ([], 9, Retention(events=4), 6),
        ([Span(1, 5, OLD)], 9, AGED, 6),
        ([Span(1, 5, NEW)], 9, AGED, 0),
        ([Span(1, OPEN, 0)], 9, AGED, 0),
        ([Span(1, OPEN, 0)], 9, Retention(events=1), 1),
        ([Span(1, 5, OLD), Span(6, 9, NEW)], 9, AGED, 6),
        ([Span(1, 5, OLD), Span(8, 9, NEW)], 9, AGED, 6),  # 6 and 7 belong to no run and have no age
        ([Span(1, 5, OLD), Span(4, 9, NEW)], 9, AGED, 0),  # the second was asked for while the first was at work
        ([Span(1, 5, OLD), Span(4, 8, OLD), Span(7, OPEN, 0)], 9, AGED, 0),
        ([Span(1, 3, OLD), Span(4, 8, OLD), Span(7, OPEN, 0)], 9, AGED, 4),
        ([Span(1, 5, NEW), Span(6, 9, NEW)], 9, Retention(events=4), 6),
        ([Span(1, 5, NEW), Span(6, 9, NEW)], 9, Retention(events=3), 6),
        ([Span(1, 5, NEW), Span(6, 9, NEW)], 9, Retention(events=5), 1),
        ([Span(1, 4, NEW), Span(7, 9, NEW)], 9, Retention(events=4), 6),
        ([Span(1, 20, NEW), Span(2, 9, NEW)], 20, Retention(events=4), 1),  # a child inside its parent
        ([Span(1, 5, OLD), Span(6, 9, NEW), Span(10, 12, NEW)], 12, Retention(15.0, 3), 10),
    ],
)
def test_whole_runs_go_and_what_has_not_ended_stays(
    spans: list[Span], last: int, retention: Retention, begin: int
) -> None:
    assert max(new_beginning(spans, last, retention), 0) == begin


@st.composite
def logs(draw: st.DrawFn) -> tuple[list[Span], int]:
    """Runs that begin one after the other and end whenever they do."""
    firsts = sorted(draw(st.sets(st.integers(1, 60), max_size=12)))
    last = draw(st.integers(61, 80))
    spans = []
    for first in firsts:
        finish = draw(st.one_of(st.just(0), st.integers(first + 1, last)))
        spans.append(Span(first, finish, draw(st.sampled_from([OLD, NEW])) if finish else 0))
    return spans, last


RETENTIONS = st.builds(Retention, st.sampled_from([0.0, 15.0, 30.0]), st.integers(0, 90))


@given(logs(), RETENTIONS)
def test_no_run_is_cut_and_nothing_goes_that_the_policy_keeps(
    log: tuple[list[Span], int], retention: Retention
) -> None:
    spans, last = log
    begin = new_beginning(spans, last, retention)
    assert begin <= last + 1
    for span in spans:
        assert not span.cut_by(begin)
        gone = 0 < span.finish < begin
        behind = retention.events > 0 and span.finish <= last - retention.events
        assert not gone or span.may_go(retention) or behind


@given(logs(), RETENTIONS)
def test_reading_on_behind_a_run_that_settles_changes_nothing(
    log: tuple[list[Span], int], retention: Retention
) -> None:
    spans, last = log
    settled = next((index for index, span in enumerate(spans) if settles(span, last, retention)), len(spans))
    assert new_beginning(spans[: settled + 1], last, retention) == new_beginning(spans, last, retention)
