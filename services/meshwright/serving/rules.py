"""The bounds of the contract's messages: the declarative twin of the comments in protos/.

Message, then field (or oneof), then its bound. What is REQUIRED stands in the contract itself as
google.api.field_behavior; a field that is not set is not checked against its bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from meshwright.serving.rule_kinds import FieldRule

Rules: TypeAlias = Mapping[str, Mapping[str, FieldRule]]

RULES: Rules = {}
