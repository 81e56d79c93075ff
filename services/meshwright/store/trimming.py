"""Where a log that is trimmed begins: the same for every engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from meshwright.store.interface import Retention


class Span(NamedTuple):
    """The part of a log in which a run has events. Those of several runs may overlap."""

    first: int
    """Sequence of its first event."""
    finish: int
    """Sequence of its last event; 0 while it has not ended."""
    finish_time: float
    """When it ended, in seconds since 1970."""

    def may_go(self, retention: Retention) -> bool:
        """Whether it ended long enough ago."""
        return self.finish > 0 and self.finish_time < retention.finished_before

    def cut_by(self, sequence: int) -> bool:
        """Whether a log that begins with the sequence has only a part of it."""
        return self.first < sequence and (not self.finish or sequence <= self.finish)


def new_beginning(spans: Sequence[Span], last_sequence: int, retention: Retention) -> int:
    """The first sequence to keep; not above `last_sequence + 1`.

    Args:
        spans: The runs that are still in the log, by their first sequence: all of them, or all up to the first that `settles`.
        last_sequence: Of the log.
        retention: What may go.
    """
    return max(_by_count(spans, last_sequence, retention), _by_age(spans, retention))


def settles(span: Span, last_sequence: int, retention: Retention) -> bool:
    """Whether the spans after this one cannot matter, because it stays whatever they are."""
    return not span.may_go(retention) and span.first >= _wanted(last_sequence, retention)


def _wanted(last_sequence: int, retention: Retention) -> int:
    return last_sequence - retention.events + 1 if retention.events else 0


def _by_count(spans: Sequence[Span], last_sequence: int, retention: Retention) -> int:
    return _whole(spans, _wanted(last_sequence, retention))


def _by_age(spans: Sequence[Span], retention: Retention) -> int:
    """Behind the last run that goes. What follows it and belongs to no run has an age that nobody knows."""
    staying = [span.first for span in spans if not span.may_go(retention)]
    wanted = _whole(spans, min(staying, default=max((span.finish for span in spans), default=0) + 1))
    return max((span.finish + 1 for span in spans if 0 < span.finish < wanted), default=0)


def _whole(spans: Sequence[Span], wanted: int) -> int:
    """The last place up to the wanted one where no run is cut."""
    for span in reversed(spans):
        if span.cut_by(wanted):
            wanted = span.first
    return wanted
