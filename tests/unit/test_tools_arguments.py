"""Arguments: what models are told of them, and what is said of wrong ones."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from jsonschema import Draft202012Validator
from pydantic import Field

from meshwright.serving.errors import MeshError
from meshwright.tools.arguments import Arguments, decode, json_schema
from meshwright.tools.catalogue import catalogue
from meshwright.tools.json_struct import to_json, to_struct
from meshwright.tools.settings import ToolSettings


class Order(Arguments):
    """What the tests order."""

    item: str = Field(description="What to order.", max_length=10)
    count: int = Field(default=1, ge=1, le=5, description="How many.")
    size: Literal["small", "large"] = Field(default="small", description="Which size.")
    tags: list[str] = Field(default_factory=list, description="Notes.")


def refusal(**arguments: Any) -> MeshError:
    with pytest.raises(MeshError) as caught:
        decode("test.order", Order, to_struct(arguments))
    return caught.value


def test_a_whole_number_is_an_int_although_the_wire_knows_doubles_only() -> None:
    order = decode("test.order", Order, to_struct({"item": "lamp", "count": 3}))
    assert order.count == 3
    assert type(order.count) is int


def test_every_violated_argument_is_named_at_once() -> None:
    error = refusal(count=9, size="medium", tags=["a", 5], colour="red")
    assert error.reason_name == "TOOL_ARGUMENTS"
    assert error.metadata["tool"] == "test.order"
    assert {violation.field for violation in error.violations} == {
        "arguments.item",
        "arguments.count",
        "arguments.size",
        "arguments.tags[1]",
        "arguments.colour",
    }


@pytest.mark.parametrize(
    ("arguments", "field", "said"),
    [
        ({}, "arguments.item", "is required"),
        ({"item": "lamp", "colour": "red"}, "arguments.colour", "is not an argument of this tool"),
        ({"item": "a very long item"}, "arguments.item", "should have at most 10 characters"),
        ({"item": "lamp", "count": 1.5}, "arguments.count", "should be a valid integer"),
        ({"item": "lamp", "size": "huge"}, "arguments.size", "should be 'small' or 'large'"),
        ({"item": None}, "arguments.item", "should be a valid string"),
    ],
)
def test_a_violation_says_what_is_expected(arguments: dict[str, Any], field: str, said: str) -> None:
    [violation] = refusal(**arguments).violations
    assert violation.field == field
    assert violation.description.startswith(said)


def test_a_schema_is_of_draft_2020_12_and_carries_no_needless_titles() -> None:
    schema = json_schema(Order)
    Draft202012Validator.check_schema(schema)
    assert schema["type"] == "object"
    assert schema["required"] == ["item"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["count"] == {
        "default": 1,
        "description": "How many.",
        "maximum": 5,
        "minimum": 1,
        "type": "integer",
    }


@pytest.mark.parametrize("tool", catalogue(ToolSettings.load(browser_evaluate=True)), ids=lambda tool: tool.name)
def test_every_tool_of_the_catalogue_describes_itself_to_models(tool: Any) -> None:
    for schema in (to_json(tool.message.arguments_schema), to_json(tool.message.result_schema)):
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        assert all(field.get("description") for field in schema["properties"].values())
    assert len(tool.description) > 20
    assert "\n\n" not in tool.description
    assert 0 < tool.annotations.default_timeout <= tool.annotations.max_timeout


def test_evaluate_is_offered_only_where_the_operator_allows_it() -> None:
    def names(*, allowed: bool) -> set[str]:
        return {tool.name for tool in catalogue(ToolSettings.load(browser_evaluate=allowed))}

    assert names(allowed=True) - names(allowed=False) == {"browser.evaluate"}
