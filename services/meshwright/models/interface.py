"""What the agent asks of a language model and what it gets back.

A model is stateless between calls: everything it may know stands in the `ModelRequest`. It answers with a stream of
parts:

    (TextDelta | ReasoningDelta | ToolCall)*  Usage?  Finished

`Finished` is the last part of every answer that came through whole. An answer that did not ends with a
`meshwright.serving.errors.MeshError` whose reason is one of the `MODEL_*` reasons, and never with silence: every wait
has a limit.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

FinishReason: TypeAlias = Literal["stop", "tool_calls", "length", "refused"]
"""Why an answer ended: `stop` the model was done, `tool_calls` it waits for results, `length` it hit the token limit,
`refused` the model or its provider declined to go on."""


# msgspec.Struct rather than dataclass: one of these is made for every token of every user, and a frozen dataclass takes
# three times as long to make.
class ToolSchema(msgspec.Struct, frozen=True):
    """One tool the model may call."""

    name: str
    """The tool's dotted name, such as `browser.open`. Lanes map it to what their provider allows, and back."""
    description: str
    """What the tool does, for the model."""
    parameters: Mapping[str, Any]
    """JSON Schema (type object) of the arguments."""


class ToolCall(msgspec.Struct, frozen=True):
    """One whole tool call; it is emitted when its last fragment has arrived, so a consumer never sees half a call."""

    call_id: str
    """Unique across sessions, in the mesh's form (`call_` and 32 hex digits); the result goes back under it."""
    tool: str
    """The tool's dotted name. One that was not offered is passed on as it came: the agent answers it with an error."""
    arguments: dict[str, Any]
    """The arguments; empty when `arguments_error` is set."""
    arguments_error: str | None = None
    """Set when the model wrote arguments that are not a JSON object. The call must not be run: the agent gives this
    text back as the call's error result, so that the model can correct itself and the run goes on."""


class Image(msgspec.Struct, frozen=True):
    """A picture for the model."""

    media_type: str
    """Such as `image/png`."""
    data: bytes
    """The encoded picture."""


class UserTurn(msgspec.Struct, frozen=True):
    """What the user (or a steering message) said."""

    text: str
    images: tuple[Image, ...] = ()


class AssistantTurn(msgspec.Struct, frozen=True):
    """What the model answered before, rebuilt from the parts of that answer."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    provider_state: bytes = b""
    """`Finished.provider_state` of that answer. May be left out; some models then reason again."""


class ToolTurn(msgspec.Struct, frozen=True):
    """The result of one tool call. An `AssistantTurn` is followed by the results of all its calls, in any order."""

    call_id: str
    tool: str
    text: str
    """The result as the model reads it; the error message when `is_error`."""
    is_error: bool = False
    structured: Mapping[str, Any] | None = None
    """The result as data, where the tool gives it. Only the offline planner reads it."""


Turn: TypeAlias = UserTurn | AssistantTurn | ToolTurn


class ModelRequest(msgspec.Struct, frozen=True):
    """Everything one answer is made from."""

    system: str
    """The system prompt."""
    turns: Sequence[Turn]
    """The conversation, oldest first, beginning with a `UserTurn`."""
    tools: Sequence[ToolSchema] = ()
    """The tools the model may call; several calls in one answer are allowed and run in parallel."""
    max_output_tokens: int | None = None
    """Upper bound of the answer; None leaves the model's own."""


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the answer, never empty."""

    text: str


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the model's visible reasoning, never empty. It is shown and not sent back."""

    text: str


class Usage(msgspec.Struct, frozen=True, gc=False):
    """What the answer took. At most one an answer; absent when the provider does not say."""

    input_tokens: int
    """All tokens of the request, the cached ones included."""
    output_tokens: int
    """All tokens of the answer, the reasoning ones included."""
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0
    cost_micros: int | None = None
    """The price in millionths of `currency`, by list price; None when it is not known."""
    currency: str = "USD"
    """ISO 4217."""


class Finished(msgspec.Struct, frozen=True, gc=False):
    """The end of a whole answer."""

    reason: FinishReason
    provider_state: bytes = b""
    """Opaque state that the provider wants to see again with this answer, such as signed reasoning. At most 1 MiB."""


Part: TypeAlias = TextDelta | ReasoningDelta | ToolCall | Usage | Finished


class Model(Protocol):
    """A language model. One instance serves all runs of a process, concurrently."""

    @property
    def name(self) -> str:
        """The specification it was opened with, such as `openai:gpt-6.1-terra` or `offline`."""
        ...

    @property
    def offline(self) -> bool:
        """True for the offline planner, which is no language model; whatever shows the model's name shows this too."""
        ...

    def stream(self, request: ModelRequest) -> AsyncGenerator[Part, None]:
        """Answer `request`.

        Closing the generator (or cancelling its reader) stops the answer and closes its connection; use
        `contextlib.aclosing`.

        Raises:
            MeshError: MODEL_AUTHENTICATION, MODEL_NOT_FOUND, MODEL_RATE_LIMITED, MODEL_UNAVAILABLE (not reached,
                failed, too slow, or cut off in the middle), MODEL_REJECTED or MODEL_PROTOCOL. Metadata: `model`, and
                `http_status` where there was one. Parts already given stay valid.
        """
        ...

    async def close(self) -> None:
        """Close all connections. Answers in progress end with MODEL_UNAVAILABLE."""
        ...
