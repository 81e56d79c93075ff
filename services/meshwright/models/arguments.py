"""The arguments of a tool call as a model wrote them."""

from __future__ import annotations

from typing import Any

import msgspec


def parse_arguments(written: str | dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """The arguments; or none of them and what is wrong, told to the model. Nothing at all stands for no arguments."""
    if isinstance(written, dict):
        return written, None
    if not written.strip():
        return {}, None
    try:
        value = msgspec.json.decode(written)
    except msgspec.DecodeError as error:
        return {}, f"The arguments are not valid JSON ({error}). Send the call again with one JSON object."
    if not isinstance(value, dict):
        return {}, f"The arguments are a JSON {_kind(value)}. Send the call again with one JSON object."
    return value, None


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case _:
            return "array"
