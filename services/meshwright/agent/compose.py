"""Events before they have a place in the log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from google.protobuf.timestamp_pb2 import Timestamp

from meshwright.serving.calls import current_traceparent
from meshwright.store.interface import Draft
from meshwright.v1.event_pb2 import Event, ReasoningDelta, TextDelta

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

KIND_NUMBERS = {field.name: field.number for field in Event.DESCRIPTOR.oneofs_by_name["kind"].fields}
TEXT_DELTA = KIND_NUMBERS["text_delta"]
REASONING_DELTA = KIND_NUMBERS["reasoning_delta"]


def current_time() -> Timestamp:
    """The time as an event carries it."""
    nanos = time.time_ns()
    return Timestamp(seconds=nanos // 1_000_000_000, nanos=nanos % 1_000_000_000)


class Composer:
    """Makes the drafts of one run, or of the session itself when `run_id` is empty.

    Events carry the trace context that they are given here, or else that of the running task.
    """

    def __init__(
        self, session_id: str, run_id: str = "", *, traceparent: str = "", agent_path: Sequence[str] = ()
    ) -> None:
        self.session_id = session_id
        self.run_id = run_id
        self._envelope: dict[str, Any] = {"session_id": session_id, "run_id": run_id, "agent_path": agent_path}
        self._traceparent = traceparent

    def draft(self, **arm: Any) -> Draft:
        """A draft with one arm of `Event.kind`, such as `notice=Notice(...)`."""
        (name,) = arm
        traceparent = self._traceparent or current_traceparent()
        event = Event(time=current_time(), traceparent=traceparent, **self._envelope, **arm)
        return Draft(KIND_NUMBERS[name], self.run_id, event.SerializeToString())

    def text_deltas(self, message_id: str) -> Callable[[str], Draft]:
        """Makes the text_deltas of one message of text: as `draft`, for the hot path. One event serves all of them."""
        event = Event(**self._envelope, text_delta=TextDelta(message_id=message_id))
        delta, moment = event.text_delta, event.time

        def compose(text: str) -> Draft:
            delta.text = text
            moment.seconds, moment.nanos = divmod(time.time_ns(), 1_000_000_000)
            return Draft(TEXT_DELTA, self.run_id, event.SerializeToString())

        return compose

    def reasoning_delta(self, message_id: str, text: str) -> Draft:
        """A reasoning_delta: it belongs to the trace of its message, as a text_delta does."""
        delta = ReasoningDelta(message_id=message_id, text=text)
        event = Event(time=current_time(), **self._envelope, reasoning_delta=delta)
        return Draft(REASONING_DELTA, self.run_id, event.SerializeToString())
