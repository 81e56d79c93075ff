"""The checks of the contract, run in a checkout of their own: drift of the stubs and changes that break callers."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Self

import pytest

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("buf.yaml", "protos", "scripts", "services/meshwright/v1")
EDITED = Path("protos/meshwright/v1/sample.proto")
SAMPLE = """syntax = "proto3";

package meshwright.v1;

// Sample is a message of this test.
message Sample {
  // Its name.
  string name = 1;
}
"""


class Checkout:
    """A git checkout with this contract and one message more."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def made(cls, root: Path) -> Self:
        """A new one in an empty folder, with the stubs of its message."""
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(source, root / name)
        checkout = cls(root)
        checkout.write(SAMPLE)
        checkout.git("init", "--quiet", "--initial-branch=main")
        done = checkout.script("protos")
        assert done.returncode == 0, done.stderr
        return checkout

    def write(self, text: str) -> None:
        (self.root / EDITED).write_text(text)

    def git(self, *arguments: str) -> None:
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
        subprocess.run(["git", *identity, *arguments], cwd=self.root, check=True, capture_output=True)

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "change")

    def script(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, f"scripts/{name}.py", *arguments]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """What the tests' checkouts are copies of."""
    return Checkout.made(tmp_path_factory.mktemp("untouched"))


@pytest.fixture
def checkout(tmp_path: Path, untouched: Checkout) -> Checkout:
    return Checkout(shutil.copytree(untouched.root, tmp_path / "checkout"))


def test_stubs_that_were_generated_show_no_drift(checkout: Checkout) -> None:
    assert checkout.script("protos", "--check").returncode == 0


@pytest.mark.parametrize(
    ("stub", "text"),
    [
        pytest.param("sample_pb2.py", "x = 1\n", id="edited"),
        pytest.param("sample_pb2.pyi", None, id="missing"),
        pytest.param("gone_pb2.py", "x = 1\n", id="left over"),
    ],
)
def test_drift_of_the_stubs_is_found_and_mended(checkout: Checkout, stub: str, text: str | None) -> None:
    path = checkout.root / "services/meshwright/v1" / stub
    path.unlink(missing_ok=True)
    if text is not None:
        path.write_text(text)
    done = checkout.script("protos", "--check")
    assert done.returncode == 1
    assert stub in done.stdout
    assert checkout.script("protos").returncode == 0
    assert checkout.script("protos", "--check").returncode == 0


def test_a_proto_that_does_not_parse_fails_the_check(checkout: Checkout) -> None:
    checkout.write(SAMPLE.replace("string", "strnig"))
    done = checkout.script("protos", "--check")
    assert done.returncode == 1
    assert "strnig" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_clone_without_history_has_nothing_to_compare_with(checkout: Checkout) -> None:
    checkout.commit()
    done = checkout.script("breaking")
    assert (done.returncode, done.stderr) == (0, "")
    assert "nothing to compare with" in done.stdout


@pytest.mark.parametrize("tagged", [False, True])
@pytest.mark.parametrize(
    ("field", "breaks"),
    [
        pytest.param("int64 name = 1;", True, id="another type"),
        pytest.param("string name = 2;", True, id="another number"),
        pytest.param("string title = 1;", True, id="another name"),
        pytest.param("string name = 1;\n  // Its size in bytes.\n  int64 size = 2;", False, id="a field more"),
    ],
)
def test_a_change_is_compared_with_the_release_or_the_commit_before(
    checkout: Checkout, tagged: bool, field: str, breaks: bool
) -> None:
    checkout.commit()
    if tagged:
        checkout.git("tag", "v0.1.0")
    checkout.write(SAMPLE.replace("string name = 1;", field))
    checkout.commit()
    if tagged:
        checkout.git("commit", "--quiet", "--allow-empty", "--message", "the commit before is not the release")
    done = checkout.script("breaking")
    assert done.returncode == (100 if breaks else 0), done.stdout + done.stderr
    assert f"against {'v0.1.0' if tagged else 'HEAD~'}" in done.stdout
    assert ("sample.proto" in done.stdout) is breaks
