"""A small service with all four arities, whose handlers behave and misbehave as the request asks."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from google.api import field_behavior_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, message_factory, struct_pb2
from grpc_tools import protoc  # type: ignore[import-untyped]

from meshwright.serving.address import Address
from meshwright.serving.boundary import Boundary
from meshwright.serving.calls import Call, current_call
from meshwright.serving.channel import open_channel
from meshwright.serving.errors import MeshError
from meshwright.serving.observer import Observer
from meshwright.serving.rule_kinds import Number
from meshwright.serving.validation import Validator
from meshwright.v1 import error_reason_pb2 as reasons

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HERE = Path(__file__).parent
SERVICE = "serving.test.Echo"
IMPORTED = (field_behavior_pb2, duration_pb2, struct_pb2)
"""The modules whose files the proto imports; importing them puts those files into the descriptor pool."""


def _message_class(name: str) -> Any:
    pool = descriptor_pool.Default()
    full_name = f"serving.test.{name}"
    try:
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(full_name))
    except KeyError:
        pool.Add(_compiled())
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(full_name))


def _compiled() -> descriptor_pb2.FileDescriptorProto:
    includes = (HERE, files("google") / "..", files("grpc_tools") / "_proto")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "echo.bin"
        arguments = ["protoc", *(f"-I{include}" for include in includes), f"--descriptor_set_out={out}"]
        assert protoc.main([*arguments, "serving_echo.proto"]) == 0
        compiled = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    return compiled.file[0]


EchoRequest = _message_class("EchoRequest")
EchoReply = _message_class("EchoReply")
Chain = _message_class("Chain")
Free = _message_class("Free")

RULES = {"serving.test.EchoRequest": {"count": Number(0, 10)}}
"""The only bound that the boundary's tests need; `text`, `ratio` and `color` are REQUIRED by the proto."""


def echo_request(text: str = "hello", behavior: str = "", **fields: Any) -> Any:
    """A request that keeps the contract unless the fields say otherwise."""
    return EchoRequest(**{"text": text, "behavior": behavior, "color": 1, **fields})


