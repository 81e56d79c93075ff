"""Several principals at the same service."""

from __future__ import annotations

from functools import partial
from typing import Any

import grpc
import pytest

from meshwright.serving.errors import MeshError
from tests.support.token_issuer import bearer, token_of

PATIENCE = 60.0


class As:
    """A stub whose calls show a principal's token."""

    def __init__(self, stub: Any, principal: str) -> None:
        self._stub = stub
        self._metadata = bearer(token_of(principal))

    def __getattr__(self, method: str) -> Any:
        return partial(getattr(self._stub, method), metadata=self._metadata)


async def answer(call: Any) -> list[Any]:
    """What a call of any arity answers, to its end. Raises MeshError."""
    try:
        if isinstance(call, grpc.aio.UnaryUnaryCall):
            return [await call]
        return [message async for message in call]
    except grpc.aio.AioRpcError as error:
        raise MeshError.from_rpc_error(error) from None


async def reason_of(call: Any) -> str:
    """The reason for which a call fails, as it has to."""
    with pytest.raises(MeshError) as caught:
        await answer(call)
    return caught.value.reason_name
