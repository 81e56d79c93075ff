"""What a task can be given besides its text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TypedDict

from google.protobuf.duration_pb2 import Duration

from meshwright.v1 import run_pb2


class RunOptions(TypedDict, total=False):
    """Keyword arguments of everything that gives a task. What is left out is the agent's, or the session's, choice."""

    model: str
    """The model that answers, such as `openai:gpt-5`, `anthropic:claude-...` or `offline`."""
    timeout: timedelta | float
    """Time of the run at most, in seconds where it is a number; 1 s to 24 h. Over it the run ends as expired."""
    max_steps: int
    """Model steps at most, 1 to 200. One step is one model call with the tool calls that it asks for."""
    max_tokens: int
    """Input and output tokens at most, over all steps."""
    max_cost_micros: int
    """Cost at most, in millionths of the currency in which usage is counted."""
    tools: Sequence[str]
    """Names of the tools that the run may use; one that ends in `*` stands for all with that beginning."""
    attachments: Sequence[str]
    """Ids of artifacts of the session that belong to the task. At most 16."""


def run_spec(task: str, options: RunOptions) -> run_pb2.RunSpec:
    """The contract's form of a task and its options."""
    spec = run_pb2.RunSpec(task=task, attachment_ids=options.get("attachments", ()))
    spec.options.model = options.get("model", "")
    spec.options.max_steps = options.get("max_steps", 0)
    spec.options.max_tokens = options.get("max_tokens", 0)
    spec.options.max_cost_micros = options.get("max_cost_micros", 0)
    spec.options.tools.extend(options.get("tools", ()))
    timeout = options.get("timeout")
    if timeout is not None:
        duration = Duration()
        duration.FromTimedelta(timeout if isinstance(timeout, timedelta) else timedelta(seconds=timeout))
        spec.options.timeout.CopyFrom(duration)
    return spec
