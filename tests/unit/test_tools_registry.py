"""The registry of tools, and what a tool says of itself."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, Field

from meshwright.serving.errors import MeshError
from meshwright.tools.arguments import Arguments
from meshwright.tools.catalogue import catalogue
from meshwright.tools.context import CallContext
from meshwright.tools.json_struct import to_json
from meshwright.tools.output import Output
from meshwright.tools.registry import Registry
from meshwright.tools.settings import ToolSettings
from meshwright.tools.tool import Annotations, Tool, tool


class CountArguments(Arguments):
    text: str = Field(description="Text to count.")


class Count(BaseModel):
    words: int = Field(description="Words in it.")


class Undescribed(Arguments):
    text: str


def counter(name: str = "text.count") -> Tool:
    @tool(name, Annotations(read_only=True, idempotent=True, default_timeout=5, max_timeout=60))
    async def count(args: CountArguments, call: CallContext) -> Output[Count]:
        """Counts the words
        of a text."""
        words = len(args.text.split())
        return Output(text=f"{words} words", structured=Count(words=words))

    return count


def test_a_tool_tells_its_schemas_and_annotations() -> None:
    message = counter().message
    assert message.name == "text.count"
    assert message.description == "Counts the words\nof a text."
    assert to_json(message.arguments_schema)["required"] == ["text"]
    assert to_json(message.result_schema)["properties"]["words"]["type"] == "integer"
    annotations = message.annotations
    assert annotations.read_only
    assert annotations.idempotent
    assert not annotations.destructive
    assert (annotations.default_timeout.seconds, annotations.max_timeout.seconds) == (5, 60)


@pytest.mark.parametrize(("asked", "given"), [(0, 5), (0.25, 0.25), (60, 60), (3600, 60)])
def test_a_calls_deadline_is_the_default_or_what_it_asks_for_within_the_bound(asked: float, given: float) -> None:
    assert counter().timeout(asked) == given


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("browser.fly", ""),
        ("browser.opne", "browser.open"),
        ("file_read", "file.read"),
        ("read", "file.read"),
        ("search", "search.files"),
    ],
)
def test_an_unknown_name_is_answered_with_those_near_to_it(name: str, near: str) -> None:
    with pytest.raises(MeshError) as caught:
        Registry(catalogue(ToolSettings.load())).get(name)
    assert caught.value.reason_name == "TOOL_NOT_FOUND"
    assert caught.value.metadata["tool"] == name
    assert near in caught.value.metadata["near"].split(", ") or not near
    assert near in caught.value.message


@pytest.mark.parametrize("name", ["Text.Count", "", "text count", "a" * 65])
def test_a_malformed_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a tool's name"):
        Registry([counter(name)])


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match=r"two tools are called text\.count"):
        Registry([counter(), counter()])


def test_an_argument_without_a_description_is_refused() -> None:
    @tool("text.bare", Annotations())
    async def bare(args: Undescribed, call: CallContext) -> Output[Count]:
        """Has an argument that no model could understand."""
        return Output(text=args.text)

    with pytest.raises(ValueError, match="arguments without a description: text"):
        Registry([bare])
