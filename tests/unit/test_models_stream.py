"""The pieces of the fast lane that have an invariant: events, tool calls, names, ids, prices."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshwright.models import ToolSchema, Usage
from meshwright.models.call_ids import new_call_id, wire_call_id
from meshwright.models.failures import retry_after_seconds, said_by_provider
from meshwright.models.openai_lane.chunks import CallFragment, Function
from meshwright.models.openai_lane.events import EventSplitter
from meshwright.models.openai_lane.tool_calls import CallAssembler
from meshwright.models.pricing import price
from meshwright.models.tool_names import ToolNames

LINE = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=40)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces: list[bytes] = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


@given(st.lists(LINE, max_size=8), st.lists(st.integers(0, 30), max_size=20), st.sampled_from([b"\n", b"\r\n"]))
def test_events_are_the_same_however_the_bytes_are_cut(texts: list[str], sizes: list[int], end: bytes) -> None:
    stream = b"".join(b": comment" + end + b"data: " + text.encode() + end + end for text in texts)
    splitter = EventSplitter()
    events = [event for piece in cut(stream, sizes) for event in splitter.feed(piece)] + splitter.finish()
    assert [event.strip() for event in events] == [text.strip().encode() for text in texts]


@given(st.lists(LINE, min_size=2, max_size=4))
def test_the_lines_of_one_event_are_joined(lines: list[str]) -> None:
    stream = b"".join(b"data:" + line.encode() + b"\n" for line in lines) + b"\n"
    assert EventSplitter().feed(stream) == ["\n".join(lines).encode()]


def test_the_last_event_needs_no_blank_line() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: a") == []
    assert splitter.finish() == [b" a"]
    assert splitter.finish() == []


ARGUMENTS = st.dictionaries(st.text(max_size=8), st.text(max_size=20) | st.integers() | st.booleans(), max_size=4)


@given(st.lists(ARGUMENTS, min_size=1, max_size=4), st.data())
def test_calls_are_whole_however_their_fragments_are_cut_and_mixed(
    calls: list[dict[str, Any]], data: st.DataObject
) -> None:
    left = {index: json.dumps(arguments) for index, arguments in enumerate(calls)}
    assembler = CallAssembler()
    for index in left:
        assembler.add(CallFragment(index, f"id{index}", Function(f"tool{index}", "")))
    while left:
        index = data.draw(st.sampled_from(sorted(left)))
        size = data.draw(st.integers(1, 10))
        assembler.add(CallFragment(index, None, Function(None, left[index][:size])))
        left[index] = left[index][size:]
        if not left[index]:
            del left[index]
    assert [(call.name, call.arguments()) for call in assembler.whole()] == [
        (f"tool{index}", (arguments, None)) for index, arguments in enumerate(calls)
    ]


@given(st.lists(st.text(min_size=1, max_size=80), unique=True, max_size=6))
def test_tool_names_come_back_from_the_wire(names: list[str]) -> None:
    tools = ToolNames([ToolSchema(name, "", {}) for name in names])
    wire = [tools.to_wire(name) for name in names]
    assert [tools.to_mesh(name) for name in wire] == names
    assert all(len(name) <= 64 and name.replace("_", "").replace("-", "").isascii() for name in wire)


def test_call_ids_are_unique_and_their_wire_form_fits_every_provider() -> None:
    ids = {new_call_id() for _ in range(1000)}
    wire = {wire_call_id(call_id) for call_id in ids}
    assert len(ids) == len(wire) == 1000
    assert all(len(call_id) == 9 and call_id.isalnum() for call_id in wire)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0.25", 0.25), ("-1", 0.0), ("inf", None), ("nan", None), ("", None), ("soon", None), (None, None)],
)
def test_retry_after_is_read_by_number(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header) == seconds


def test_retry_after_is_read_by_date() -> None:
    assert retry_after_seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert (retry_after_seconds("Wed, 21 Oct 2150 07:28:00 GMT") or 0) > 1e6


@pytest.mark.parametrize(
    "key", ["sk-proj-abcdef0123456789", "sk-ant-REDACTED", "AIzaSyA-0123456789abcdefghij", "gsk_0123456789abcdef"]
)
def test_no_key_is_repeated(key: str) -> None:
    assert (
        said_by_provider(f"Incorrect API key provided: {key}.\nTry again.")
        == "Incorrect API key provided: [key] Try again."
    )


async def test_a_known_model_has_its_list_price() -> None:
    usage = Usage(input_tokens=1_000_000, output_tokens=0)
    assert (await price(usage, "openai", "gpt-5")).cost_micros == 1_250_000
    cached = Usage(input_tokens=1_000_000, output_tokens=0, cached_input_tokens=1_000_000)
    assert ((await price(cached, "openai", "gpt-5")).cost_micros or 0) < 1_250_000


@pytest.mark.parametrize(("provider", "model"), [("openai", "no-such-model"), ("nobody", "gpt-5")])
async def test_an_unknown_model_has_no_price(provider: str, model: str) -> None:
    usage = Usage(input_tokens=10, output_tokens=10)
    assert await price(usage, provider, model) == usage
