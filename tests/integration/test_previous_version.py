"""How tests get the version before this one: from a clone, from its origin, or a sentence that says what to do."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support import previous_version as module
from tests.support.previous_version import PREVIOUS, PreviousVersionError, Release, previous_version

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "meshwright"
version = "0.0.9"
[tool.hatch.build.targets.wheel]
packages = ["services/meshwright"]
"""


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", "-C", folder, *who, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A project of which a version was released, and one commit came after it."""
    folder = tmp_path / "origin"
    package = folder / "services" / "meshwright"
    package.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PROJECT)
    (package / "__init__.py").write_text("WORD = 'then'\n")
    git(folder, "init", "--quiet")
    for word in ("then", "now"):
        (package / "__init__.py").write_text(f"WORD = '{word}'\n")
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "--message", word)
    return folder


def shallow_clone(origin: Path) -> Path:
    clone = origin.with_name("clone")
    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{origin}", clone], check=True)
    return clone


def told_by(release: Release) -> str:
    code = "import meshwright, importlib.metadata as m; print(m.version('meshwright'), meshwright.WORD)"
    environment = {"PYTHONPATH": str(release.packages)}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_a_shallow_clone_fetches_the_release_and_runs_it_as_it_was(origin: Path) -> None:
    clone = shallow_clone(origin)
    release = previous_version(Release("0.0.9", git(origin, "rev-parse", "HEAD~"), clone))
    assert told_by(release).split() == ["0.0.9", "then"]
    assert sorted(path.name for path in release.sources.iterdir()) == ["pyproject.toml", "services"]


def test_several_that_ask_at_once_get_one(origin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = Release("0.0.9", git(origin, "rev-parse", "HEAD~"), origin)
    made: list[Release] = []
    make = module._make

    def noted(asked: Release) -> None:
        made.append(asked)
        make(asked)

    monkeypatch.setattr(module, "_make", noted)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(previous_version, [release] * 4)) == [release] * 4
    assert made == [release]
    assert sorted(path.name for path in release.folder.parent.iterdir()) == sorted([release.folder.name, "lock"])


def test_without_the_commit_a_sentence_says_what_to_do(origin: Path) -> None:
    clone = shallow_clone(origin)
    commit = git(origin, "rev-parse", "HEAD~")
    git(clone, "remote", "remove", "origin")
    with pytest.raises(PreviousVersionError, match=f"Commit {commit}.*git fetch --unshallow"):
        previous_version(Release("0.0.9", commit, clone))
    assert not list((clone / ".make" / "previous").glob("0.0.9*"))


def test_the_version_before_this_one_is_there_with_the_version_that_it_had() -> None:
    release = previous_version()
    assert f'version = "{PREVIOUS.version}"' in (release.sources / "pyproject.toml").read_text()
    assert (release.sources / "images" / "Dockerfile").is_file()
