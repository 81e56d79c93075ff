"""The chunks of a streamed chat completion, decoded no further than needed.

The types are as lenient as the servers are various: a null where OpenAI sends a list, a whole `message` where it
sends a `delta`, arguments as an object where it sends text. Fields that are not named here are skipped by the decoder
without being built.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Function(msgspec.Struct, gc=False):
    """The function part of a tool call's fragment."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class CallFragment(msgspec.Struct, gc=False):
    """A piece of a tool call, or a whole one."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None
    extra_content: Any = None


class Delta(msgspec.Struct, gc=False):
    """What a chunk adds to the answer."""

    content: str | list[Any] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[Any] | None = None
    tool_calls: list[CallFragment] | None = None


class Choice(msgspec.Struct, gc=False):
    """One of the answers; the lane asks for one only."""

    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None


class TokenDetails(msgspec.Struct, gc=False):
    """The finer counts of a usage report."""

    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class UsageReport(msgspec.Struct, gc=False):
    """What the provider counted."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: TokenDetails | None = None
    completion_tokens_details: TokenDetails | None = None


class Chunk(msgspec.Struct, gc=False):
    """One event of the stream, or the whole body of an answer that was not streamed."""

    choices: list[Choice] | None = None
    usage: UsageReport | None = None
    error: Any = None


decode_chunk = msgspec.json.Decoder(Chunk).decode
