"""Lines, edits, passages and cuts: what must hold for every text."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshwright.serving.errors import MeshError
from meshwright.tools.files.edit import replace
from meshwright.tools.files.search import match_expression
from meshwright.tools.files.text import CUT_LINE, MAX_LINE_CHARS, encoding_of, read_lines, split_lines
from meshwright.tools.output import fit_text
from meshwright.tools.search_index import passages

TEXT = st.text(st.sampled_from("ab \n\r\né"), max_size=60)


def lines_of(text: str) -> list[str]:
    return list(read_lines(io.TextIOWrapper(io.BytesIO(text.encode()), "utf-8", newline="\n")))


@given(TEXT)
def test_lines_together_are_the_text(text: str) -> None:
    assert "".join(lines_of(text)) == text
    assert [line.removesuffix("\n").removesuffix("\r") for line in lines_of(text)] == split_lines(text, "\n", "\r")


@pytest.mark.parametrize("more", [0, 1, MAX_LINE_CHARS, 3 * MAX_LINE_CHARS + 1])
@pytest.mark.parametrize("end", ["\n", ""])
def test_a_long_line_is_cut_and_still_one_line(more: int, end: str) -> None:
    lines = lines_of("x" * (MAX_LINE_CHARS + more) + end + "next")
    if end:
        assert lines[1:] == ["next"]
    else:
        assert len(lines) == 1
    assert len(lines[0]) <= MAX_LINE_CHARS + len(CUT_LINE)
    assert lines[0].endswith(CUT_LINE) == (more > 0 or not end)


@pytest.mark.parametrize(
    ("beginning", "encoding"),
    [
        (b"plain", "utf-8"),
        (b"", "utf-8"),
        (b"\xef\xbb\xbfmarked", "utf-8-sig"),
        ("wide".encode("utf-16"), "utf-16"),
        (b"\x89PNG\r\n\x1a\n\0\0", None),
        (b"late" + b"x" * 9000 + b"\0", "utf-8"),
    ],
)
def test_text_is_told_from_what_is_none(beginning: bytes, encoding: str | None) -> None:
    assert encoding_of(beginning) == encoding


@given(before=TEXT, old=st.text("ab", min_size=1, max_size=3), new=TEXT, after=TEXT)
def test_an_edit_changes_the_one_place_and_nothing_else(before: str, old: str, new: str, after: str) -> None:
    text = f"{before}<{old}>{after}"
    assert replace(text, f"<{old}>", new, everywhere=False, path="f") == (before + new + after, 1)


@given(text=TEXT, old=st.text("ab", min_size=1, max_size=2), new=st.text("xy", max_size=3))
def test_an_edit_of_all_places_leaves_none_of_them(text: str, old: str, new: str) -> None:
    count = text.count(old)
    if count == 0:
        with pytest.raises(MeshError, match="does not occur"):
            replace(text, old, new, everywhere=True, path="f")
    else:
        changed, replaced = replace(text, old, new, everywhere=True, path="f")
        assert replaced == count
        assert changed == new.join(text.split(old))


def test_an_edit_that_could_mean_several_places_is_refused() -> None:
    with pytest.raises(MeshError, match="occurs 2 times") as caught:
        replace("a b a", "a", "c", everywhere=False, path="notes.txt")
    assert caught.value.metadata == {"path": "notes.txt", "occurrences": "2"}


def test_an_edit_keeps_windows_line_ends() -> None:
    assert replace("one\r\ntwo\r\nthree", "one\ntwo", "1\n2", everywhere=False, path="f") == ("1\r\n2\r\nthree", 1)


@given(st.text(st.sampled_from("a\n é"), max_size=400), st.integers(100, 300))
def test_a_cut_text_fits_and_says_that_it_was_cut(text: str, limit: int) -> None:
    fitted, cut = fit_text(text, limit)
    assert len(fitted.encode()) <= limit
    assert cut == (len(text.encode()) > limit)
    assert fitted == text if not cut else fitted.endswith("bytes in all]")


@given(st.lists(st.text("ab ", max_size=90), max_size=200))
def test_passages_hold_every_line_once_under_its_number(lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    seen = [(first + below, line) for first, piece in passages(text) for below, line in enumerate(piece.split("\n"))]
    assert seen == list(enumerate(lines, 1))


@pytest.mark.parametrize(
    ("query", "expression"),
    [
        ("desk lamp", '"desk" OR "lamp"'),
        ('"desk lamp" price', '"desk lamp" OR "price"'),
        ("NEAR(a b) AND c* OR d:e", '"NEAR a" OR "b" OR "AND" OR "c" OR "OR" OR "d e"'),
        ("über-straße", '"über straße"'),
        ('un"balanced', '"un balanced"'),
    ],
)
def test_a_query_is_words_and_never_the_indexs_own_language(query: str, expression: str) -> None:
    assert match_expression(query) == expression


def test_a_query_without_words_is_refused() -> None:
    with pytest.raises(MeshError) as caught:
        match_expression('!? "..."')
    assert [violation.field for violation in caught.value.violations] == ["arguments.query"]
