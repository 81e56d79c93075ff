"""Typed arguments: their JSON Schema for models, and their decoding with every violation named at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.json_schema import GenerateJsonSchema

from meshwright.serving.errors import MeshError, Violation
from meshwright.tools.json_struct import to_json
from meshwright.v1 import error_reason_pb2 as reasons

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Struct
    from pydantic_core import ErrorDetails

PATH_PREFIX = "arguments"
"""Every violated field path begins with it: `arguments.url`."""


class Arguments(BaseModel):
    """Base of every tool's arguments. Every field carries a description, written for a model."""

    model_config = ConfigDict(extra="forbid", frozen=True)


A = TypeVar("A", bound=Arguments)


class _ModelFacingSchema(GenerateJsonSchema):
    """Draft 2020-12 without the titles that pydantic derives from names: they cost a model tokens and tell it nothing."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def json_schema(model: type[BaseModel], *, of_result: bool = False) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a model: what it accepts, or with `of_result` what it gives."""
    mode: Literal["serialization", "validation"] = "serialization" if of_result else "validation"
    schema = model.model_json_schema(schema_generator=_ModelFacingSchema, mode=mode)
    for part in (schema, *schema.get("$defs", {}).values()):
        part.pop("title", None)
    schema.pop("description", None)
    return schema


def decode(tool: str, model: type[A], struct: Struct) -> A:
    """The arguments of a call. Raises TOOL_ARGUMENTS naming every violated field."""
    try:
        return model.model_validate(to_json(struct))
    except ValidationError as error:
        raise invalid_arguments(tool, [_violation(e) for e in error.errors(include_url=False)]) from None


def invalid_arguments(tool: str, violations: list[Violation]) -> MeshError:
    """TOOL_ARGUMENTS for the violations; the message names them, because models read messages."""
    named = "; ".join(f"{v.field} {v.description}" for v in violations)
    return MeshError(
        reasons.ERROR_REASON_TOOL_ARGUMENTS,
        f"The arguments of {tool} are invalid: {named}.",
        metadata={"tool": tool},
        violations=violations,
    )


def _violation(error: ErrorDetails) -> Violation:
    path = PATH_PREFIX
    for part in error["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return Violation(path, _description(error))


def _description(error: ErrorDetails) -> str:
    match error["type"]:
        case "missing":
            return "is required"
        case "extra_forbidden":
            return "is not an argument of this tool"
        case _:
            message = error["msg"].removeprefix("Value error, ")
            return message.replace("Input should", "should", 1).replace("String should", "should", 1)