class Echo:
    """The handlers. `cleaned_up` counts the ones that ran their `finally`."""

    def __init__(self) -> None:
        self.cleaned_up = 0
        self.entered = asyncio.Event()
        self.left = asyncio.Event()
        self.released = asyncio.Event()
        self.calls: list[Call] = []

    async def _behave(self, behavior: str, context: Any) -> None:
        call = current_call()
        assert call is not None
        self.calls.append(call)
        self.entered.set()
        match behavior:
            case "mesh_error":
                raise MeshError(reasons.ERROR_REASON_RUN_NOT_FOUND, "No such run.", metadata={"run_id": "run_9"})
            case "mesh_error_in_group":
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._behave("mesh_error", context))
            case "crash":
                message = "secret: hunter2"
                raise RuntimeError(message)
            case "crash_in_group":
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._behave("crash", context))
                    group.create_task(self._behave("mesh_error", context))
            case "timeout_of_its_own":
                async with asyncio.timeout(0):
                    await asyncio.Event().wait()
            case "leak_cancel":
                inner = asyncio.ensure_future(asyncio.Event().wait())
                inner.cancel()
                await inner
            case "wait":
                await self.released.wait()
            case "hang":
                await asyncio.Event().wait()
            case "upstream_error":
                stale = MeshError(reasons.ERROR_REASON_STALE_REF, "Take a new snapshot.", metadata={"ref": "e1"})
                trailing = grpc.aio.Metadata(("grpc-status-details-bin", stale.to_status().SerializeToString()))
                raise grpc.aio.AioRpcError(stale.code, grpc.aio.Metadata(), trailing, "hunter2", None)
            case "not_implemented":
                context.set_code(grpc.StatusCode.UNIMPLEMENTED)
                context.set_details("Method not implemented!")
                raise NotImplementedError
            case "wrong_type":
                raise TypeError("hunter2 is not a message")

    def _leave(self) -> None:
        self.cleaned_up += 1
        self.left.set()

    async def unary(self, request: Any, context: Any) -> Any:
        try:
            await self._behave(request.behavior, context)
            reply = EchoReply(text=request.text)
            return reply.SerializeToString() if request.behavior == "bytes" else reply
        finally:
            self._leave()

    async def parts(self, request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            yield EchoReply(text=request.text)
            await self._behave(request.behavior, context)
            yield EchoReply(text=request.text).SerializeToString()
            while request.behavior == "endless":
                yield EchoReply(text=request.text * 1000)
        finally:
            self._leave()

    async def collect(self, requests: Any, context: Any) -> Any:
        try:
            texts = []
            async for each in requests:
                texts.append(each.text)
                await self._behave(each.behavior, context)
            return EchoReply(text=",".join(texts))
        finally:
            self._leave()

    async def chat(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        try:
            async for each in requests:
                await self._behave(each.behavior, context)
                yield EchoReply(text=each.text)
        finally:
            self._leave()

    async def deaf(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        """A handler that reads in a task of its own and looks away from what the reading raises."""

        async def read() -> None:
            async for _ in requests:
                pass

        await asyncio.gather(read(), return_exceptions=True)
        yield EchoReply(text="never mind")


ARITIES = {
    "Unary": ("unary_unary", "unary"),
    "Parts": ("unary_stream", "parts"),
    "Collect": ("stream_unary", "collect"),
    "Chat": ("stream_stream", "chat"),
    "Deaf": ("stream_stream", "deaf"),
}


def register(echo: Echo, server: grpc.aio.Server) -> None:
    """What generated code calls add_EchoServicer_to_server."""
    handlers = {
        method: getattr(grpc, f"{arity}_rpc_method_handler")(
            getattr(echo, name),
            request_deserializer=EchoRequest.FromString,
            response_serializer=EchoReply.SerializeToString,
        )
        for method, (arity, name) in ARITIES.items()
    }
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])


class EchoStub:
    """A client of the service. Requests may be messages or raw bytes."""

    unary: Any
    parts: Any
    collect: Any
    chat: Any
    deaf: Any

    def __init__(self, channel: grpc.aio.Channel) -> None:
        for method, (arity, name) in ARITIES.items():
            call = getattr(channel, arity)(
                f"/{SERVICE}/{method}", request_serializer=_bytes, response_deserializer=EchoReply.FromString
            )
            setattr(self, name, call)

    async def send(self, method: str, *requests: Any, **options: Any) -> list[str]:
        """The texts that the method answers, whatever its arity."""
        streams_in = ARITIES[method][0].startswith("stream")
        call = getattr(self, ARITIES[method][1])(_each(requests) if streams_in else requests[0], **options)
        if ARITIES[method][0].endswith("unary"):
            return [(await call).text]
        try:
            return [reply.text async for reply in call]
        finally:
            # Cancelling a task that iterates over a call does not cancel the call.
            call.cancel()


async def _each(requests: tuple[Any, ...]) -> AsyncIterator[Any]:
    for each in requests:
        yield each


def _bytes(message: Any) -> bytes:
    return message if isinstance(message, bytes) else message.SerializeToString()


@asynccontextmanager
async def echo_behind_boundary(unary_timeout: float = 30.0) -> AsyncIterator[tuple[Echo, grpc.aio.Channel]]:
    """A running server with nothing but the boundary and the service, and a channel to it."""
    echo = Echo()
    boundary = Boundary(Observer(), unary_timeout=unary_timeout, validator=Validator(RULES))
    server = grpc.aio.server(interceptors=(boundary,), options=(("grpc.max_receive_message_length", 16 << 20),))
    register(echo, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with open_channel(Address("127.0.0.1", port)) as channel:
            yield echo, channel
    finally:
        await server.stop(None)
