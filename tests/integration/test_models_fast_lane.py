"""The fast lane against a scripted server on a real socket: what comes through, whatever the server's dialect."""

from __future__ import annotations

import asyncio
import json
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
from tests.model_script import (
    Call,
    Fail,
    Finish,
    Hang,
    Late,
    Raw,
    Report,
    Request,
    Say,
    Step,
    Steps,
    Think,
    Tokens,
    in_turn,
)
from tests.model_server import ModelServer

OPEN = ToolSchema("browser.open", "Open a page.", {"type": "object", "properties": {"url": {"type": "string"}}})
READ = ToolSchema("file.read", "Read a file.", {"type": "object", "properties": {"path": {"type": "string"}}})


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer(Say("Hello.")) as server:
        yield server


@pytest.fixture
async def model(server: ModelServer) -> AsyncIterator[Model]:
    settings = ModelSettings.load(openai_base_url=server.base_url, openai_api_key="sk-test", model_attempts=1)
    model = open_model("openai:scripted-1", settings)
    yield model
    await model.close()


async def answer(model: Model, *turns: Any, tools: tuple[ToolSchema, ...] = (OPEN, READ)) -> list[Part]:
    request = ModelRequest("You are a test.", turns or (UserTurn("Hi"),), tools)
    async with aclosing(model.stream(request)) as parts:
        return [part async for part in parts]


def text_of(parts: list[Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextDelta))


def calls_of(parts: list[Part]) -> list[tuple[str, dict[str, Any]]]:
    return [(part.tool, part.arguments) for part in parts if isinstance(part, ToolCall)]


async def test_text_streams_in_the_deltas_of_the_server_and_ends_with_usage_and_the_finish(
    server: ModelServer, model: Model
) -> None:
    server.script = [Say("The lamp costs 49 €."), Report(120, 7, cached=100, reasoning=2)]
    assert await answer(model) == [
        *(TextDelta(text) for text in ("The", " lamp", " costs", " 49", " €.")),
        Usage(120, 7, cached_input_tokens=100, reasoning_tokens=2),
        Finished("stop"),
    ]


async def test_the_first_delta_arrives_while_the_server_is_still_speaking(server: ModelServer, model: Model) -> None:
    server.script = [Say("first"), Hang()]
    async with aclosing(model.stream(ModelRequest("", [UserTurn("Hi")]))) as parts:
        assert await anext(parts) == TextDelta("first")


@pytest.mark.parametrize("fragments", [1, 3, 20, 0])
async def test_parallel_tool_calls_come_whole_in_order_and_under_their_own_names(
    server: ModelServer, model: Model, fragments: int
) -> None:
    server.script = [
        Say("Looking."),
        Call("browser.open", {"url": "http://a.test/"}, fragments=fragments),
        Call("file.read", {"path": "ü.txt"}, fragments=fragments),
        Call("browser.open", {}, fragments=fragments),
    ]
    parts = await answer(model)
    assert calls_of(parts) == [
        ("browser.open", {"url": "http://a.test/"}),
        ("file.read", {"path": "ü.txt"}),
        ("browser.open", {}),
    ]
    ids = [part.call_id for part in parts if isinstance(part, ToolCall)]
    assert len(set(ids)) == 3
    assert parts[-1] == Finished("tool_calls")


