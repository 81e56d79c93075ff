"""The agent's own tool, `agent.delegate`: what models are told of it, what they may ask, and what it gives back."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from meshwright.agent.toolbox import OfferedTool
from meshwright.serving.errors import MeshError
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.run_pb2 import RunOutcome
from meshwright.v1.tool_pb2 import Tool, ToolAnnotations, ToolCompletion, ToolOutcome, ToolResult

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from meshwright.v1.run_pb2 import Run

NAME = "agent.delegate"
DESCRIPTION = """\
Give a task to a sub-agent, which does it by itself with tools of its own choice and answers with a text. Several calls in one step work at
the same time: delegate parts of a task that do not depend on each other and take several steps each. A sub-agent knows nothing of this
conversation: say everything that it needs to know, and what its answer is to contain. It shares your browser and your files: name files
and tabs where they matter, and have different sub-agents use different ones. Do what takes one or two calls yourself.
"""
RESULT_BYTES = 64 * 1024
CUT = "\n[The answer was cut here.]"
OUTCOMES = {
    RunOutcome.RUN_OUTCOME_COMPLETED: ToolOutcome.TOOL_OUTCOME_SUCCEEDED,
    RunOutcome.RUN_OUTCOME_CANCELLED: ToolOutcome.TOOL_OUTCOME_CANCELLED,
    RunOutcome.RUN_OUTCOME_EXPIRED: ToolOutcome.TOOL_OUTCOME_EXPIRED,
}


class Delegation(BaseModel):
    """What a call asks for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str = Field(
        min_length=1,
        max_length=100_000,
        description="The whole task in plain language, with all that it takes to do it.",
    )
    tools: list[Annotated[str, StringConstraints(min_length=1, max_length=64)]] = Field(
        [],
        max_length=64,
        description="Names of the tools that the sub-agent may use, `*` at the end for all with that beginning, such as `file.*`. "
        "Left out: all that you may use.",
    )
    max_steps: int = Field(
        0,
        ge=0,
        le=200,
        description="Steps that the sub-agent may take; 0 or left out: as many as you have left yourself.",
    )


def _schema() -> dict[str, Any]:
    """The arguments' JSON Schema, without the titles that tell a model nothing."""
    schema = Delegation.model_json_schema()
    return {
        "type": "object",
        "properties": {
            name: {key: value for key, value in field.items() if key not in ("title", "default")}
            for name, field in schema["properties"].items()
        },
        "required": schema["required"],
        "additionalProperties": False,
    }


def _tool() -> OfferedTool:
    arguments = Struct()
    arguments.update(_schema())
    return OfferedTool.of(
        Tool(
            name=NAME,
            description=DESCRIPTION.replace("\n", " ").strip(),
            arguments_schema=arguments,
            annotations=ToolAnnotations(open_world=True),
        )
    )


DELEGATE = _tool()


def decode(arguments: Mapping[str, Any]) -> Delegation:
    """What a call asks for. TOOL_ARGUMENTS naming every violated field."""
    try:
        return Delegation.model_validate(arguments)
    except ValidationError as error:
        found = error.errors(include_url=False)
        violations = [(".".join(["arguments", *map(str, each["loc"])]), each["msg"]) for each in found]
    named = "; ".join(f"{field}: {what}" for field, what in violations)
    raise MeshError(
        reasons.ERROR_REASON_TOOL_ARGUMENTS,
        f"The arguments of {NAME} are invalid: {named}.",
        metadata={"tool": NAME},
        violations=violations,
    )


def narrowed(asked: Sequence[str], allowed: Sequence[str], names: Sequence[str]) -> list[str]:
    """The tools of a sub-agent as patterns: what is asked for of what the run may use, whose names these are. TOOL_ARGUMENTS."""
    if not asked:
        return list(allowed)
    chosen = [name for name in names if any(fnmatchcase(name, pattern) for pattern in asked)]
    if not chosen:
        raise MeshError(
            reasons.ERROR_REASON_TOOL_ARGUMENTS,
            f"The arguments of {NAME} are invalid: arguments.tools: names none of the tools that this run may use.",
            metadata={"tool": NAME},
            violations=[("arguments.tools", "names none of the tools that this run may use")],
        )
    return chosen if allowed else list(asked)


def completion_of(child: Run) -> ToolCompletion:
    """The end of a call from the end of its sub-agent, whose words are others' words as those of a page are."""
    structured = Struct()
    structured.update({"run_id": child.run_id, "model_steps": child.usage.model_calls})
    result = ToolResult(structured=structured)
    if child.outcome == RunOutcome.RUN_OUTCOME_COMPLETED:
        result.text, result.truncated = _cut(child.answer)
        result.untrusted_origin = f"sub-agent {child.run_id}"
    completion = ToolCompletion(
        outcome=OUTCOMES.get(child.outcome, ToolOutcome.TOOL_OUTCOME_FAILED), result=result, duration=Duration()
    )
    completion.duration.FromNanoseconds(child.finish_time.ToNanoseconds() - child.start_time.ToNanoseconds())
    if child.HasField("error"):
        completion.error.CopyFrom(child.error)
    elif child.outcome == RunOutcome.RUN_OUTCOME_CANCELLED:
        error = MeshError(
            reasons.ERROR_REASON_TOOL_CANCELLED, "The sub-agent was cancelled.", metadata={"run_id": child.run_id}
        )
        completion.error.CopyFrom(error.to_status())
    return completion


def _cut(answer: str) -> tuple[str, bool]:
    encoded = answer.encode()
    if len(encoded) <= RESULT_BYTES:
        return answer, False
    return encoded[: RESULT_BYTES - len(CUT)].decode(errors="ignore") + CUT, True
