"""The wide lane: a real client of Anthropic's, by way of pydantic-ai, against a scripted server that speaks its protocol."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from meshwright.models import (
    AssistantTurn,
    Finished,
    Image,
    Model,
    ModelRequest,
    Part,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolSchema,
    ToolTurn,
    Usage,
    UserTurn,
)
from meshwright.models.registry import open_model
from meshwright.models.settings import ModelSettings
from meshwright.serving.errors import MeshError
from tests.model_script import Call, Cut, Fail, Finish, Hang, Raw, Report, Request, Say, Steps, Think
from tests.model_server import ModelServer

SPEC = "anthropic:claude-sonnet-5-5"
OPEN = ToolSchema("browser.open", "Open a page.", {"type": "object", "properties": {"url": {"type": "string"}}})
READ = ToolSchema("file.read", "Read a file.", {"type": "object", "properties": {"path": {"type": "string"}}})


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ModelServer]:
    async with ModelServer(Say("Hello.")) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.origin)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test-0123456789abcdef")
        yield server


@pytest.fixture
async def model(server: ModelServer) -> AsyncIterator[Model]:
    model = open_model(SPEC, limited())
    yield model
    await model.close()


def limited(**settings: Any) -> ModelSettings:
    return ModelSettings.load(**{"model_attempts": 1, **settings})


async def answer(model: Model, *turns: Any) -> list[Part]:
    request = ModelRequest("You are a test.", turns or (UserTurn("Hi"),), (OPEN, READ))
    async with aclosing(model.stream(request)) as parts:
        return [part async for part in parts]


async def test_text_streams_and_ends_with_usage_its_price_and_the_finish(server: ModelServer, model: Model) -> None:
    server.script = [Say("The lamp costs 49."), Report(1000, 100, cached=200)]
    parts = await answer(model)
    assert parts[:-2] == [TextDelta(text) for text in ("The", " lamp", " costs", " 49.")]
    assert parts[-2] == Usage(1000, 100, cached_input_tokens=200, cost_micros=2 * 800 + 10 * 100 + 20)
    assert parts[-1] == Finished("stop")


async def test_parallel_tool_calls_come_whole_under_their_own_names(server: ModelServer, model: Model) -> None:
    server.script = [Say("Looking."), Call("browser.open", {"url": "http://a.test/"}), Call("file.read", {"path": "ü"})]
    parts = await answer(model)
    calls = [part for part in parts if isinstance(part, ToolCall)]
    assert [(call.tool, call.arguments) for call in calls] == [
        ("browser.open", {"url": "http://a.test/"}),
        ("file.read", {"path": "ü"}),
    ]
    assert all(call.call_id.startswith("call_") for call in calls)
    assert parts[-1] == Finished("tool_calls")


async def test_broken_arguments_become_a_call_with_an_error(server: ModelServer, model: Model) -> None:
    server.script = [Call("browser.open", '{"url": "http')]
    (call,) = (part for part in await answer(model) if isinstance(part, ToolCall))
    assert call.arguments == {}
    assert "not valid JSON" in (call.arguments_error or "")


async def test_the_conversation_reaches_the_provider_in_its_own_form(server: ModelServer, model: Model) -> None:
    call = ToolCall("call_1", "browser.open", {"url": "http://a.test/"})
    await answer(
        model,
        UserTurn("What is this?", (Image("image/png", b"\x89PNG"),)),
        AssistantTurn("I look.", (call, ToolCall("call_2", "file.read", {"path": "a"}))),
        ToolTurn("call_2", "file.read", "No such file.", is_error=True),
        ToolTurn("call_1", "browser.open", "A page."),
    )
    request = server.requests[0]
    assert "sk-ant-test-0123456789abcdef" in request.headers["authorization"]
    assert request.body["model"] == "claude-sonnet-5-5"
    assert "You are a test." in str(request.body["system"])
    assert request.tools == ["browser_open", "file_read"]
    user, assistant, *results = request.messages
    assert [block["type"] for block in user["content"]] == ["text", "image"]
    text, first, second = assistant["content"]
    assert (text["text"], first["name"], first["input"]) == ("I look.", "browser_open", {"url": "http://a.test/"})
    by_id = {result["block"]["tool_use_id"]: result["block"] for result in results}
    assert by_id[first["id"]].get("is_error", False) is False
    assert by_id[second["id"]]["is_error"] is True


async def test_reasoning_is_kept_apart_and_goes_back_signed(server: ModelServer, model: Model) -> None:
    def script(request: Request) -> Steps:
        if request.step == 0:
            return [Think("Let me think."), Say("I look."), Call("file.read", {"path": "a"})]
        return Say(f"It says {request.tool_results[0]}.")

    server.script = script
    parts = await answer(model)
    assert "".join(part.text for part in parts if isinstance(part, ReasoningDelta)) == "Let me think."
    call, finished = (part for part in parts if isinstance(part, ToolCall | Finished))
    assert isinstance(call, ToolCall)
    assert isinstance(finished, Finished)
    before = AssistantTurn("I look.", (call,), finished.provider_state)
    last = await answer(model, UserTurn("Hi"), before, ToolTurn(call.call_id, call.tool, "forty-two"))
    assert "".join(part.text for part in last if isinstance(part, TextDelta)) == "It says forty-two."
    thinking, _, use = server.requests[1].messages[1]["content"]
    assert (thinking["thinking"], thinking["signature"]) == ("Let me think.", "c2lnbmVk")
    assert server.requests[1].messages[2]["block"]["tool_use_id"] == use["id"]


@pytest.mark.parametrize(
    ("reason", "ours"),
    [("stop", "stop"), ("length", "length"), ("content_filter", "refused"), ("stop_sequence", "stop")],
)
async def test_the_finish_reason_is_one_of_ours(server: ModelServer, model: Model, reason: str, ours: str) -> None:
    server.script = [Say("a"), Finish(reason)]
    last = (await answer(model))[-1]
    assert isinstance(last, Finished)
    assert last.reason == ours


def refusal(status: int, kind: str, **more: Any) -> Fail:
    body = f'{{"type":"error","error":{{"type":"{kind}","message":"the provider says so"}}}}'
    return Fail(status, body=body.encode(), content_type="application/json", **more)


REFUSALS: list[tuple[Steps, str]] = [
    (refusal(401, "authentication_error"), "MODEL_AUTHENTICATION"),
    (refusal(403, "permission_error"), "MODEL_AUTHENTICATION"),
    (refusal(404, "not_found_error"), "MODEL_NOT_FOUND"),
    (refusal(400, "invalid_request_error"), "MODEL_REJECTED"),
    (refusal(413, "request_too_large"), "MODEL_REJECTED"),
    (refusal(429, "rate_limit_error", retry_after="7"), "MODEL_RATE_LIMITED"),
    (refusal(500, "api_error"), "MODEL_UNAVAILABLE"),
    (refusal(529, "overloaded_error"), "MODEL_UNAVAILABLE"),
    ([Say("The"), Cut()], "MODEL_UNAVAILABLE"),
    ([Say("The"), Finish(None)], "MODEL_UNAVAILABLE"),
    (
        [
            Say("The"),
            Raw(b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n'),
        ],
        "MODEL_UNAVAILABLE",
    ),
    ([Raw(b"event: content_block_delta\ndata: {not json}\n\n")], "MODEL_UNAVAILABLE"),
    (Fail(200, body=b"<html>Welcome</html>"), "MODEL_PROTOCOL"),
]


@pytest.mark.parametrize(("script", "reason"), REFUSALS, ids=lambda value: str(value)[:70])
async def test_every_failure_has_its_reason(server: ModelServer, model: Model, script: Steps, reason: str) -> None:
    server.script = script
    with pytest.raises(MeshError) as caught:
        await answer(model)
    assert caught.value.reason_name == reason
    assert caught.value.metadata["model"] == SPEC
    if isinstance(script, Fail) and script.status != 200:
        assert caught.value.metadata["http_status"] == str(script.status)
        assert "the provider says so" in caught.value.message
    if isinstance(script, Fail) and script.retry_after:
        assert caught.value.retry_after == 7.0


@pytest.mark.parametrize("script", [Hang(), [Say("The"), Hang()]], ids=["before the headers", "in the middle"])
async def test_a_provider_that_hangs_is_given_up_within_its_limit(server: ModelServer, script: Steps) -> None:
    warm = open_model(SPEC, limited())
    await answer(warm)
    await warm.close()
    server.script = script
    model = open_model(SPEC, limited(model_first_token_timeout=0.5, model_idle_timeout=0.5))
    start = time.monotonic()
    with pytest.raises(MeshError) as caught:
        await answer(model)
    assert caught.value.reason_name == "MODEL_UNAVAILABLE"
    assert time.monotonic() - start < 15
    await server.wait_abandoned()
    await model.close()


async def test_an_answer_nobody_wants_any_more_closes_its_connection(server: ModelServer, model: Model) -> None:
    server.script = [Say("first"), Hang()]
    parts = model.stream(ModelRequest("", [UserTurn("Hi")]))
    assert await anext(parts) == TextDelta("first")
    waiting = asyncio.ensure_future(anext(parts))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await server.wait_abandoned()


async def test_a_missing_key_says_which_variable_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    model = open_model(SPEC, limited())
    with pytest.raises(MeshError) as caught:
        await answer(model)
    assert caught.value.reason_name == "MODEL_AUTHENTICATION"
    assert "ANTHROPIC_API_KEY" in caught.value.message


async def test_nothing_listening_is_unavailable(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    model = open_model(SPEC, limited())
    with pytest.raises(MeshError) as caught:
        await answer(model)
    assert caught.value.reason_name == "MODEL_UNAVAILABLE"
    await model.close()
