"""The fast lane when things go wrong: a typed error for each, within its time, and never a hang."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from meshwright.models import Model, ModelRequest, Part, TextDelta, UserTurn
from meshwright.models.registry import open_model
from meshwright.models.settings import ModelSettings
from meshwright.serving.errors import MeshError
from tests.model_script import Cut, Fail, Finish, Hang, Raw, Say, Step, Steps, Tokens, in_order
from tests.model_server import ModelServer

KEY = "sk-test-0123456789abcdef"


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer(Say("Hello.")) as server:
        yield server


@asynccontextmanager
async def opened(base_url: str, **settings: Any) -> AsyncIterator[Model]:
    defaults: dict[str, Any] = {"openai_api_key": KEY, "model_attempts": 1}
    model = open_model("openai:scripted-1", ModelSettings.load(openai_base_url=base_url, **(defaults | settings)))
    try:
        yield model
    finally:
        await model.close()


async def collect(parts: AsyncIterator[Part], got: list[str]) -> None:
    async for part in parts:
        got += [part.text] if isinstance(part, TextDelta) else []


async def ask(model: Model) -> str:
    async with aclosing(model.stream(ModelRequest("", [UserTurn("Hi")]))) as parts:
        return "".join([part.text async for part in parts if isinstance(part, TextDelta)])


async def failure(server: ModelServer, **settings: Any) -> MeshError:
    async with opened(server.base_url, **settings) as model:
        with pytest.raises(MeshError) as caught:
            await ask(model)
    return caught.value


REFUSALS: list[tuple[Fail, str, str]] = [
    (Fail(401, "Incorrect API key provided", "invalid_api_key"), "MODEL_AUTHENTICATION", "401"),
    (Fail(403, "Country not supported"), "MODEL_AUTHENTICATION", "403"),
    (Fail(400, "API key not valid", "invalid_api_key"), "MODEL_AUTHENTICATION", "400"),
    (Fail(404, "The model does not exist", "model_not_found"), "MODEL_NOT_FOUND", "404"),
    (Fail(404, body=b"<html>nothing here</html>"), "MODEL_NOT_FOUND", "404"),
    (Fail(400, "No such model", "model_not_found"), "MODEL_NOT_FOUND", "400"),
    (Fail(429, "Slow down", retry_after="7"), "MODEL_RATE_LIMITED", "429"),
    (Fail(429, "You exceeded your quota", "insufficient_quota"), "MODEL_RATE_LIMITED", "429"),
    (Fail(402, "Insufficient credits"), "MODEL_RATE_LIMITED", "402"),
    (Fail(400, "maximum context length is 8192 tokens", "context_length_exceeded"), "MODEL_REJECTED", "400"),
    (Fail(413, "too large"), "MODEL_REJECTED", "413"),
    (Fail(422, body=b'{"detail": "messages: field required"}'), "MODEL_REJECTED", "422"),
    (Fail(500, "boom"), "MODEL_UNAVAILABLE", "500"),
    (Fail(503, body=b"upstream connect error"), "MODEL_UNAVAILABLE", "503"),
    (Fail(529, "overloaded"), "MODEL_UNAVAILABLE", "529"),
    (Fail(302, body=b""), "MODEL_PROTOCOL", "302"),
]


@pytest.mark.parametrize(("fail", "reason", "status"), REFUSALS, ids=lambda value: str(value)[:60])
async def test_every_refusal_has_its_reason(server: ModelServer, fail: Fail, reason: str, status: str) -> None:
    server.script = fail
    error = await failure(server)
    assert error.reason_name == reason
    assert error.metadata["model"] == "openai:scripted-1"
    assert error.metadata["http_status"] == status
    assert error.message.count("\n") == 0


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": {"message": "No such model: x"}}', "No such model: x"),
        (b'{"error": "model \'x\' not found"}', "model 'x' not found"),
        (b'[{"error": {"code": 404, "message": "models/x is not found"}}]', "models/x is not found"),
        (b'{"object": "error", "message": "The model `x` does not exist."}', "The model `x` does not exist."),
        (b'{"detail": "Not Found"}', "Not Found"),
    ],
)
async def test_the_providers_explanation_is_handed_on(server: ModelServer, body: bytes, said: str) -> None:
    server.script = Fail(404, body=body, content_type="application/json")
    error = await failure(server)
    assert error.metadata["provider_message"] == said
    assert said in error.message


async def test_no_key_gets_into_a_message(server: ModelServer) -> None:
    server.script = Fail(401, f"Incorrect API key provided: {KEY}. " + "x" * 1000, "invalid_api_key")
    error = await failure(server)
    assert KEY not in error.message
    assert KEY not in str(error.metadata)
    assert len(error.message) < 500


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("0.5", 0.5), ("soon", 1.0), (None, 1.0), ("-3", 0.0)])
async def test_retry_after_is_handed_on(server: ModelServer, header: str | None, seconds: float) -> None:
    server.script = Fail(429, retry_after=header)
    assert (await failure(server)).retry_after == seconds


BROKEN: dict[str, tuple[Steps, str]] = {
    "cut in the middle": ([Say("The lamp"), Cut()], "MODEL_UNAVAILABLE"),
    "cut before anything": ([Cut()], "MODEL_UNAVAILABLE"),
    "ended without a finish reason": ([Say("The lamp"), Finish(None)], "MODEL_UNAVAILABLE"),
    "garbage instead of JSON": ([Say("The lamp"), Raw(b"data: {not json}\n\n")], "MODEL_PROTOCOL"),
    "JSON of another kind": ([Raw(b'data: {"choices": 7}\n\n')], "MODEL_PROTOCOL"),
    "bytes that are no text": ([Raw(b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n')], "MODEL_PROTOCOL"),
    "an endless event": ([Raw(b"data: " + b"x" * (9 << 20))], "MODEL_PROTOCOL"),
    "an error in the stream": (
        [Say("The"), Raw(b'data: {"error":{"message":"overloaded","type":"server_error"}}\n\n')],
        "MODEL_UNAVAILABLE",
    ),
    "a rate limit in the stream": (
        [Raw(b'data: {"error":{"message":"slow down","code":429},"choices":[]}\n\n')],
        "MODEL_RATE_LIMITED",
    ),
    "a page": (Fail(200, body=b"<html>Welcome</html>"), "MODEL_PROTOCOL"),
    "a document without choices": (Fail(200, body=b"{}", content_type="application/json"), "MODEL_PROTOCOL"),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_every_broken_answer_has_its_reason(server: ModelServer, case: str) -> None:
    server.script, reason = BROKEN[case]
    assert (await failure(server)).reason_name == reason


@pytest.mark.parametrize("end", [Cut(), Raw(b'data: {"error":{"message":"broke off"}}\n\n')], ids=["cut", "error"])
async def test_what_came_before_the_break_has_been_given(server: ModelServer, end: Step) -> None:
    server.script = [Raw(b'data: {"choices":[{"delta":{"content":"The lamp costs"}}]}\n\n' * 2), end]
    got: list[str] = []
    async with opened(server.base_url) as model:
        parts = model.stream(ModelRequest("", [UserTurn("Hi")]))
        with pytest.raises(MeshError, match="broke off"):
            await collect(parts, got)
    assert "".join(got) == "The lamp costs" * 2


SOON = 15.0
"""For what takes a fraction of a second, and far more where a limit is not heeded."""
HANGS: dict[str, tuple[Steps, dict[str, float]]] = {
    "before the headers": (Hang(), {"model_first_token_timeout": 0.3}),
    "before the first delta": ([Raw(b""), Hang()], {"model_first_token_timeout": 0.3, "model_idle_timeout": 0.3}),
    "in the middle": ([Say("The lamp"), Hang()], {"model_idle_timeout": 0.3}),
}


@pytest.mark.parametrize("case", HANGS)
async def test_a_server_that_hangs_is_given_up_within_its_limit(server: ModelServer, case: str) -> None:
    server.script, limits = HANGS[case]
    start = time.monotonic()
    error = await failure(server, model_attempts=3, **limits)
    assert error.reason_name == "MODEL_UNAVAILABLE"
    assert error.metadata["timeout_ms"] == "300"
    assert 0.25 < time.monotonic() - start < SOON
    await server.wait_abandoned()


async def test_an_answer_may_take_longer_than_the_limit_of_each_silence(server: ModelServer) -> None:
    server.script = Tokens(12, 0.1)
    async with opened(server.base_url, model_first_token_timeout=1.0, model_idle_timeout=1.0) as model:
        assert await ask(model) == "tok " * 12


async def test_a_slow_reader_is_not_the_servers_silence(server: ModelServer) -> None:
    server.script = [Say("one"), Tokens(2000)]
    async with opened(server.base_url, model_idle_timeout=1.0) as model:
        parts = model.stream(ModelRequest("", [UserTurn("Hi")]))
        assert await anext(parts) == TextDelta("one")
        loop = asyncio.get_running_loop()
        waited = loop.create_future()
        loop.call_later(1.3, waited.set_result, None)
        await waited
        assert sum([isinstance(part, TextDelta) async for part in parts]) == 2000


async def test_nothing_listening_is_told_at_once() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        async with opened(f"http://127.0.0.1:{port}/v1") as model:
            with pytest.raises(MeshError) as caught:
                await ask(model)
    assert caught.value.reason_name == "MODEL_UNAVAILABLE"
    assert caught.value.metadata["address"] == f"127.0.0.1:{port}"
    assert caught.value.metadata["cause"] == "ECONNREFUSED"


async def test_a_host_that_never_accepts_is_given_up_within_the_connect_timeout() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        with socket.socket() as first, socket.socket() as second:
            for filler in (first, second):
                filler.setblocking(False)
                filler.connect_ex(address)
            async with opened(f"http://127.0.0.1:{address[1]}/v1", model_connect_timeout=0.3) as model:
                with pytest.raises(MeshError) as caught:
                    await ask(model)
    assert caught.value.reason_name == "MODEL_UNAVAILABLE"
    assert caught.value.metadata["timeout_ms"] == "300"


@pytest.mark.parametrize("first", [Fail(503), Fail(429, retry_after="0"), Fail(500, retry_after="0.1")], ids=str)
async def test_a_request_that_fails_before_its_answer_is_tried_again(server: ModelServer, first: Fail) -> None:
    server.script = in_order(first, Say("At last."))
    async with opened(server.base_url, model_attempts=2) as model:
        assert await ask(model) == "At last."
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "script",
    [Fail(401), Fail(404), Fail(400), Fail(429, retry_after="30"), [Say("The"), Cut()], Raw(b"data: garbage\n\n")],
    ids=str,
)
async def test_what_would_fail_again_is_not_tried_again(server: ModelServer, script: Steps) -> None:
    server.script = script
    start = time.monotonic()
    await failure(server, model_attempts=3)
    assert len(server.requests) == 1
    assert time.monotonic() - start < SOON


async def test_attempts_are_bounded(server: ModelServer) -> None:
    server.script = Fail(503, retry_after="0")
    assert (await failure(server, model_attempts=3)).reason_name == "MODEL_UNAVAILABLE"
    assert len(server.requests) == 3


async def test_openai_without_a_key_says_which_variable_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    model = open_model("openai:gpt-5", ModelSettings.load())
    with pytest.raises(MeshError) as caught:
        await ask(model)
    assert caught.value.reason_name == "MODEL_AUTHENTICATION"
    assert "OPENAI_API_KEY" in caught.value.message


async def test_closing_the_model_ends_its_answers(server: ModelServer) -> None:
    server.script = [Say("The"), Hang()]
    async with opened(server.base_url) as model:
        parts = model.stream(ModelRequest("", [UserTurn("Hi")]))
        await anext(parts)
        await model.close()
        with pytest.raises(MeshError) as caught:
            await anext(parts)
        assert caught.value.reason_name == "MODEL_UNAVAILABLE"
        with pytest.raises(MeshError) as caught:
            await ask(model)
        assert caught.value.reason_name == "MODEL_UNAVAILABLE"
