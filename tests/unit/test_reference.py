"""The reference tables in docs/ say what the code says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from scripts import reference

from meshwright.v1.error_reason_pb2 import ErrorReason

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("docs/settings.md", "docs/errors.md", "docs/metrics.md", "docs/flags.md")


@pytest.fixture
def copied_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "docs").mkdir()
    for name in PAGES:
        shutil.copyfile(ROOT / name, tmp_path / name)
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    return tmp_path


def test_pages_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert reference.main(["--check"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("name", PAGES)
def test_a_page_that_says_something_else_is_found_and_mended(
    copied_pages: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    page = copied_pages / name
    right = page.read_text()
    rows = [line for line in right.splitlines() if line.startswith("| `")]
    page.write_text(right.replace(rows[3], rows[3].replace("|", "| not", 1)))
    assert reference.main(["--check"]) == 1
    assert name in capsys.readouterr().err
    assert reference.main([]) == 0
    assert page.read_text() == right


def test_a_page_without_a_place_for_a_table_is_refused(copied_pages: Path) -> None:
    page = copied_pages / "docs/settings.md"
    page.write_text(page.read_text().replace("<!-- end of gateway -->", ""))
    with pytest.raises(SystemExit, match="gateway"):
        reference.main(["--check"])


def test_every_reason_stands_in_the_page_once() -> None:
    page = (ROOT / "docs" / "errors.md").read_text()
    reasons = [name.removeprefix("ERROR_REASON_") for name, number in ErrorReason.items() if number]
    assert [page.count(f"| `{reason}` |") for reason in reasons] == [1] * len(reasons)


@pytest.mark.parametrize("name", PAGES)
def test_nothing_of_this_machine_stands_in_a_page(name: str) -> None:
    page = (ROOT / name).read_text()
    assert str(ROOT) not in page
    assert str(Path.home()) not in page
