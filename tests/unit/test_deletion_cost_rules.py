"""What a browser pod is told of its cost, and what is believed of what it says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshwright.deletion_cost.costs import REPEAT_SECONDS, Costs
from meshwright.deletion_cost.leases import leases_in
from meshwright.deletion_cost.pods import MOST


@pytest.mark.parametrize(
    ("told", "leases", "after", "due"),
    [
        (None, 0, 0, True),
        (None, 3, 0, True),
        (0, 1, 0.1, True),
        (3, 0, 0.1, True),
        (1, 2, 0.1, False),
        (5, 1, REPEAT_SECONDS - 1, False),
        (5, 1, REPEAT_SECONDS, True),
        (0, 0, REPEAT_SECONDS - 1, False),
        (0, 0, REPEAT_SECONDS, True),
        (2, 2, REPEAT_SECONDS, True),
    ],
)
def test_the_first_and_the_last_lease_are_told_at_once_and_the_rest_seldom(
    told: int | None, leases: int, after: float, due: bool
) -> None:
    costs = Costs()
    if told is not None:
        costs.told("pod", told, 100.0)
    assert costs.due({"pod": leases}, 100.0 + after) == ({"pod": leases} if due else {})


def test_a_pod_that_was_gone_is_told_anew() -> None:
    costs = Costs()
    costs.told("one", 0, 100.0)
    costs.told("two", 0, 100.0)
    costs.keep({"two"})
    assert costs.due({"one": 0, "two": 0}, 100.1) == {"one": 0}


FIGURE = b"# HELP meshwright_browser_leased Leases that are held.\n# TYPE meshwright_browser_leased gauge\n"


@pytest.mark.parametrize(
    ("answer", "leases"),
    [
        (FIGURE + b"meshwright_browser_leased 2.0\n", 2),
        (b"meshwright_browser_leased 2", 2),
        (b"meshwright_browser_leased 0.0\n", 0),
        (b"meshwright_browser_leased 9999.0\n", MOST),
        (b"meshwright_browser_leased 10000.0\n", None),
        (b"meshwright_browser_leased -1.0\n", None),
        (b"meshwright_browser_leased NaN\n", None),
        (b"meshwright_browser_leased +Inf\n", None),
        (b"meshwright_browser_leased 1e3\n", None),
        (b'meshwright_browser_leased{pod="other"} 1.0\n', None),
        (b"meshwright_browser_leased_total 1.0\n", None),
        (FIGURE, None),
        (b"", None),
        (b"<html>\xff", None),
    ],
)
def test_only_a_number_of_leases_is_believed(answer: bytes, leases: int | None) -> None:
    assert leases_in(answer) == leases


@given(st.binary() | st.binary().map(lambda it: b"meshwright_browser_leased " + it))
def test_whatever_a_pod_answers_its_cost_is_one_that_the_policy_lets_through(answer: bytes) -> None:
    leases = leases_in(answer)
    assert leases is None or 0 <= leases <= MOST
