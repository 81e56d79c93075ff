"""Searching by pattern finds what Python's own expressions find, line by line."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshwright.tools.file_root import FileRoot
from meshwright.tools.files.grep import compile_pattern, grep
from meshwright.tools.threads import Job, JobStoppedError
from meshwright.tools.workspaces import Place

LINES = st.lists(st.text(st.sampled_from("abAB é.\r"), max_size=8), max_size=20)
PATTERNS = st.sampled_from(["a", "^a", "b$", "a.b", r"\.", "[ab]+é", "a|é", "^$", "(a)(b)?", "A"])


def silent_job() -> Job:
    return Job(lambda _message, _fraction: None)


@given(lines=LINES, pattern=PATTERNS, ignore_case=st.booleans())
def test_lines_that_match_are_those_that_python_finds(lines: list[str], pattern: str, ignore_case: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "f").write_bytes("".join(f"{line}\n" for line in lines).encode())
        place = Place(FileRoot(Path(folder)), ())
        found = grep(place, compile_pattern(pattern, ignore_case=ignore_case), "", 1000, silent_job())

    expected = re.compile(pattern, re.IGNORECASE if ignore_case else 0)
    numbers = [n for n, line in enumerate(lines, 1) if expected.search(line.removesuffix("\r"))]
    assert [match.line for match in found.matches] == numbers


def test_a_search_whose_call_has_ended_stops(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("a")
    job = silent_job()
    job.stop()
    with pytest.raises(JobStoppedError):
        grep(Place(FileRoot(tmp_path), ()), compile_pattern("a", ignore_case=False), "", 10, job)
