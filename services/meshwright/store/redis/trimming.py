"""Trimming logs of the shared store."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

from meshwright.store.interface import Retention
from meshwright.store.redis import keys
from meshwright.store.redis.connection import Client, answered
from meshwright.store.redis.plan import Plan, run_field
from meshwright.store.trimming import Span, new_beginning, settles
from meshwright.v1.run_pb2 import Run

PIECE_RUNS = 200
PIECE_EVENTS = 5000
"""Removed at once: the server does nothing else meanwhile."""
PAGE = 200
HOLD_SECONDS = 120
NANOS = 1e9

CarryOut = Callable[[str, Plan], Awaitable[str]]
"""Carries out a plan on a session and gives the code of its outcome."""


async def first_sequence(client: Client, session_id: str) -> int:
    """Where a log begins."""
    return int(await answered(client.hget(keys.state(session_id), "first")) or 1)


async def trim(client: Client, carry_out: CarryOut, session_id: str, retention: Retention) -> int:
    """Remove what a session need not keep; how many events.

    What a run adds meanwhile lies behind the new beginning, so only another trimming can come in between: it has done the work then.
    """
    names = ["last", "first", "kept"]
    last, old, kept = await answered(client.hmget(keys.state(session_id), names))
    if last is None:
        return 0
    first = int(old or 1)
    if not retention.finished_before and int(last) - first < retention.events:
        return 0
    spans = [
        (ordinal, span) async for ordinal, span in _spans(client, session_id, int(kept or 0), int(last), retention)
    ]
    begin = new_beginning([span for _, span in spans], int(last), retention)
    if begin > first:
        staying = [ordinal for ordinal, span in spans if not 0 < span.finish < begin]
        values: dict[str, str | bytes] = {"first": str(begin)}
        if spans:
            values["kept"] = str(staying[0] if staying else spans[-1][0] + 1)
        await carry_out(session_id, Plan(absent="session", guards=[("first", old or "", "moved")], values=values))
    await _clear(client, carry_out, session_id)
    return max(0, begin - first)


async def _clear(client: Client, carry_out: CarryOut, session_id: str) -> None:
    """Remove what lies before the log's beginning, also what another replica left there; in pieces, in which no reader finds a hole."""
    begin = await first_sequence(client, session_id)
    while entries := await answered(client.xrange(keys.log(session_id), "-", f"({begin}-0", 1)):
        oldest = int(entries[0][0].split(b"-")[0])
        until = min(begin, oldest + PIECE_EVENTS)
        if await carry_out(session_id, Plan(absent="session", begin=f"{until}-0")) != "done":
            return


async def _spans(
    client: Client, session_id: str, kept: int, last: int, retention: Retention
) -> AsyncIterator[tuple[int, Span]]:
    """The runs that matter for trimming, with their ordinals. `kept` is the ordinal of the first that was not removed."""
    while rows := await answered(
        client.zrangebyscore(keys.runs(session_id), kept, "+inf", start=0, num=PIECE_RUNS, withscores=True)
    ):
        names = [run_field(member.decode(), "record") for member, _ in rows]
        records = await answered(client.hmget(keys.state(session_id), names))
        for (_, ordinal), record in zip(rows, records, strict=True):
            if record is None:
                continue
            run = Run.FromString(record)
            finish_time = run.finish_time.ToNanoseconds() / NANOS
            span = Span(run.first_sequence, run.finish_sequence, finish_time)
            yield int(ordinal), span
            if settles(span, last, retention):
                return
        kept = int(rows[-1][1]) + 1


async def sessions_to_trim(client: Client, name: str) -> AsyncGenerator[str, None]:
    """Every session, unless another replica goes through them: `name` says which one does, until it has not for a while."""
    if not await answered(client.set(keys.TRIMMING, name, nx=True, ex=HOLD_SECONDS)):
        return
    said = time.monotonic()
    try:
        async for key in client.scan_iter(match=keys.STATES, count=PAGE):
            if time.monotonic() - said > HOLD_SECONDS / 4:
                if not await _still(client, name):
                    return
                await answered(client.expire(keys.TRIMMING, HOLD_SECONDS))
                said = time.monotonic()
            yield keys.session_of(key.decode())
    finally:
        if await _still(client, name):
            await answered(client.delete(keys.TRIMMING))


async def _still(client: Client, name: str) -> bool:
    """Whether it is still this replica that trims."""
    holder: bytes | None = await answered(client.get(keys.TRIMMING))
    return holder == name.encode()