DIALECTS: dict[str, tuple[Step, ...]] = {
    "every call under one id": (
        Call("file.read", {"path": "a"}, "call_0"),
        Call("browser.open", {"url": "b"}, "call_0"),
    ),
    "no ids": (Call("file.read", {"path": "a"}, ""), Call("browser.open", {"url": "b"}, "")),
    "whole calls without ids": (
        Call("file.read", {"path": "a"}, "", fragments=0),
        Call("browser.open", {"url": "b"}, "", fragments=0),
    ),
    "finish reason stop": (Call("file.read", {"path": "a"}), Call("browser.open", {"url": "b"}), Finish("stop")),
    "one index for all": (
        Raw(
            b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"x","function":{"name":"file_read",'
            b'"arguments":"{\\"path\\":\\"a\\"}"}}]}}]}\n\n'
            b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"y","function":{"name":"browser_open",'
            b'"arguments":"{\\"url\\":\\"b\\"}"}}]}}]}\n\n'
        ),
        Finish("tool_calls"),
    ),
    "arguments as an object": (
        Raw(
            b'data: {"choices":[{"delta":{"tool_calls":[{"function":{"name":"file_read","arguments":{"path":"a"}}},'
            b'{"function":{"name":"browser_open","arguments":{"url":"b"}}}]}}]}\n\n'
        ),
        Finish("tool_calls"),
    ),
    "CRLF, comments and no space after the colon": (
        Raw(
            b": PROCESSING\r\n\r\nevent: message\r\n"
            b'data:{"choices":[{"delta":{"tool_calls":[{"function":{"name":"file_read","arguments":"{\\"path\\":\\"a\\"}"}},'
            b'{"function":{"name":"browser_open","arguments":"{\\"url\\":\\"b\\"}"}}]}}]}\r\n\r\n'
        ),
        Finish("tool_calls"),
    ),
    "null choices and null deltas": (
        Raw(b'data: {"choices":null,"usage":null}\n\ndata: {"choices":[{"delta":null}]}\n\n'),
        Call("file.read", {"path": "a"}),
        Call("browser.open", {"url": "b"}),
    ),
}


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_tool_calls_are_understood_in_every_dialect(server: ModelServer, model: Model, dialect: str) -> None:
    server.script = DIALECTS[dialect]
    parts = await answer(model)
    assert calls_of(parts) == [("file.read", {"path": "a"}), ("browser.open", {"url": "b"})]
    assert parts[-1] == Finished("tool_calls")
    assert len({part.call_id for part in parts if isinstance(part, ToolCall)}) == 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ('{"url": "http://a', "not valid JSON"),
        ("no json at all", "not valid JSON"),
        ('["http://a.test/"]', "a JSON array"),
        ('"http://a.test/"', "a JSON string"),
        ("null", "a JSON null"),
    ],
)
async def test_broken_arguments_become_a_call_with_an_error_and_not_a_failed_answer(
    server: ModelServer, model: Model, arguments: str, complaint: str
) -> None:
    server.script = [Call("browser.open", arguments), Call("file.read", {"path": "a"})]
    broken, whole = (part for part in await answer(model) if isinstance(part, ToolCall))
    assert broken.arguments == {}
    assert complaint in (broken.arguments_error or "")
    assert whole.arguments == {"path": "a"}
    assert whole.arguments_error is None


async def test_tools_whose_names_are_alike_on_the_wire_are_told_apart(server: ModelServer, model: Model) -> None:
    tools = tuple(ToolSchema(name, "", {"type": "object"}) for name in ("a.b", "a_b", "a b", "x" * 80, "x" * 90))
    server.script = lambda request: [Call(name, {}) for name in request.tools]
    parts = await answer(model, tools=tools)
    assert [tool for tool, _ in calls_of(parts)] == [tool.name for tool in tools]
    assert all(len(name) <= 64 and name.replace("_", "").isalnum() for name in server.requests[0].tools)


async def test_a_tool_that_was_not_offered_is_passed_on_as_it_came(server: ModelServer, model: Model) -> None:
    server.script = [Call("rocket_launch", {})]
    assert calls_of(await answer(model)) == [("rocket_launch", {})]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_reasoning_is_kept_apart_from_the_text(server: ModelServer, model: Model, field: str) -> None:
    server.script = [Think("Let me think.", field), Say("Done.")]
    parts = await answer(model)
    assert "".join(part.text for part in parts if isinstance(part, ReasoningDelta)) == "Let me think."
    assert text_of(parts) == "Done."


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ([Say("a"), Finish("length")], "length"),
        ([Say("a"), Finish("content_filter")], "refused"),
        ([Say("a"), Finish("eos")], "stop"),
        ([Raw(b'data: {"choices":[{"delta":{"refusal":"I will not."}}]}\n\n'), Finish("stop")], "refused"),
    ],
)
async def test_the_finish_reason_is_one_of_ours(server: ModelServer, model: Model, steps: Steps, reason: str) -> None:
    server.script = steps
    last = (await answer(model))[-1]
    assert isinstance(last, Finished)
    assert last.reason == reason


