"""What is said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from meshwright.client.events.base import Event

if TYPE_CHECKING:
    from meshwright.client.enums import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Event):
    """Something said, whole. The text deltas of the same message_id, joined, are its text."""

    message_id: str
    role: Role
    text: str
    """What was said, in Markdown."""
    artifact_ids: tuple[str, ...]
    """Artifacts that belong to it."""
    step: int
    """Model step of the run, from 1; 0 for a user's message."""
    partial: bool
    """The model was cut short."""
    reasoning: str
    """The reasoning that preceded it, where the model shows it."""
    call_ids: tuple[str, ...]
    """Tool calls that the model asked for in this step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta(Event):
    """A piece of the message that the model is writing."""

    message_id: str
    text: str
    """The piece: never empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningDelta(Event):
    """A piece of the model's reasoning."""

    message_id: str
    """The message it precedes."""
    text: str
    """The piece: never empty."""
