"""What a tool is: a typed async function with a name, a description for models and annotations for policies."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, get_args, get_type_hints

from pydantic import BaseModel

from meshwright.tools.arguments import Arguments, json_schema
from meshwright.tools.json_struct import to_struct
from meshwright.v1 import tool_pb2

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from meshwright.tools.context import CallContext
    from meshwright.tools.output import Output
    from meshwright.tools.session import ToolSession

A = TypeVar("A", bound=Arguments)
R = TypeVar("R", bound=BaseModel)


class Claim(Protocol):
    """What a call needs for itself alone. Calls whose claims have equal keys run one after another, as they arrived."""

    @property
    def key(self) -> Hashable:
        """What is claimed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotations:
    """How a tool behaves; the fields mean what they mean in ToolAnnotations. Times in seconds."""

    read_only: bool = False
    idempotent: bool = False
    destructive: bool = False
    needs_approval: bool = False
    open_world: bool = False
    default_timeout: float = 30.0
    max_timeout: float = 300.0


@dataclass(frozen=True, slots=True)
class Tool:
    """A registered tool. Made by the decorator `tool`."""

    name: str
    description: str
    arguments: type[Arguments]
    result: type[BaseModel] | None
    annotations: Annotations
    handler: Callable[[Any, CallContext], Awaitable[Output[Any]]]
    claim: Callable[[Any, ToolSession], Claim] | None = None
    message: tool_pb2.Tool = field(init=False, compare=False, repr=False)
    """The tool as ListTools gives it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", _message(self))

    def timeout(self, asked: float) -> float:
        """The deadline of a call in seconds: what it asks for (0: nothing) within the tool's bounds."""
        return min(asked or self.annotations.default_timeout, self.annotations.max_timeout)


def tool(
    name: str,
    annotations: Annotations,
    *,
    claim: Callable[[Any, ToolSession], Claim] | None = None,
) -> Callable[[Callable[[A, CallContext], Awaitable[Output[R]]]], Tool]:
    """Makes a tool of `async def handler(args: MyArguments, call: CallContext) -> Output[MyResult]`.

    The docstring is the description that models read, the schemas come from the annotations. `claim` runs when the call
    arrives, must not wait, and says what the call needs for itself alone.
    """

    def decorate(handler: Callable[[A, CallContext], Awaitable[Output[R]]]) -> Tool:
        hints = get_type_hints(handler, localns=_deferred_names())
        arguments, returned = next(iter(hints.values())), hints["return"]
        result = next(iter(get_args(returned)), None)
        return Tool(
            name=name,
            description=inspect.cleandoc(handler.__doc__ or ""),
            arguments=arguments,
            result=result if isinstance(result, type) else None,
            annotations=annotations,
            handler=handler,
            claim=claim,
        )

    return decorate


def _deferred_names() -> dict[str, Any]:
    # Handlers may import these for type checking only.
    from meshwright.tools.context import CallContext
    from meshwright.tools.output import Output

    return {"CallContext": CallContext, "Output": Output}


def _message(of: Tool) -> tool_pb2.Tool:
    behaviour = of.annotations
    message = tool_pb2.Tool(
        name=of.name,
        description=of.description,
        arguments_schema=to_struct(json_schema(of.arguments)),
        annotations=tool_pb2.ToolAnnotations(
            read_only=behaviour.read_only,
            idempotent=behaviour.idempotent,
            destructive=behaviour.destructive,
            needs_approval=behaviour.needs_approval,
            open_world=behaviour.open_world,
        ),
    )
    message.annotations.default_timeout.FromMilliseconds(round(behaviour.default_timeout * 1000))
    message.annotations.max_timeout.FromMilliseconds(round(behaviour.max_timeout * 1000))
    if of.result is not None:
        message.result_schema.CopyFrom(to_struct(json_schema(of.result, of_result=True)))
    return message