async def test_a_server_that_does_not_stream_is_understood_too(server: ModelServer, model: Model) -> None:
    document = {
        "choices": [{"message": {"role": "assistant", "content": "All at once."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4},
    }
    server.script = Fail(200, body=json.dumps(document).encode(), content_type="application/json")
    assert await answer(model) == [TextDelta("All at once."), Usage(3, 4), Finished("stop")]


async def test_the_conversation_reaches_the_server_in_its_own_form(server: ModelServer, model: Model) -> None:
    call = ToolCall("call_1", "browser.open", {"url": "http://a.test/"})
    await answer(
        model,
        UserTurn("What is this?", (Image("image/png", b"\x89PNG"),)),
        AssistantTurn("I look.", (call, ToolCall("call_2", "file.read", {}, "not JSON"))),
        ToolTurn("call_2", "file.read", "not JSON", is_error=True),
        ToolTurn("call_1", "browser.open", "A page."),
    )
    request = server.requests[0]
    assert request.headers["Authorization"] == "Bearer sk-test"
    assert request.body["model"] == "scripted-1"
    assert request.body["stream_options"] == {"include_usage": True}
    system, user, assistant, error, page = request.messages
    assert system == {"role": "system", "content": "You are a test."}
    assert user["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
    ]
    first, second = assistant["tool_calls"]
    assert first["function"] == {"name": "browser_open", "arguments": '{"url":"http://a.test/"}'}
    assert (page["tool_call_id"], error["tool_call_id"]) == (first["id"], second["id"])
    assert first["id"] != second["id"]
    assert page["content"] == "A page."
    assert error["content"] == "Error: not JSON"
    assert request.body["tools"][0]["function"]["parameters"] == OPEN.parameters


async def test_a_conversation_goes_round_with_tool_results(server: ModelServer, model: Model) -> None:
    def script(request: Request) -> Steps:
        return Call("file.read", {"path": "a.txt"}) if request.step == 0 else Say(f"It says {request.tool_results[0]}.")

    server.script = script
    turns: list[Any] = [UserTurn("Read a.txt")]
    (call,) = (part for part in await answer(model, *turns) if isinstance(part, ToolCall))
    turns += [AssistantTurn("", (call,)), ToolTurn(call.call_id, call.tool, "forty-two")]
    assert text_of(await answer(model, *turns)) == "It says forty-two."


STATE = {
    "reasoning_content": b'{"choices":[{"delta":{"reasoning_content":"Hm."}}]}',
    "reasoning_details": b'{"choices":[{"delta":{"reasoning_details":[{"type":"reasoning.encrypted","data":"x"}]}}]}',
}


@pytest.mark.parametrize("field", STATE)
async def test_reasoning_goes_back_to_its_endpoint_with_the_calls_it_led_to(
    server: ModelServer, model: Model, field: str
) -> None:
    server.script = in_turn([Raw(b"data: " + STATE[field] + b"\n\n"), Call("file.read", {"path": "a"})], Say("done"))
    parts = await answer(model)
    call, finished = (part for part in parts if isinstance(part, ToolCall | Finished))
    assert isinstance(call, ToolCall)
    assert isinstance(finished, Finished)
    before = AssistantTurn("", (call,), finished.provider_state)
    await answer(model, UserTurn("Hi"), before, ToolTurn(call.call_id, call.tool, "a"))
    sent = json.loads(STATE[field])["choices"][0]["delta"][field]
    assert server.requests[1].messages[2][field] == sent


@pytest.mark.parametrize("delay", [0.0, 0.01])
async def test_the_connection_of_a_whole_answer_serves_again(server: ModelServer, model: Model, delay: float) -> None:
    server.script = [Say("Hello."), Late(delay)]
    async with asyncio.timeout(30):
        before = -1
        while server.connections != before:
            before = server.connections
            await answer(model)


async def test_two_hundred_answers_stream_at_once(server: ModelServer, model: Model) -> None:
    server.script = Tokens(5, 0.01)
    answers = await asyncio.gather(*(answer(model) for _ in range(200)))
    assert {text_of(parts) for parts in answers} == {"tok " * 5}


@pytest.mark.parametrize("stop", ["close the generator", "cancel the task"])
async def test_an_answer_nobody_wants_any_more_closes_its_connection(
    server: ModelServer, model: Model, stop: str
) -> None:
    server.script = [Say("first"), Hang()]
    parts = model.stream(ModelRequest("", [UserTurn("Hi")]))
    await anext(parts)
    assert server.active == 1
    if stop == "close the generator":
        await parts.aclose()
    else:
        waiting = asyncio.ensure_future(anext(parts))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await server.wait_abandoned()
    assert server.active == 0
