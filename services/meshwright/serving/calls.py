"""The call that is being served: what its log lines, spans and the calls made on its behalf need to know of it."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import uuid4

from meshwright.serving.authentication.principals import LOCAL_PRINCIPAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opentelemetry.trace import Span

REQUEST_ID_KEY = "x-request-id"
TRACEPARENT_KEY = "traceparent"
AUTHORIZATION_KEY = "authorization"
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(slots=True)
class Call:
    """One RPC, from its first byte to its status; work that outlives it keeps a detached copy."""

    method: str
    """Full method: `/meshwright.v1.AgentService/StartRun`."""
    request_id: str
    """The caller's x-request-id, or one of ours."""
    traceparent: str = ""
    """W3C trace context for what happens on behalf of this call; empty when the caller sent none and tracing is off."""
    request_id_is_ours: bool = False
    principal: str = LOCAL_PRINCIPAL
    """On whose behalf it is made: the caller's `sub`, or `local` without authentication."""
    authorization: str = field(default="", repr=False)
    """What the caller showed, until it has been checked."""
    deadline: float | None = None
    """When the caller stops waiting, on the clock of `time.monotonic`; None when it waits for ever."""
    started: float = field(default_factory=time.monotonic)
    span: Span | None = None
    """The server span while tracing is on."""
    run_id: str = ""
    """The run that it is about, where it is about one."""

    def remaining(self) -> float | None:
        """Seconds until the deadline, 0 or more; None without one."""
        return None if self.deadline is None else max(self.deadline - time.monotonic(), 0.0)


_current: ContextVar[Call | None] = ContextVar("meshwright_call", default=None)


def current_call() -> Call | None:
    """The call on whose behalf the running task works; None outside of any."""
    return _current.get()


def current_traceparent() -> str:
    """Trace context for what the running task does; empty where there is none."""
    call = _current.get()
    return "" if call is None else call.traceparent


def current_principal() -> str:
    """The principal of the current call; `local` without authentication, and outside of any call."""
    call = _current.get()
    return LOCAL_PRINCIPAL if call is None else call.principal


def enter_call(call: Call) -> None:
    """Make the call the current one of the running task and of the tasks that it starts."""
    _current.set(call)


@contextmanager
def entered(call: Call) -> Iterator[Call]:
    """Make the call the current one inside the block only."""
    token = _current.set(call)
    try:
        yield call
    finally:
        _current.reset(token)


@contextmanager
def resumed(traceparent: str) -> Iterator[None]:
    """Go on inside the block with the trace of one message on a stream that many share.

    A trace context that is empty or not well-formed is ignored: then the block belongs to the stream's trace.
    """
    call = _current.get()
    if call is None or not _TRACEPARENT.fullmatch(traceparent):
        yield
        return
    with entered(replace(call, traceparent=traceparent)):
        yield


def detached_context() -> Context:
    """A context for work that outlives the current call: same principal, request id and trace, no deadline.

    For example `asyncio.create_task(run.drive(), context=detached_context())`.
    """
    context = copy_context()
    call = _current.get()
    if call is not None:
        detached = Call(call.method, call.request_id, call.traceparent, principal=call.principal, run_id=call.run_id)
        context.run(_current.set, detached)
    return context


def call_from_metadata(method: str, metadata: Iterable[tuple[str, str | bytes]]) -> Call:
    """The call as its metadata describe it; a request id or trace context that is not well-formed is ignored."""
    request_id = traceparent = authorization = ""
    for key, value in metadata:
        if key == REQUEST_ID_KEY and isinstance(value, str) and _REQUEST_ID.fullmatch(value):
            request_id = value
        elif key == TRACEPARENT_KEY and isinstance(value, str) and _TRACEPARENT.fullmatch(value):
            traceparent = value
        elif key == AUTHORIZATION_KEY and isinstance(value, str):
            authorization = value
    if request_id:
        return Call(method, request_id, traceparent, authorization=authorization)
    return Call(method, uuid4().hex, traceparent, request_id_is_ours=True, authorization=authorization)
