"""The settings of the tools server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from meshwright.serving.startup import StartupError
from meshwright.tools.settings import ToolSettings

if TYPE_CHECKING:
    from pathlib import Path


def test_document_folders_have_the_names_that_they_are_given_or_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faq").mkdir()
    (tmp_path / "books").mkdir()
    monkeypatch.setenv("MESHWRIGHT_DOCUMENT_FOLDERS", f"{tmp_path}/faq, handbook={tmp_path}/books")
    assert ToolSettings.load().document_folders == {"faq": tmp_path / "faq", "handbook": tmp_path / "books"}


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        ("{0}/missing", "is not a folder"),
        ("a/b={0}", "is no name for a document folder"),
        ("docs={0},docs={0}", "two document folders are called 'docs'"),
    ],
)
def test_wrong_document_folders_stop_the_start_with_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folders: str, said: str
) -> None:
    monkeypatch.setenv("MESHWRIGHT_DOCUMENT_FOLDERS", folders.format(tmp_path))
    with pytest.raises(StartupError, match=said) as caught:
        ToolSettings.load()
    assert "MESHWRIGHT_DOCUMENT_FOLDERS" in str(caught.value)


def test_artifacts_lie_in_the_data_folder_unless_a_store_is_named(tmp_path: Path) -> None:
    assert ToolSettings.load(data_dir=tmp_path).artifacts_url == f"file://{tmp_path}/artifacts"
    assert ToolSettings.load(data_dir=tmp_path, files_url="s3://bucket/mesh").artifacts_url == "s3://bucket/mesh"
