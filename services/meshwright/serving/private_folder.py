"""A folder of a process's own for what need not outlive it. What a killed process left behind goes when the next one starts."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

_LOCK = "lock"


class PrivateFolder:
    """A new folder for this user alone, in `base` or else the system's temporary folder. Held by a lock that dies with the process.

    Those in the same place with the same prefix that nobody holds are deleted.
    """

    def __init__(self, prefix: str, base: Path | None = None) -> None:
        base = base or Path(tempfile.gettempdir())
        _sweep(base, prefix)
        self.path, self._lock = _held_folder(base, prefix)

    def remove(self) -> None:
        """Delete everything. Blocks on the disk."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _held_folder(base: Path, prefix: str) -> tuple[Path, int]:
    """A new folder and its lock, held. Whoever sweeps may come between the two, and then the folder is gone: another is made."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=base)).resolve()
        lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.fstat(lock).st_nlink:
            return folder, lock
        os.close(lock)


def _sweep(base: Path, prefix: str) -> None:
    """Delete the folders whose process is gone: nobody holds their lock."""
    for folder in base.glob(f"{prefix}*"):
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            # Another user's, or one that is being made at this moment.
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)
