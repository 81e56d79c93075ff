"""An event as it lies in the log, ready to be sent without being decoded."""

from __future__ import annotations

import msgspec

SEQUENCE_TAG = b"\x18"
"""Field 3 of Event, `sequence`, as a varint."""
EVENTS_TAG = b"\x0a"
"""Field 1 of ConverseResponse and WatchSessionResponse, `events`, as a length-delimited field."""


class StoredEvent(msgspec.Struct, frozen=True, gc=False):
    """An event with its place in the log.

    Protobuf lets fields come in any order and a repeated field come in pieces. So the sequence can be added behind a payload that was
    serialised without it, and a response with many events is these frames one after the other.
    """

    sequence: int
    kind: int
    run_id: str
    frame: bytes
    """The event as one entry of a response's `events`."""

    @property
    def payload(self) -> bytes:
        """The serialised Event, with its sequence."""
        shift = 1
        while self.frame[shift] & 0x80:
            shift += 1
        return self.frame[shift + 1 :]


def place(sequence: int, kind: int, run_id: str, payload: bytes) -> StoredEvent:
    """The event of a payload that has no sequence, at its place in the log."""
    event = payload + SEQUENCE_TAG + _varint(sequence)
    return StoredEvent(sequence, kind, run_id, EVENTS_TAG + _varint(len(event)) + event)


def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
