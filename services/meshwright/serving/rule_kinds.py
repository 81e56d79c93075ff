"""The kinds of bounds that a field of the contract can have."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration


class Rule(Protocol):
    """A bound of one value. A field that is not set is not checked: what has to be set is REQUIRED in the contract."""

    def check(self, value: Any) -> str | None:
        """What the value must be and is not, in words that follow the field's path; None when it is fine."""


@dataclass(frozen=True, slots=True)
class Text:
    """A string of at most `max_chars` characters, matching `pattern` as a whole; `what` says the pattern in words."""

    max_chars: int
    min_chars: int = 0
    pattern: str = ""
    what: str = ""
    _matches: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_matches", re.compile(self.pattern or r"(?s:.*)"))

    def check(self, value: str) -> str | None:
        """See Rule."""
        size = len(value)
        if size > self.max_chars:
            return f"must have at most {self.max_chars} characters and has {size}"
        if size < self.min_chars:
            return f"must have at least {self.min_chars} characters and has {size}"
        if self.pattern and not self._matches.fullmatch(value):
            return f"must be {self.what or 'a text that matches ' + self.pattern}"
        return None


@dataclass(frozen=True, slots=True)
class Number:
    """A number from `low` to `high`, both included."""

    low: float
    high: float

    def check(self, value: float) -> str | None:
        """See Rule."""
        # Written so that NaN, which compares with nothing, is refused.
        if self.low <= value <= self.high:
            return None
        return f"must be between {self.low} and {self.high}"


@dataclass(frozen=True, slots=True)
class Octets:
    """Bytes, at most `max_bytes` of them."""

    max_bytes: int

    def check(self, value: bytes) -> str | None:
        """See Rule."""
        return f"must have at most {self.max_bytes} bytes and has {len(value)}" if len(value) > self.max_bytes else None


@dataclass(frozen=True, slots=True)
class Span:
    """A google.protobuf.Duration from `low` to `high` seconds, both included."""

    low: float
    high: float

    def check(self, value: Duration) -> str | None:
        """See Rule."""
        seconds = value.seconds + value.nanos / 1e9
        if self.low <= seconds <= self.high and -1_000_000_000 < value.nanos < 1_000_000_000:
            return None
        return f"must be between {self.low:g} s and {self.high:g} s"


@dataclass(frozen=True, slots=True)
class Known:
    """An enum value that this version of the contract knows."""


@dataclass(frozen=True, slots=True)
class Items:
    """A repeated field with at most `high` items, each of which fits `each`."""

    high: int
    each: Rule | Known | None = None


@dataclass(frozen=True, slots=True)
class Entries:
    """A map with at most `high` entries, whose keys fit `key` and whose values fit `value`."""

    high: int
    key: Rule | None = None
    value: Rule | None = None


@dataclass(frozen=True, slots=True)
class OneOf:
    """A oneof of which exactly one member has to be set; the table names the oneof instead of a field."""


FieldRule = Rule | Known | Items | Entries | OneOf
