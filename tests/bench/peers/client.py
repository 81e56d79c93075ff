"""The clients of one load, in a process of their own, the same for every server.

`python -m tests.bench.peers.client DOOR ADDRESS SESSIONS TOKENS EVERY_MS` opens the sessions, prints `ready`, and waits for a line. Then
all sessions ask at the same moment; what they saw is printed as JSON.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import TYPE_CHECKING

import uvloop

from tests.bench.peers.doors import door

if TYPE_CHECKING:
    from tests.bench.peers.doors import Door

STAMP = re.compile(rb"(\d{%d}) " % len(str(time.monotonic_ns())))
"""The model stamps each token with the machine's monotonic clock when it writes it; a length may stand before it as a digit."""
LONGEST_STAMP = 32
LIMIT_SECONDS = 150.0
"""Nobody takes so long; a server that does has failed."""


class Seen:
    """What the clients saw, in seconds."""

    def __init__(self) -> None:
        self.first_tokens: list[float] = []
        """From asking to the first token."""
        self.delays: list[float] = []
        """From the model's writing a token to the client's having it."""
        self.spans: list[float] = []
        """From a client's first token to its last."""
        self.failures: list[str] = []
        """With what servers ended sessions before they were done."""


async def one(way: Door, session: str, task: str, seen: Seen) -> None:
    """Ask, and note when each token comes. A server may repeat what it has said: a stamp counts once."""
    asked = last = time.monotonic_ns()
    first = arrived = 0
    rest = b""
    async for data in way.ask(session, task):
        rest += data
        now = time.monotonic_ns()
        end = 0
        for match in STAMP.finditer(rest):
            stamp, end = int(match[1]), match.end()
            if last < stamp <= now:
                last = stamp
                seen.delays.append((now - stamp) / 1e9)
                if not first:
                    first = now
                    seen.first_tokens.append((now - asked) / 1e9)
                arrived = now
        rest = rest[max(end, len(rest) - LONGEST_STAMP) :]
    if first:
        seen.spans.append((arrived - first) / 1e9)


async def load(kind: str, address: str, sessions: int, tokens: int, every_ms: float) -> Seen:
    """All sessions at once, after one by itself that does not count."""
    task = f"stream {tokens} tokens every {every_ms:g} ms, stamped"
    seen = Seen()
    async with asyncio.timeout(LIMIT_SECONDS), door(kind, address) as way:
        await one(way, await way.open_session(), "stream 10 tokens every 5 ms, stamped", Seen())
        opened = [await way.open_session() for _ in range(sessions)]
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        asking = (one(way, session, task, seen) for session in opened)
        seen.failures += [repr(end)[:200] for end in await asyncio.gather(*asking, return_exceptions=True) if end]
    return seen


def main() -> None:
    kind, address, sessions, tokens, every_ms = sys.argv[1:]
    print(json.dumps(vars(uvloop.run(load(kind, address, int(sessions), int(tokens), float(every_ms))))))


if __name__ == "__main__":
    main()
