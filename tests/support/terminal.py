"""Programs at a real pseudo-terminal: what a person sees there, and what they type."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.mesh_process import clean_environment
from tests.support.own_words import within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PATIENCE = 60.0
AGAIN_SECONDS = 1.0
ROWS, COLUMNS = 40, 120
CTRL_C, CTRL_D = "\x03", "\x04"
ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x1b\x07]*(\x1b\\|\x07))")


@dataclass
class Terminal:
    """A program that believes that a person sits in front of it."""

    process: subprocess.Popen[bytes]
    _master: int
    _news: asyncio.Event
    _bytes: bytes = b""

    @property
    def text(self) -> str:
        """Everything that was shown so far, without colours and cursor movements."""
        return ESCAPES.sub("", self._bytes.decode(errors="replace")).replace("\r", "\n")

    @property
    def raw(self) -> str:
        """As it was written."""
        return self._bytes.decode(errors="replace")

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._master, keys.encode())

    async def shows(self, text: str, times: int = 1) -> None:
        """Wait until the text was shown so many times."""
        async with within(PATIENCE, lambda: self.text):
            while self.text.count(text) < times:
                self._news.clear()
                await self._news.wait()

    async def shows_after(self, keys: str, text: str, times: int = 1) -> None:
        """Press the keys until the text was shown so many times.

        Python's line editor overlooks a Ctrl-C that comes while it takes in another key, until the next one comes: a person presses again.
        """
        async with within(PATIENCE, lambda: self.text):
            while self.text.count(text) < times:
                self._news.clear()
                self.type(keys)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), AGAIN_SECONDS)

    def hang_up(self) -> None:
        """Close the window: the program gets SIGHUP, and its terminal is gone."""
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        self._master = -1

    async def end(self) -> int:
        """Wait for the end of the program; its exit code."""
        async with within(PATIENCE, lambda: self.text):
            code = await asyncio.to_thread(self.process.wait, PATIENCE)
        if self._master >= 0:
            self._read()
        return code

    def _read(self) -> None:
        # At the end of the program Linux gives EIO here.
        with contextlib.suppress(OSError):
            while data := os.read(self._master, 65536):
                self._bytes += data
                self._news.set()


@asynccontextmanager
async def terminal(program: Path | str, *arguments: str, **environment: str) -> AsyncIterator[Terminal]:
    """The program, started; it is killed at the end if it still runs."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    os.set_blocking(master, False)
    process = _start([program, *arguments], slave, clean_environment(TERM="xterm-256color", **environment))
    os.close(slave)
    shown = Terminal(process, master, asyncio.Event())
    asyncio.get_running_loop().add_reader(master, shown._read)
    try:
        yield shown
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
        if shown._master >= 0:
            shown.hang_up()


def _start(command: list[Path | str], slave: int, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment,
        # Its own session, whose terminal this is: so Ctrl-C reaches it as a signal.
        preexec_fn=_take_terminal,
    )


def _take_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
