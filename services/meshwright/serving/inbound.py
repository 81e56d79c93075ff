"""Requests on their way in: from bytes to a message that keeps the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

import grpc
from google.protobuf.message import DecodeError, Message

from meshwright.serving.errors import MeshError
from meshwright.v1 import error_reason_pb2 as reasons

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import Descriptor

    from meshwright.serving.validation import Validator

MIB = 1024 * 1024
MAX_REQUEST_BYTES = 4 * MIB
"""The largest request message that the mesh accepts."""
MAX_TRANSPORT_BYTES = 16 * MIB
"""The largest message that gRPC itself lets through. It refuses without details, so it is well above our own limit."""


class RequestReader:
    """Decodes and validates the request messages of one method."""

    def __init__(self, decode: Callable[[bytes], Any] | None, validator: Validator) -> None:
        message_class = getattr(decode, "__self__", None)
        if not (isinstance(message_class, type) and issubclass(message_class, Message)):
            message = f"{decode} is not the FromString of a message class, so nobody can tell what it decodes"
            raise TypeError(message)
        self._decode: Callable[[bytes], Any] = message_class.FromString
        descriptor = cast("Descriptor", message_class.DESCRIPTOR)
        self._name = descriptor.full_name
        self._violations = validator.violations if validator.checks(descriptor) else None

    def read(self, raw: bytes) -> Any:
        """The message. Raises MESSAGE_TOO_LARGE, MALFORMED_MESSAGE or INVALID_FIELDS."""
        if len(raw) > MAX_REQUEST_BYTES:
            raise MeshError(
                reasons.ERROR_REASON_MESSAGE_TOO_LARGE,
                f"The request has {len(raw)} bytes, and {MAX_REQUEST_BYTES} are allowed.",
                metadata={"limit_bytes": MAX_REQUEST_BYTES, "size_bytes": len(raw)},
            )
        try:
            message = self._decode(raw)
        except DecodeError:
            raise MeshError(
                reasons.ERROR_REASON_MALFORMED_MESSAGE,
                f"The request does not decode as {self._name}.",
                metadata={"message": self._name},
            ) from None
        if self._violations is not None and (found := self._violations(message)):
            raise MeshError.invalid_fields(found)
        return message


class RequestStream:
    """The messages of a streaming request. A bad one raises its MeshError out of the iteration and is kept in `error`."""

    __slots__ = ("_context", "_reader", "error")

    def __init__(self, context: grpc.aio.ServicerContext[Any, Any], reader: RequestReader) -> None:
        self._context = context
        self._reader = reader
        self.error: MeshError | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        if self.error is not None:
            raise self.error
        raw = await self._context.read()
        if raw is grpc.aio.EOF:
            raise StopAsyncIteration
        try:
            return self._reader.read(raw)
        except MeshError as error:
            self.error = error
            raise
