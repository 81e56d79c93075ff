"""Wanted weights in a file of the data folder, and beside it what became of them.

`meshwright traffic` writes the one and reads the other; the gateway's process does it the other way round.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import structlog

from meshwright.gateway.traffic import Traffic, TrafficError, TrafficReport
from meshwright.gateway.wanted import Change, Wanted, begun_anew, wanted_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

log = structlog.get_logger(__name__)

WANTED_FILE = "traffic.json"
STATE_FILE = "traffic-state.json"
LOCK_FILE = "traffic.lock"
LOOK_SECONDS = 0.1


class TrafficFile:
    """The files of one data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / WANTED_FILE

    def read(self) -> Wanted:
        """What is wanted; all to the stable track where nobody has asked for anything. Raises TrafficError."""
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return Wanted()
        except OSError as error:
            raise TrafficError(f"{self._path} cannot be read: {error.strerror}") from error
        return wanted_of(text, str(self._path))

    def set(self, canary_weight: int) -> Change:
        """Ask for a weight. Raises TrafficError."""
        return self._write(lambda wanted: wanted.changed_to(canary_weight))

    def roll_back(self) -> Change:
        """Ask for the weight before the last change. Raises TrafficError when there was none."""
        return self._write(Wanted.rolled_back)

    def withdraw(self, refused: Change) -> None:
        """Take back a change that is not in force, unless another one came after it. Raises TrafficError."""
        self._write(lambda wanted: wanted.without(refused))

    def read_report(self) -> TrafficReport | None:
        """What the gateway said last; None when none ever ran here."""
        try:
            return TrafficReport(**json.loads((self._folder / STATE_FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def write_report(self, report: TrafficReport) -> None:
        """Say what became of the weights. Raises OSError."""
        _replace(self._folder / STATE_FILE, asdict(report))

    def version(self) -> tuple[int, int, int] | None:
        """Another one whenever the wanted weights may have changed."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _write(self, change: Callable[[Wanted], Wanted]) -> Change:
        try:
            self._folder.mkdir(parents=True, mode=0o700, exist_ok=True)
            with self._locked():
                former = self._former()
                wanted = change(former)
                _replace(self._path, asdict(wanted))
        except OSError as error:
            raise TrafficError(f"{self._path} cannot be written: {error.strerror}") from error
        return Change(former, wanted)

    def _former(self) -> Wanted:
        try:
            return self.read()
        except TrafficError:
            return begun_anew()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._folder / LOCK_FILE).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


class FileTrafficSource:
    """The TrafficSource of a gateway beside which a person, or a program, writes a file."""

    def __init__(self, folder: Path) -> None:
        self._file = TrafficFile(folder)
        self._version = self._file.version()

    def current(self) -> Traffic:
        """See TrafficSource."""
        self._version = self._file.version()
        return self._file.read().traffic

    async def changes(self) -> AsyncIterator[Traffic | TrafficError]:
        """See TrafficSource. A change is seen within a tenth of a second."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            version = self._file.version()
            if version == self._version:
                continue
            self._version = version
            try:
                yield self._file.read().traffic
            except TrafficError as error:
                yield error

    def report(self, report: TrafficReport) -> None:
        """See TrafficSource."""
        report_to(self._file, report)


def report_to(file: TrafficFile, report: TrafficReport) -> None:
    """Say what became of the weights, where that can be done."""
    try:
        file.write_report(report)
    except OSError as error:
        log.warning("nobody can be told what became of the weights", cause=error.strerror)


def _replace(path: Path, content: dict[str, Any]) -> None:
    next_path = path.with_name(f"{path.name}.next-{os.getpid()}")
    next_path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    next_path.replace(path)
