"""Signals as they travel between replicas."""

from __future__ import annotations

import json

from meshwright.store.interface import (
    ApprovalSettled,
    CancelRequested,
    InputDelivered,
    RunWaiting,
    SessionDeleted,
    Signal,
)

BY_NAME: dict[str, type[Signal]] = {
    kind.__name__: kind for kind in (RunWaiting, CancelRequested, InputDelivered, ApprovalSettled, SessionDeleted)
}


def encode(sender: str, signal: Signal) -> bytes:
    """A signal of a replica."""
    return json.dumps([sender, type(signal).__name__, *signal]).encode()


def decode(own: str, message: bytes) -> Signal | None:
    """The signal of a message; None for one's own, and for those of a later version."""
    sender, name, *fields = json.loads(message)
    kind = BY_NAME.get(name)
    return None if sender == own or kind is None else kind(*fields)
