"""Requests with an id: carried out once, whichever replica they reach."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from meshwright.serving.errors import MeshError
from meshwright.store.interface import Once
from meshwright.store.redis import keys
from meshwright.store.redis.connection import Client, answered
from meshwright.store.redis.plan import KEPT_SECONDS
from meshwright.store.refusals import request_id_reused
from meshwright.v1 import error_reason_pb2 as reasons

T = TypeVar("T")


async def once(
    client: Client,
    principal: str,
    session_id: str,
    request: Once | None,
    carry_out: Callable[[str, str], Awaitable[T]],
    remembered: Callable[[bytes], T],
) -> T:
    """Have `carry_out(session, key of the answer)` done under the request's id, or its answer remembered. REQUEST_ID_REUSED.

    An id belongs to a principal, an answer to a session, and the two lie in different slots of a cluster. So the id is reserved for
    a request and its session first, and the answer is stored with the change itself. A request that is refused gives its id back.
    """
    if request is None:
        return await carry_out(session_id, "")
    reservation = keys.reservation(principal, request.request_id)
    wanted = f"{request.fingerprint.hex()} {session_id}"
    held = await answered(client.set(reservation, wanted, nx=True, get=True, ex=KEPT_SECONDS))
    if held is not None:
        fingerprint, session_id = held.decode().split(" ")
        if fingerprint != request.fingerprint.hex():
            raise request_id_reused(request.request_id)
    key = keys.answer(session_id, request.request_id)
    if held is not None and (answer := await answered(client.get(key))) is not None:
        return remembered(answer)
    try:
        return await carry_out(session_id, key)
    except MeshError as refusal:
        if refusal.reason == reasons.ERROR_REASON_UNAVAILABLE:
            raise
        # The same request may have been carried out meanwhile, which is why this one is refused.
        if (answer := await answered(client.get(key))) is not None:
            return remembered(answer)
        if held is None:
            await answered(client.delete(reservation))
        raise
