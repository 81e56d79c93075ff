"""A real Redis or Valkey of a test's own, on a unix socket."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from redis import Redis
from redis.exceptions import RedisError

from meshwright.store.redis.connecting import connect

START_SECONDS = 60.0


class RedisServer:
    """Runs while the context is entered; `kill` and `start` make it fail and come back with what its log kept."""

    def __init__(self, folder: Path, *, durable: bool = False, arguments: Sequence[str] = ()) -> None:
        self._folder = folder
        self._durable = durable
        self._arguments = arguments
        self._socket = folder / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._socket}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it and wait until it answers."""
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        assert program, "Install redis-server or valkey-server: make .make/redis does so where it can"
        kept = ["--appendonly", "yes", "--appendfsync", "always"] if self._durable else ["--appendonly", "no"]
        command = [program, "--port", "0", "--unixsocket", str(self._socket), "--save", "", *kept]
        log = self._folder / "redis.log"
        with log.open("ab") as said:
            self._process = subprocess.Popen(
                [*command, "--dir", str(self._folder), *self._arguments], stdout=said, stderr=said
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, f"redis-server ended at once:\n{log.read_text()}"
            assert time.monotonic() < deadline, f"redis-server does not answer:\n{log.read_text()}"
            time.sleep(0.01)

    def kill(self) -> None:
        """End it without a farewell."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Have it stand still: connections stay open, nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            with Redis.from_url(self.url) as client:
                return bool(client.ping())
        except RedisError:
            return False


async def flush(url: str) -> None:
    """Remove everything."""
    client: Any = connect(url)
    await client.flushall()
    await client.aclose()
