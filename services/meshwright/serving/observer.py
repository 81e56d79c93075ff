"""Watches calls begin and end: access log, server spans, and how many are still running."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog
from grpc import StatusCode

from meshwright.serving.authentication.principals import LOCAL_PRINCIPAL
from meshwright.serving.telemetry import SERVER_FAULTS

if TYPE_CHECKING:
    from meshwright.serving.calls import Call
    from meshwright.serving.rpc_metrics import RpcMetrics
    from meshwright.serving.telemetry import Tracing

log = structlog.get_logger(__name__)


class Observer:
    """Counts the calls of one server, writes a log line for each and, with tracing and metrics, what these want to know."""

    def __init__(self, tracing: Tracing | None = None, metrics: RpcMetrics | None = None) -> None:
        self._tracing = tracing
        self._metrics = metrics
        self._running = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    def begin(self, call: Call) -> None:
        """The call's handler is about to run."""
        self._running += 1
        self._quiet.clear()
        if self._tracing is not None:
            self._tracing.start_server_span(call)
        if self._metrics is not None:
            self._metrics.begin(call)

    def end(self, call: Call, code: StatusCode, reason: str = "", *, elsewhere: bool = False) -> None:
        """The call's handler is done and this is its status; `reason` is the name of its ErrorReason or empty.

        `elsewhere`: the caller may ask another replica, as those do twice a second who wait for a browser.
        """
        self._running -= 1
        if not self._running:
            self._quiet.set()
        if self._tracing is not None:
            self._tracing.end_server_span(call, code, reason)
        if self._metrics is not None:
            self._metrics.end(call, code)
        write = log.warning if code in SERVER_FAULTS else log.debug if elsewhere else log.info
        milliseconds = round((time.monotonic() - call.started) * 1000, 2)
        fields = {"reason": reason} if reason else {}
        if call.principal != LOCAL_PRINCIPAL:
            fields["principal"] = call.principal
        write("rpc", method=call.method, code=code.name, ms=milliseconds, request_id=call.request_id, **fields)

    @property
    def running(self) -> int:
        """How many calls have a handler that is still running."""
        return self._running

    async def quiet(self) -> None:
        """Wait until no handler is running."""
        await self._quiet.wait()
