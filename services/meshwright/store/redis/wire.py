"""Plans and drafts as they travel to the script, and drafts from it to other replicas.

The script's MessagePack knows no binary, so whatever is no text travels beside the plan.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import msgspec

from meshwright.store.interface import Draft
from meshwright.store.redis.plan import Plan

HEAD = struct.Struct(">HHI")
FIRST_TEXT = 5
"""Place of the first binary among the script's arguments."""


def pack_plan(plan: Plan) -> tuple[bytes, list[bytes]]:
    """A plan, in which numbers stand for the binaries beside it."""
    binaries: list[bytes] = []

    def beside(value: object) -> object:
        # Nearly everything is one of these, and every append comes through here.
        if type(value) is str or type(value) is int:
            return value
        if isinstance(value, bytes):
            binaries.append(value)
            return FIRST_TEXT + len(binaries) - 1
        if isinstance(value, dict):
            return {name: beside(member) for name, member in value.items()}
        if isinstance(value, list | tuple):
            return [beside(member) for member in value]
        return value

    fields = {name: beside(value) for name in Plan.__struct_fields__ if (value := getattr(plan, name))}
    return msgspec.msgpack.encode(fields), binaries


def pack_drafts(drafts: Sequence[Draft]) -> bytes:
    """Drafts one after the other: kind, two lengths, run, payload."""
    pieces: list[bytes] = []
    for draft in drafts:
        run_id = draft.run_id.encode()
        pieces += (HEAD.pack(draft.kind, len(run_id), len(draft.payload)), run_id, draft.payload)
    return b"".join(pieces)


def unpack_drafts(packed: bytes) -> list[Draft]:
    """What `pack_drafts` made."""
    drafts = []
    position = 0
    while position < len(packed):
        kind, run_length, payload_length = HEAD.unpack_from(packed, position)
        body = position + HEAD.size
        middle = body + run_length
        position = middle + payload_length
        drafts.append(Draft(kind, packed[body:middle].decode(), packed[middle:position]))
    return drafts
