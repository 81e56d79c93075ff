"""The version before this one, as it was released: its sources, and a package of them that runs beside the present one.

Made once a checkout, in `.make/previous/`, from the release's commit; it runs on the locked packages of this checkout.

    python -m tests.support.previous_version      makes it where need be, and prints the folder of the sources

A release moves `PREVIOUS`: docs/development.md says how.
"""

from __future__ import annotations

import fcntl
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class PreviousVersionError(Exception):
    """The version before this one cannot be had; the message says what to do."""


@dataclass(frozen=True)
class Release:
    """A version and the commit that it was released from."""

    version: str
    commit: str
    """In full: a server hands out no commit by the beginning of its name."""
    checkout: Path = ROOT

    @property
    def folder(self) -> Path:
        """Where it is, once it was made. Each commit has its own, so that a release that moves is made anew."""
        return self.checkout / ".make" / "previous" / f"{self.version}-{self.commit[:12]}"

    @property
    def sources(self) -> Path:
        """The whole tree of the release, without git: images can be built from it."""
        return self.folder / "sources"

    @property
    def packages(self) -> Path:
        """What goes into PYTHONPATH for its code to be imported, and for it to know its version."""
        return self.folder / "packages"


PREVIOUS = Release("0.1.0", "ede7de0dcc5168c3551c78d81daa4363e153a065")


def previous_version(release: Release = PREVIOUS) -> Release:
    """The release, made where it is not there yet; it takes a few seconds then, and several processes may ask at once.

    PreviousVersionError where its commit cannot be had.
    """
    if not release.folder.is_dir():
        release.folder.parent.mkdir(parents=True, exist_ok=True)
        with (release.folder.parent / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not release.folder.is_dir():
                _make(release)
    return release


def _make(release: Release) -> None:
    """All of it or nothing: it gets its name when it is whole."""
    with tempfile.TemporaryDirectory(dir=release.folder.parent, prefix="making-") as making:
        whole = Path(making) / "whole"
        with tarfile.open(fileobj=io.BytesIO(_archive(release))) as tar:
            tar.extractall(whole / "sources", filter="data")
        _install(whole / "sources", Path(making), whole / "packages")
        whole.rename(release.folder)


def _install(sources: Path, scratch: Path, packages: Path) -> None:
    """Build its wheel and unpack it, so that the package brings the metadata from which it tells its version."""
    # Built from a copy: what building leaves behind would be part of the images.
    tree = shutil.copytree(sources, scratch / "tree")
    build = ("build", "--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable)
    _uv(*build, "--out-dir", str(scratch), str(tree))
    (wheel,) = scratch.glob("*.whl")
    _uv(
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--offline",
        "--python",
        sys.executable,
        "--target",
        str(packages),
        str(wheel),
    )


def _uv(*arguments: str) -> None:
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        raise PreviousVersionError("uv is missing, which builds the version before this one: run `make .venv/.dev`.")
    done = subprocess.run([uv, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PreviousVersionError(f"uv {arguments[0]} failed for the version before this one:\n{done.stderr}")


def _archive(release: Release) -> bytes:
    if not _has(release):
        # A shallow clone has only the newest commits; this one is asked for by its name.
        _git(release, "fetch", "--quiet", "--depth=1", "--no-tags", "origin", release.commit)
    if not _has(release):
        raise PreviousVersionError(
            f"Commit {release.commit}, from which version {release.version} was released, is neither in this clone nor to be had "
            "from its origin. Fetch the whole history (git fetch --unshallow), or clone without --depth."
        )
    return _git(release, "archive", release.commit).stdout


def _has(release: Release) -> bool:
    return _git(release, "cat-file", "-e", f"{release.commit}^{{commit}}").returncode == 0


def _git(release: Release, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    if shutil.which("git") is None:
        raise PreviousVersionError("git is missing, which keeps the version before this one: install it.")
    return subprocess.run(["git", "-C", str(release.checkout), *arguments], capture_output=True, check=False)


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{previous_version().sources}\n")
    except PreviousVersionError as error:
        sys.exit(str(error))
