"""Between google.protobuf.Struct and plain JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.struct_pb2 import Struct, Value

if TYPE_CHECKING:
    from collections.abc import Mapping

EXACT_INTEGER = 2**53
"""Beyond this a double no longer holds every integer."""


def to_json(struct: Struct) -> dict[str, Any]:
    """The struct as a dict. Whole numbers become ints: JSON does not tell 3 from 3.0, and people expect 3."""
    return {key: value_to_json(value) for key, value in struct.fields.items()}


def value_to_json(value: Value) -> Any:
    """One value of a struct; an unset one is None."""
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() and abs(number) <= EXACT_INTEGER else number
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return to_json(value.struct_value)
        case "list_value":
            return [value_to_json(item) for item in value.list_value.values]
        case _:
            return None


def to_struct(fields: Mapping[str, Any]) -> Struct:
    """A struct of JSON values (dicts, lists, str, int, float, bool, None)."""
    struct = Struct()
    struct.update(fields)
    return struct


def to_value(value: Any) -> Value:
    """One JSON value as a protobuf Value."""
    return to_struct({"value": value}).fields["value"]
