"""The one interceptor around every handler of a server.

It tells who calls, decodes and validates requests, gives every call an id and a deadline, and turns whatever a handler raises into a status
of the contract. Handlers are coroutines or async generators; what they return or yield may be a message or, on hot paths,
its serialised bytes.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Never, TypeAlias

import grpc
from grpc import StatusCode

from meshwright.serving.calls import REQUEST_ID_KEY, Call, call_from_metadata, current_call, enter_call
from meshwright.serving.errors import DETAILS_KEY, ELSEWHERE_KEY, MeshError
from meshwright.serving.failures import as_mesh_error, not_implemented
from meshwright.serving.inbound import RequestReader, RequestStream
from meshwright.serving.validation import Validator
from meshwright.v1 import error_reason_pb2 as reasons

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from meshwright.serving.authentication.authenticator import Authenticator
    from meshwright.serving.observer import Observer

    Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
    Handler: TypeAlias = grpc.RpcMethodHandler[Any, Any]
    Arrive: TypeAlias = Callable[[Any, Context], Any]
    Serve: TypeAlias = Callable[[Any, Context, Call], Awaitable[bytes | None]]

# gRPC's own services speak for themselves: health for probes, reflection for people who debug.
PASSED_THROUGH = ("/grpc.health.", "/grpc.reflection.")


class Boundary(grpc.aio.ServerInterceptor):
    """See the module. `unary_timeout` is the deadline in seconds of unary calls whose caller has set none.

    Without an `authenticator` every caller is the local principal.
    """

    def __init__(
        self,
        observer: Observer,
        *,
        unary_timeout: float,
        validator: Validator | None = None,
        authenticator: Authenticator | None = None,
    ) -> None:
        self._observer = observer
        self._authenticator = authenticator
        self._unary_timeout = unary_timeout
        self._validator = validator or Validator()
        self._handlers: dict[str, Handler] = {}
        self._stopping = False

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """The guarded handler of the method; for a method that nobody serves, one that says so with details."""
        method = handler_call_details.method
        if method.startswith(PASSED_THROUGH):
            return await continuation(handler_call_details)
        # The handler runs in the task of this coroutine, and so finds its call.
        enter_call(call_from_metadata(method, handler_call_details.invocation_metadata))
        guarded = self._handlers.get(method)
        if guarded is None:
            handler = await continuation(handler_call_details)
            if handler is None:
                return self._unserved()
            guarded = self._handlers[method] = self._guarded(handler)
        return guarded

    def refuse_new_calls(self) -> None:
        """Answer every call that comes from now on with UNAVAILABLE: the server stops."""
        self._stopping = True

    def _guarded(self, handler: Handler) -> Handler:
        reader = RequestReader(handler.request_deserializer, self._validator)

        def read(raw: bytes, _context: Context) -> Any:
            return reader.read(raw)

        def stream(_iterator: object, context: Context) -> RequestStream:
            return RequestStream(context, reader)

        if handler.unary_unary is not None:
            serve = self._answer_in_time(handler.unary_unary, read)
            return grpc.unary_unary_rpc_method_handler(self._guard(serve))
        if handler.unary_stream is not None:
            serve = _answer_in_parts(handler.unary_stream, read)
            return grpc.unary_stream_rpc_method_handler(self._guard(serve))
        if handler.stream_unary is not None:
            serve = _answer_once(handler.stream_unary, stream)
            return grpc.stream_unary_rpc_method_handler(self._guard(serve))
        serve = _answer_in_parts(handler.stream_stream, stream)
        return grpc.stream_stream_rpc_method_handler(self._guard(serve))

    def _unserved(self) -> Handler:
        async def refuse(_raw: Any, _context: Context, call: Call) -> None:
            raise not_implemented(call.method)

        # This arity needs no request, so it answers callers of every arity at once.
        return grpc.stream_stream_rpc_method_handler(self._guard(refuse))

    def _guard(self, serve: Serve) -> Any:
        observer, authenticator = self._observer, self._authenticator

        async def guarded(raw: Any, context: Context) -> bytes | None:
            call = current_call()
            assert call is not None
            observer.begin(call)
            try:
                remaining = context.time_remaining()
                if self._stopping:
                    raise _stopping()
                if remaining is not None:
                    call.deadline = time.monotonic() + remaining
                if call.request_id_is_ours:
                    context.set_trailing_metadata(((REQUEST_ID_KEY, call.request_id),))
                if authenticator is not None:
                    shown, call.authorization = call.authorization, ""
                    call.principal = authenticator.known(shown) or await authenticator.principal(shown)
                response = await serve(raw, context, call)
            except BaseException as error:  # noqa: BLE001 (everything is passed on or answered, nothing is dropped)
                await self._fail(call, context, error)
            observer.end(call, StatusCode.OK)
            return response

        return guarded

    def _answer_in_time(self, behavior: Any, arrive: Arrive) -> Serve:
        timeout = self._unary_timeout
        answer = _answer_once(behavior, arrive)

        async def serve(raw: bytes, context: Context, call: Call) -> bytes | None:
            if call.deadline is not None:
                return await answer(raw, context, call)
            call.deadline = time.monotonic() + timeout
            limit = asyncio.timeout(timeout)
            try:
                async with limit:
                    return await answer(raw, context, call)
            except TimeoutError:
                if not limit.expired():
                    raise
                raise _too_late(timeout) from None

        return serve

    async def _fail(self, call: Call, context: Context, error: BaseException) -> Never:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise error
        if _caller_left(error):
            late = call.remaining() == 0
            self._observer.end(call, StatusCode.DEADLINE_EXCEEDED if late else StatusCode.CANCELLED)
            raise error if isinstance(error, asyncio.CancelledError) else asyncio.CancelledError from error
        if isinstance(error, grpc.aio.AbortError) or context.done():
            self._observer.end(call, context.code())
            raise error
        if isinstance(error, NotImplementedError) and context.code() is StatusCode.UNIMPLEMENTED:
            error = not_implemented(call.method)
        mesh_error = as_mesh_error(error, call.method)
        self._observer.end(call, mesh_error.code, mesh_error.reason_name, elsewhere=mesh_error.elsewhere)
        status = mesh_error.to_status()
        trailing = (
            *((key, value) for key, value in context.trailing_metadata() if key != REQUEST_ID_KEY),
            *(((ELSEWHERE_KEY, "1"),) if mesh_error.elsewhere else ()),
            (REQUEST_ID_KEY, call.request_id),
            (DETAILS_KEY, status.SerializeToString()),
        )
        await context.abort(mesh_error.code, status.message, trailing)


class _WriteFailedError(Exception):
    """A response could not be written because the caller is gone."""


def _answer_once(behavior: Any, arrive: Arrive) -> Serve:
    async def serve(raw: Any, context: Context, _call: Call) -> bytes:
        request = arrive(raw, context)
        response = await behavior(request, context)
        _complain(request)
        return _serialised(response)

    return serve


def _answer_in_parts(behavior: Any, arrive: Arrive) -> Serve:
    async def serve(raw: Any, context: Context, _call: Call) -> None:
        request = arrive(raw, context)
        async with aclosing(behavior(request, context)) as responses:
            async for response in responses:
                data = response if type(response) is bytes else response.SerializeToString()
                try:
                    await context.write(data)
                except grpc.aio.InternalError as error:
                    raise _WriteFailedError from error
        _complain(request)

    return serve


def _complain(request: Any) -> None:
    """A handler may look away from a bad message in its stream; its caller still learns of it."""
    if isinstance(request, RequestStream) and request.error is not None:
        raise request.error


def _serialised(response: Any) -> bytes:
    return response if type(response) is bytes else response.SerializeToString()


def _caller_left(error: BaseException) -> bool:
    """Whether the call itself is over, as opposed to something inside the handler that was cancelled.

    The latter must not leave the handler as a CancelledError: grpc.aio would send no status and the caller would wait for ever.
    """
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return isinstance(error, _WriteFailedError)


def _stopping() -> MeshError:
    return MeshError(
        reasons.ERROR_REASON_UNAVAILABLE,
        "The server stops; call again.",
        metadata={"service": "server"},
        elsewhere=True,
    )


def _too_late(timeout: float) -> MeshError:
    return MeshError(
        reasons.ERROR_REASON_DEADLINE_EXCEEDED,
        f"The call took longer than {timeout:g} s.",
        metadata={"timeout_ms": round(timeout * 1000)},
    )
