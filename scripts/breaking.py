"""Fail if protos/ breaks callers of the contract as it was: at the latest release tag, or else one commit ago.

Usage: python scripts/breaking.py [GIT_REVISION]
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def git(*arguments: str) -> bytes | None:
    """Output of a git command in this checkout; None where git is missing or the command fails."""
    if shutil.which("git") is None:
        return None
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def baseline() -> str | None:
    """The revision to compare with; None where there is none, as in a shallow clone without tags."""
    tag = git("describe", "--tags", "--abbrev=0", "--match", "v[0-9]*")
    if tag is not None:
        return tag.decode().strip()
    return "HEAD~" if git("rev-parse", "--verify", "--quiet", "HEAD~^{commit}") is not None else None


def compare(revision: str) -> int:
    """Check protos/ against `revision` with buf's FILE rules; the exit code of buf."""
    archive = git("archive", revision, "protos", "buf.yaml")
    if archive is None:
        print(f"buf breaking: {revision} holds no contract, so there is nothing to compare with.")
        return 0
    print(f"buf breaking: protos/ against {revision}")
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder)
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(before, filter="data")
        shutil.copytree(ROOT / "third_party", before / "third_party")
        against = before / "before.binpb"
        build = ["buf", "build", str(before / "protos"), "--as-file-descriptor-set", "-o", str(against)]
        if subprocess.run(build, check=False).returncode != 0:
            print(f"buf breaking: the contract at {revision} does not build.")
            return 1
        return subprocess.run(
            ["buf", "breaking", "protos", "--against", str(against)], cwd=ROOT, check=False
        ).returncode


def main() -> int:
    """Compare with the revision given, or with the one that fits this checkout."""
    revision = sys.argv[1] if len(sys.argv) > 1 else baseline()
    if revision is None:
        print("buf breaking: no release tag and no earlier commit in this clone, so there is nothing to compare with.")
        return 0
    return compare(revision)


if __name__ == "__main__":
    sys.exit(main())
