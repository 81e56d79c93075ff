"""The parts of what the command line shows: Markdown that is still being written, arguments, text from elsewhere, advice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meshwright.cli.run.advice import NEXT_STEPS, advice
from meshwright.cli.run.blocks import split_finished, tail
from meshwright.cli.run.display import brief, printable
from meshwright.client import InternalError, InvalidArgument, RunFailed, Violation
from meshwright.v1.error_reason_pb2 import ErrorReason

PIECES = st.lists(st.sampled_from(["a", "b c", "\n", "\n\n", "```", "```py\n", "~~~\n", "- x\n", "  \n"]), max_size=30)


@given(PIECES)
def test_cutting_text_loses_nothing_and_cuts_where_nothing_changes_any_more(pieces: list[str]) -> None:
    text = "".join(pieces)
    finished, rest = split_finished(text)
    assert finished + rest == text
    assert split_finished(finished) == (finished, "")


@given(PIECES, st.integers(0, 100))
def test_text_cut_as_it_arrives_is_cut_as_if_it_came_at_once(pieces: list[str], position: int) -> None:
    text = "".join(pieces)
    first, second = text[:position], text[position:]
    finished, rest = split_finished(first)
    more, left = split_finished(rest + second)
    assert (finished + more, left) == split_finished(text)


def test_a_code_block_is_finished_at_its_end_only() -> None:
    assert split_finished("one\n\n```py\na = 1\n\nb = 2\n") == ("one\n\n", "```py\na = 1\n\nb = 2\n")
    assert split_finished("```\na\n\n```\n\ntwo") == ("```\na\n\n```\n\n", "two")


@given(st.text("ab \n", max_size=300), st.integers(1, 20), st.integers(1, 10))
def test_the_end_of_a_text_fits_its_place(text: str, width: int, rows: int) -> None:
    end = tail(text, width, rows)
    assert end in text
    assert sum(max(1, -(-len(line) // width)) for line in end.splitlines()) <= rows


def test_the_end_of_a_long_line_is_its_last_piece() -> None:
    assert tail("a" * 100 + "end", 10, 3) == "a" * 7 + "end"
    assert tail("one\ntwo\nthree", 80, 2) == "two\nthree"
    assert tail("short", 80, 5) == "short"


@given(st.text())
def test_text_from_elsewhere_cannot_drive_the_terminal(text: str) -> None:
    shown = printable(text)
    assert not any(ord(c) < 32 and c not in "\t\n" for c in shown)
    assert not any(0x7F <= ord(c) < 0xA0 for c in shown)


def test_arguments_are_told_on_a_part_of_a_line() -> None:
    arguments = {"content": "x" * 100 + "\nmore", "path": "a.txt", "lines": [1, 2], "flag": True}
    told = brief(arguments)
    assert told == f"flag=true path=a.txt lines=[1, 2] content={'x' * 59}…"
    assert brief({}) == ""


def test_advice_says_what_to_do_next() -> None:
    failed = RunFailed("The provider refused the key.", session_id="s", run_id="r", reason="MODEL_AUTHENTICATION")
    assert advice(failed).splitlines() == [failed.message, NEXT_STEPS["MODEL_AUTHENTICATION"]]
    defect = InternalError("The mesh has a defect.", reason="INTERNAL", metadata={"error_id": "abc"})
    assert "abc" in advice(defect)
    fields = InvalidArgument("Refused.", violations=(Violation("spec.task", "must not be empty"),))
    assert "spec.task must not be empty" in advice(fields)


def test_there_is_advice_for_reasons_of_the_contract_only() -> None:
    assert {f"ERROR_REASON_{reason}" for reason in NEXT_STEPS} <= set(ErrorReason.keys())
