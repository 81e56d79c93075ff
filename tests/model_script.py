"""What a scripted model says: the steps that tests write and `tests.model_server` speaks.

A script is a function from a request to steps, so that it may answer by what it was asked:

    def script(request: Request) -> Steps:
        if request.step == 0:
            return [Call("browser.open", {"url": URL}), Call("file.read", {"path": "a.txt"})]
        return Say(f"It says {request.tool_results[0]}")

or, when the order is all that matters, `in_turn([Call(...), Call(...)], Say("done"))`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Say:
    """Text, one delta a word (its spaces with it), `delay` seconds apart on a fixed schedule."""

    text: str
    delay: float = 0.0

    def tokens(self) -> list[str]:
        return re.findall(r"\s*\S+\s*$|\s*\S+|\s+", self.text)


@dataclass(frozen=True)
class Tokens:
    """`count` deltas, `delay` seconds apart on a fixed schedule.

    A stamped delta reads `<time.monotonic_ns() when it was written> `: all processes of a machine share that clock.
    """

    count: int
    delay: float = 0.0
    stamped: bool = False


@dataclass(frozen=True)
class Think:
    """Reasoning, one delta a word. `field` is how the server names it."""

    text: str
    field: str = "reasoning_content"


@dataclass(frozen=True)
class Call:
    """A tool call. Neighbouring calls in a script are parallel calls, whose fragments are streamed interleaved."""

    tool: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)
    """A string goes out as it is, so that broken JSON can be scripted."""
    call_id: str | None = None
    """None: made by the server. An empty string is sent as such."""
    fragments: int = 3
    """In how many pieces the arguments are streamed; 0 sends the whole call in one delta without an index."""


@dataclass(frozen=True)
class Report:
    """Usage, sent when the request asks for it, as OpenAI's servers do. Without this step: 10 in, the deltas out."""

    input_tokens: int
    output_tokens: int
    cached: int = 0
    reasoning: int = 0


@dataclass(frozen=True)
class Finish:
    """The finish reason; without one it is `tool_calls` or `stop` by what was said. None sends none."""

    reason: str | None


@dataclass(frozen=True)
class Late:
    """Let the body end only `delay` seconds after the answer's last event."""

    delay: float


@dataclass(frozen=True)
class Raw:
    """Bytes as they are, in the middle of the stream."""

    data: bytes


@dataclass(frozen=True)
class Hang:
    """Say nothing more until the client goes away. As the first step not even the headers are sent."""


@dataclass(frozen=True)
class Cut:
    """Close the connection in the middle of the answer."""


@dataclass(frozen=True)
class Fail:
    """Answer with an HTTP error, or with any other whole response. Only as the first step."""

    status: int
    message: str = "scripted failure"
    code: str | None = None
    retry_after: str | None = None
    body: bytes | None = None
    """Instead of a JSON error."""
    content_type: str = "text/html"
    """Of `body`."""


Step: TypeAlias = Say | Tokens | Think | Call | Report | Finish | Late | Raw | Hang | Cut | Fail
Steps: TypeAlias = Step | Sequence[Step]


@dataclass(frozen=True)
class Request:
    """One request of a model client, in OpenAI's form."""

    body: dict[str, Any]
    headers: Mapping[str, str]
    number: int
    """How many requests the server had before this one."""

    @property
    def messages(self) -> list[dict[str, Any]]:
        return list(self.body["messages"])

    @property
    def last_user_text(self) -> str:
        """The text of the newest user message."""
        content = next((m["content"] for m in reversed(self.messages) if m["role"] == "user"), "")
        return content if isinstance(content, str) else " ".join(p.get("text", "") for p in content)

    @property
    def step(self) -> int:
        """How many answers the model gave since the newest user message: 0 at the start of a run."""
        count = 0
        for message in reversed(self.messages):
            if message["role"] == "user":
                break
            count += message["role"] == "assistant"
        return count

    @property
    def tool_results(self) -> list[str]:
        """The results of the newest answer's calls, in the order they were sent."""
        results: list[str] = []
        for message in reversed(self.messages):
            if message["role"] != "tool":
                break
            results.insert(0, message["content"])
        return results

    @property
    def tools(self) -> list[str]:
        """The names of the offered tools, as they go over the wire (`browser_open`)."""
        return [tool["function"]["name"] for tool in self.body.get("tools", [])]


Script: TypeAlias = Callable[[Request], Steps]


def in_turn(*answers: Steps) -> Script:
    """The n-th answer of a run is the n-th of `answers`; the last one repeats."""
    return lambda request: answers[min(request.step, len(answers) - 1)]


def in_order(*answers: Steps) -> Script:
    """The n-th request of the server gets the n-th of `answers`; the last one repeats."""
    return lambda request: answers[min(request.number, len(answers) - 1)]


_STREAM = re.compile(r"stream (?P<count>\d+) tokens(?: every (?P<ms>[\d.]+) ms)?(?P<stamped>,? stamped)?")


def by_instruction(request: Request) -> Steps:
    """Do what the user's text says: `stream 1000 tokens every 5 ms, stamped`. Anything else is echoed."""
    match = _STREAM.search(request.last_user_text)
    if match is None:
        return Say(f"You said: {request.last_user_text}")
    return Tokens(int(match["count"]), float(match["ms"] or 0) / 1000, stamped=bool(match["stamped"]))
