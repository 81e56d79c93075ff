"""The boundary over real sockets: every arity, every way to go wrong."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc import StatusCode
from structlog.testing import capture_logs

from meshwright.serving.errors import MeshError
from meshwright.v1 import error_reason_pb2 as reasons
from tests.serving_echo import (
    ARITIES,
    SERVICE,
    Echo,
    EchoReply,
    EchoRequest,
    EchoStub,
    echo_behind_boundary,
    echo_request,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from meshwright.v1.error_reason_pb2 import ErrorReason

METHODS = ["Unary", "Parts", "Collect", "Chat"]
LIMIT = 60.0


@pytest.fixture
async def served() -> AsyncIterator[tuple[Echo, EchoStub]]:
    async with echo_behind_boundary() as (echo, channel):
        yield echo, EchoStub(channel)


async def failure(stub: EchoStub, method: str, *requests: Any, **options: Any) -> MeshError:
    """The typed error with which the method answers, checked to be whole."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.send(method, *requests, **{"timeout": LIMIT, **options})
    trailing = dict(caught.value.trailing_metadata() or ())
    assert "grpc-status-details-bin" in trailing, caught.value
    assert trailing["x-request-id"]
    error = MeshError.from_rpc_error(caught.value)
    assert error.code is caught.value.code()
    assert error.message == caught.value.details()
    assert "hunter2" not in repr(caught.value)
    return error


@pytest.mark.parametrize(
    ("method", "texts"), [("Unary", ["a"]), ("Parts", ["a", "a"]), ("Collect", ["a,b"]), ("Chat", ["a", "b"])]
)
async def test_good_calls_pass(served: tuple[Echo, EchoStub], method: str, texts: list[str]) -> None:
    echo, stub = served
    assert await stub.send(method, echo_request("a"), echo_request("b")) == texts
    assert echo.cleaned_up == 1


async def test_a_handler_may_answer_in_bytes(served: tuple[Echo, EchoStub]) -> None:
    assert await served[1].send("Unary", echo_request("raw", "bytes")) == ["raw"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("behavior", "reason", "metadata"),
    [
        ("mesh_error", reasons.ERROR_REASON_RUN_NOT_FOUND, {"run_id": "run_9"}),
        ("mesh_error_in_group", reasons.ERROR_REASON_RUN_NOT_FOUND, {"run_id": "run_9"}),
        ("upstream_error", reasons.ERROR_REASON_STALE_REF, {"ref": "e1"}),
    ],
)
async def test_errors_of_the_contract_reach_the_caller_whole(
    served: tuple[Echo, EchoStub],
    method: str,
    behavior: str,
    reason: ErrorReason.ValueType,
    metadata: dict[str, str],
) -> None:
    error = await failure(served[1], method, echo_request(behavior=behavior))
    assert (error.reason, error.metadata) == (reason, metadata)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("behavior", ["crash", "crash_in_group", "leak_cancel", "timeout_of_its_own", "wrong_type"])
async def test_defects_become_internal_and_only_the_log_knows_why(
    served: tuple[Echo, EchoStub], method: str, behavior: str
) -> None:
    with capture_logs() as lines:
        error = await failure(served[1], method, echo_request(behavior=behavior))
    assert error.reason == reasons.ERROR_REASON_INTERNAL
    [defect] = [line for line in lines if line["event"] == "defect"]
    assert defect["error_id"] == error.metadata["error_id"]
    assert isinstance(defect["exc_info"], BaseException)


@pytest.mark.parametrize("method", METHODS)
async def test_methods_of_the_contract_without_a_handler_say_so(served: tuple[Echo, EchoStub], method: str) -> None:
    error = await failure(served[1], method, echo_request(behavior="not_implemented"))
    assert error.reason == reasons.ERROR_REASON_NOT_IMPLEMENTED
    assert error.metadata == {"method": f"/{SERVICE}/{method}"}


@pytest.mark.parametrize("arity", ["unary_unary", "unary_stream", "stream_unary", "stream_stream"])
@pytest.mark.parametrize("path", ["/no.such.Service/Method", f"/{SERVICE}/NoSuchMethod"])
async def test_unknown_methods_say_so_with_details(arity: str, path: str) -> None:
    async with echo_behind_boundary() as (_, channel):
        argument = iter([b""]) if arity.startswith("stream") else b""
        call = getattr(channel, arity)(path)(argument, timeout=LIMIT)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await (call if arity.endswith("unary") else anext(aiter(call)))
        error = MeshError.from_rpc_error(caught.value)
        assert (error.code, error.metadata) == (StatusCode.UNIMPLEMENTED, {"method": path})


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("raw", [b"\xff\xff\xff", b"\x0a\x05ab", b"\x0a\x02\xff\xfe"], ids=["tag", "cut", "utf-8"])
async def test_bytes_that_do_not_decode_are_malformed(served: tuple[Echo, EchoStub], method: str, raw: bytes) -> None:
    error = await failure(served[1], method, raw)
    assert error.reason == reasons.ERROR_REASON_MALFORMED_MESSAGE
    assert error.metadata == {"message": "serving.test.EchoRequest"}


