"""Fitting a page's text into its budget."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from meshwright.browser.snapshot_text import GAP, MARKER_BYTES, fit

WIDTH, HEIGHT = 1000.0, 500.0


def page(*tops: int) -> str:
    """A snapshot with one button at each height."""
    lines = ["- main [ref=e1] [box=0,0,1000,99999]:"]
    for number, top in enumerate(tops):
        lines += [f"  - listitem [ref=e{number}0] [box=0,{top},1000,20]:", f"    - text: item {number}"]
    return "\n".join(lines)


def test_a_text_within_its_budget_only_loses_its_boxes() -> None:
    fitted = fit(
        '- button "Go [box=1,1,1,1]" [ref=e1] [box=0,0,10,10] [cursor=pointer]: a [box=2,2,2,2]', 4096, WIDTH, HEIGHT
    )
    assert fitted.text == '- button "Go [box=1,1,1,1]" [ref=e1] [cursor=pointer]: a [box=2,2,2,2]'
    assert not fitted.truncated
    assert fitted.total_bytes == len(fitted.text)


def test_names_that_yaml_quotes_keep_what_they_say() -> None:
    boxed = "- 'heading \"A: ''b'' \\\"c\\\" [box=0,0,1,1]\" [level=1] [ref=e2] [box=8,8,1264,37]'"
    assert fit(boxed, 4096, WIDTH, HEIGHT).text == "- 'heading \"A: ''b'' \\\"c\\\" [box=0,0,1,1]\" [level=1] [ref=e2]'"


def test_an_empty_page_is_empty() -> None:
    assert fit("", 256, WIDTH, HEIGHT) == fit("", 4096, WIDTH, HEIGHT)
    assert fit("", 256, WIDTH, HEIGHT).text == ""


def test_what_is_in_view_comes_before_what_follows_and_that_before_the_rest() -> None:
    scrolled = page(*(top * 100 - 2000 for top in range(60)))
    kept = [int(number) for number in re.findall(r"item (\d+)", fit(scrolled, 700, WIDTH, HEIGHT).text)]
    in_view = list(range(20, 25))
    assert set(in_view) <= set(kept)
    assert min(kept) == 20
    assert max(kept) > 24


def test_gaps_are_marked_where_they_are() -> None:
    scrolled = page(*(top * 100 - 2000 for top in range(60)))
    lines = fit(scrolled, 700, WIDTH, HEIGHT).text.splitlines()
    assert lines[0] == "- main [ref=e1]:"
    assert lines[1] == f"  {GAP}"
    assert lines[-2].strip() == GAP
    assert lines[-1].startswith("# Left out")


def test_nothing_in_a_frame_that_is_out_of_view_counts_as_in_view() -> None:
    frame = '- main [ref=e1] [box=0,0,9,9]:\n  - iframe [ref=e2] [box=0,9000,300,150]:\n    - button "Ad" [ref=f1e1] [box=0,0,50,20]'
    buttons = "\n".join(f'  - button "B{n}" [ref=e{n}] [box=0,{n},50,20]' for n in range(3, 30))
    text = fit(f"{frame}\n{buttons}", 600, WIDTH, HEIGHT).text
    assert 'button "B3"' in text
    assert "Ad" not in text


@st.composite
def trees(draw: st.DrawFn) -> str:
    """Snapshots of any shape, with names of any text."""
    lines: list[str] = []
    depth = 0
    for number in range(draw(st.integers(0, 60))):
        depth = draw(st.integers(0, depth + 1)) if lines else 0
        box = draw(st.sampled_from(["", " [box=0,0,10,10]", " [box=-50,4000,10.5,10]", " [box=0,0,0,0]"]))
        name = draw(
            st.text(
                alphabet=st.characters(exclude_characters='\n\r"\\', exclude_categories=["Cc", "Zl", "Zp"]), max_size=30
            )
        )
        lines.append(f'{"  " * depth}- link "{name}" [ref=e{number}]{box}:')
    return "\n".join(lines)


@given(trees(), st.integers(256, 4096))
def test_a_text_never_exceeds_its_budget_and_keeps_every_lines_ancestors(boxed: str, budget: int) -> None:
    fitted = fit(boxed, budget, WIDTH, HEIGHT)
    whole = fit(boxed, 10**9, WIDTH, HEIGHT)
    assert len(fitted.text.encode()) <= budget
    assert fitted.truncated == (whole.total_bytes > budget)
    assert fitted.total_bytes == whole.total_bytes == len(whole.text.encode())
    originals = whole.text.split("\n")
    place = -1
    for line in fitted.text.split("\n")[: -1 if fitted.truncated else None]:
        if line.strip() == GAP:
            continue
        assert line in originals[place + 1 :]
        place = originals.index(line, place + 1)
        indent = len(line) - len(line.lstrip(" "))
        if indent:
            parent = next(each for each in reversed(originals[:place]) if len(each) - len(each.lstrip(" ")) < indent)
            assert parent in fitted.text.split("\n")


def test_the_marker_fits_what_is_kept_for_it() -> None:
    fitted = fit(page(*range(0, 10**6, 5000)), 256, WIDTH, HEIGHT)
    assert len(fitted.text.splitlines()[-1].encode()) < MARKER_BYTES


@given(st.text(max_size=200))
def test_any_text_at_all_comes_out_as_valid_text(boxed: str) -> None:
    fit(boxed, 256, WIDTH, HEIGHT).text.encode()
