"""Tool calls on one Execute stream, over how long the slowest of them takes by itself. First ten waits of 100 to 1,000 ms: what is
over 1 is the mesh's own. Then, through the gateway, eight pages that take a second to come, opened by browser.open in eight tabs
of one browser, over how long one of them takes alone: there the pages share the machine's cores. Beside both: the same calls one
after the other."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from meshwright.serving.channel import open_channel
from meshwright.v1.tool_pb2 import ToolOutcome
from meshwright.v1.tool_service_pb2 import ExecuteStart
from meshwright.v1.tool_service_pb2_grpc import ToolServiceStub
from tests.bench.table import Beside, Row
from tests.bench.waiting_tools import waiting_tools
from tests.support.tool_stream import ToolStream

if TYPE_CHECKING:
    from collections.abc import Sequence

    import grpc

    from tests.bench.scene import Scene

CALLS = 10
PAGES = 8
"""As many tabs as a lease has unless it asks for more."""
BUDGET = 1.1
START_SECONDS = 20.0
IN_TURN = "one after the other"
PAGE_SECONDS = 1.0


async def run(scene: Scene) -> list[Row]:
    """Measure."""
    with waiting_tools() as address:
        async with open_channel(address) as channel:
            await asyncio.wait_for(channel.channel_ready(), START_SECONDS)
            waits = await _waits(channel, scene.many(100, 20) / 1000)
    async with scene.mesh() as mesh, mesh.through_gateway() as channel:
        pages = await _pages(channel, f"{scene.page_url}?wait={scene.many(1, 0) * PAGE_SECONDS:g}")
    return [waits, pages]


async def _waits(channel: grpc.aio.Channel, step: float) -> Row:
    """Waits of one to ten steps."""
    stream = ToolStream(ToolServiceStub(channel), ExecuteStart(session_id="bench"))
    lengths = [step * (number + 1) for number in range(CALLS)]
    await _together(stream, "bench.wait", [{"seconds": 0.0}])
    together = await _together(stream, "bench.wait", [{"seconds": seconds} for seconds in lengths])
    await stream.abandon()
    return Row(
        "10 waits at once, over the slowest",
        together / lengths[-1],
        "x",
        (Beside(IN_TURN, sum(lengths) / lengths[-1]),),
        BUDGET,
    )


async def _pages(channel: grpc.aio.Channel, url: str) -> Row:
    """Pages in tabs of one browser; the first visit, which leases it, does not count."""
    stream = ToolStream(ToolServiceStub(channel), ExecuteStart(session_id="bench"))
    await _together(stream, "browser.open", [{"url": url}])
    alone = await _together(stream, "browser.open", [{"url": url}])
    together = await _together(stream, "browser.open", [{"url": url}] * PAGES)
    await stream.close()
    return Row(
        f"{PAGES} slow pages opened at once, over one alone", together / alone, "x", (Beside(IN_TURN, float(PAGES)),)
    )


async def _together(stream: ToolStream, tool: str, calls: Sequence[dict[str, object]]) -> float:
    """Seconds until all of the calls, made at once, have ended."""
    begun = time.perf_counter()
    call_ids = [stream.call(tool, arguments) for arguments in calls]
    ends = await asyncio.gather(*(stream.completion(call_id) for call_id in call_ids))
    assert all(end.outcome == ToolOutcome.TOOL_OUTCOME_SUCCEEDED for end in ends), ends
    return time.perf_counter() - begun