@pytest.mark.parametrize("method", METHODS)
async def test_a_message_over_the_limit_is_refused_with_its_size(served: tuple[Echo, EchoStub], method: str) -> None:
    big = echo_request(blob=b"x" * 10 * 1024 * 1024)
    error = await failure(served[1], method, big)
    assert error.reason == reasons.ERROR_REASON_MESSAGE_TOO_LARGE
    assert error.metadata == {"limit_bytes": "4194304", "size_bytes": str(big.ByteSize())}
    assert error.retry_after is None


@pytest.mark.parametrize("method", [*METHODS, "Deaf"])
async def test_every_violated_field_is_named_at_once(served: tuple[Echo, EchoStub], method: str) -> None:
    bad = EchoRequest(count=99, items=[{"name": "a"}, {}])
    good = [echo_request()] if method in ("Collect", "Chat", "Deaf") else []
    error = await failure(served[1], method, *good, bad)
    assert error.reason == reasons.ERROR_REASON_INVALID_FIELDS
    assert [v.field for v in error.violations] == ["text", "count", "items[1].name", "color"]
    assert error.metadata == {"count": "4"}


@pytest.mark.parametrize("method", METHODS)
async def test_a_caller_that_goes_away_cancels_the_handler(served: tuple[Echo, EchoStub], method: str) -> None:
    echo, stub = served
    with capture_logs() as lines:
        calling = asyncio.create_task(stub.send(method, echo_request(behavior="hang")))
        async with asyncio.timeout(LIMIT):
            await echo.entered.wait()
            calling.cancel()
            await echo.left.wait()
    assert [(line["event"], line["code"]) for line in lines] == [("rpc", "CANCELLED")]


async def test_a_caller_that_goes_away_closes_a_generator_that_waits_in_a_write(
    served: tuple[Echo, EchoStub],
) -> None:
    echo, stub = served
    call: Any = stub.parts(echo_request("x" * 100, "endless"))
    assert (await call.read()).text
    call.cancel()
    async with asyncio.timeout(LIMIT):
        await echo.left.wait()
    assert echo.cleaned_up == 1


@pytest.mark.parametrize("method", METHODS)
async def test_the_callers_deadline_ends_the_handler(served: tuple[Echo, EchoStub], method: str) -> None:
    echo, stub = served
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.send(method, echo_request(behavior="hang"), timeout=0.5)
    assert caught.value.code() is StatusCode.DEADLINE_EXCEEDED
    async with asyncio.timeout(LIMIT):
        await echo.left.wait()


async def test_a_unary_call_without_a_deadline_gets_one() -> None:
    async with echo_behind_boundary(unary_timeout=0.1) as (echo, channel):
        error = await failure(EchoStub(channel), "Unary", echo_request(behavior="hang"), timeout=None)
        assert error.reason == reasons.ERROR_REASON_DEADLINE_EXCEEDED
        assert error.metadata == {"timeout_ms": "100"}
        assert echo.cleaned_up == 1


async def test_request_id_and_trace_context_of_the_caller_are_kept(served: tuple[Echo, EchoStub]) -> None:
    echo, stub = served
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    metadata = (("x-request-id", "mine-1"), ("traceparent", traceparent))
    await stub.send("Unary", echo_request(), metadata=metadata, timeout=LIMIT)
    [call] = echo.calls
    assert (call.request_id, call.traceparent, call.method) == ("mine-1", traceparent, f"/{SERVICE}/Unary")
    remaining = call.remaining()
    assert remaining is not None
    # gRPC rounds a deadline up on its way.
    assert 0 < remaining <= LIMIT + 1


@pytest.mark.parametrize("sent", [None, "with space", "x" * 200])
async def test_a_call_without_a_usable_request_id_is_told_ours(served: tuple[Echo, EchoStub], sent: str | None) -> None:
    echo, stub = served
    call: Any = stub.unary(echo_request(), metadata=(("x-request-id", sent),) if sent else ())
    await call
    told = dict(await call.trailing_metadata())["x-request-id"]
    assert told == echo.calls[0].request_id
    assert len(told) == 32


async def test_every_call_is_one_line_of_log_without_its_body(served: tuple[Echo, EchoStub]) -> None:
    with capture_logs() as lines:
        await served[1].send("Unary", echo_request("private"))
    [line] = lines
    assert {"event": "rpc", "method": f"/{SERVICE}/Unary", "code": "OK"}.items() <= line.items()
    assert line["ms"] >= 0
    assert "private" not in str(line)


async def test_replies_are_plain_messages_of_the_contract(served: tuple[Echo, EchoStub]) -> None:
    reply = await served[1].unary(echo_request("x"))
    assert reply == EchoReply(text="x")
    assert set(ARITIES) >= set(METHODS)
