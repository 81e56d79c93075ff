"""One load after the other, all servers in turn."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.bench.figures import cpu_seconds, memory, percentile
from tests.bench.mesh import users_environment
from tests.bench.peers.servers import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.peers.servers import Server

TOKENS, EVERY_MS = 200, 5.0
CLIENT_SECONDS = 200.0


@dataclass(slots=True)
class Found:
    """What was found of one server at one load. Times in seconds."""

    tokens: int = 0
    first_tokens: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    spans: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    """For 1,000 tokens, one figure a round."""
    rss: float = 0.0
    """MiB after the load."""
    lost: int = 0
    """Tokens that never came, of sessions that the server ended early."""
    failure: str = ""
    """Why nothing more is asked of it."""

    @property
    def cpu(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.cpu_ms)

    @property
    def over_pace(self) -> float:
        """Time from a client's first token to its last, over what the model's pace makes of it; the slowest client's."""
        return max(self.spans) / ((TOKENS - 1) * EVERY_MS / 1000)

    def delay(self, percent: int) -> float:
        """Milliseconds from the model's writing a token to the client's having it."""
        return percentile(self.delays, percent) * 1000

    def first_token(self, percent: int) -> float:
        """Milliseconds from asking to the first token."""
        return percentile(self.first_tokens, percent) * 1000


async def measure(server: Server, sessions: int, found: Found) -> None:
    """Have so many sessions ask the server at once, and add what was seen."""
    command = [str(server.python), "-m", "tests.bench.peers.client", server.door, server.address]
    environment = users_environment() | {"PYTHONPATH": os.pathsep.join((str(ROOT), *_source(server)))}
    process = await asyncio.create_subprocess_exec(
        *command,
        *map(str, (sessions, TOKENS, EVERY_MS)),
        cwd=ROOT,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=64 << 20,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(CLIENT_SECONDS):
            ready = await process.stdout.readline()
            if not ready:
                found.failure = "its clients could not ask"
                return
            spent = -_cpu(server)
            process.stdin.write(b"go\n")
            seen: dict[str, Any] = json.loads(await process.stdout.readline() or b"{}")
            spent += _cpu(server)
    except TimeoutError:
        found.failure = f"not done after {CLIENT_SECONDS:g} s"
        return
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    _add(found, seen, sessions, spent)
    found.rss = memory(server.pid).rss if server.pid else 0.0


def _add(found: Found, seen: dict[str, list[float]], sessions: int, spent: float) -> None:
    came = len(seen.get("delays", ()))
    if not came:
        found.failure = "no token came"
        return
    for failure in set(seen["failures"]):
        print(failure, file=sys.stderr)
    found.tokens += came
    found.lost += sessions * TOKENS - came
    found.first_tokens += seen["first_tokens"]
    found.delays += seen["delays"]
    found.spans += seen["spans"]
    found.cpu_ms.append(spent * 1e6 / came)


def _cpu(server: Server) -> float:
    return cpu_seconds(server.pid) if server.pid else 0.0


def _source(server: Server) -> Sequence[str]:
    return [str(ROOT / "services")] if server.door == "mesh" else []
