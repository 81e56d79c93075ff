"""Checks a request against the contract: what is REQUIRED, and the bounds in the table of rules.

Each message type is compiled once into a list of checks that touches only the fields that have something to check; a
type without any costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from google.api import field_behavior_pb2
from google.protobuf.descriptor import FieldDescriptor

from meshwright.serving import field_checks
from meshwright.serving.error_details import Violation
from meshwright.serving.rule_kinds import Entries, Items, Known, OneOf
from meshwright.serving.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    from meshwright.serving.field_checks import Check
    from meshwright.serving.rule_kinds import FieldRule, Rule
    from meshwright.serving.rules import Rules

# Struct, Any and their like are free-form: the contract bounds them as a whole, by the size of the message.
FREE_FORM = "google.protobuf."


class Validator:
    """Finds every violated field of a message at once. Keeps what it compiled: one for a process is enough."""

    def __init__(self, rules: Rules = RULES) -> None:
        self._rules = rules
        self._compiled: dict[str, list[Check]] = {}
        self._compiling: set[str] = set()

    def violations(self, message: Message) -> list[Violation]:
        """What is wrong with the message, in the order of its fields; empty when nothing is."""
        found: list[Violation] = []
        for check in self.checks(cast("Descriptor", message.DESCRIPTOR)):
            check(message, "", found)
        return found

    def checks(self, descriptor: Descriptor) -> list[Check]:
        """The checks of a message type; empty when every value of it is fine."""
        name = descriptor.full_name
        compiled = self._compiled.get(name)
        if compiled is not None:
            return compiled
        # Entered before it is filled: a type that contains itself then refers to its own list.
        checks = self._compiled[name] = []
        self._compiling.add(name)
        rules = self._rules.get(name, {})
        checks.extend(
            field_checks.one_of(oneof) for oneof in descriptor.oneofs if isinstance(rules.get(oneof.name), OneOf)
        )
        for field in descriptor.fields:
            checks.extend(self._field_checks(field, rules.get(field.name)))
        self._compiling.discard(name)
        return checks

    def _field_checks(self, field: FieldDescriptor, rule: FieldRule | None) -> Iterator[Check]:
        behaviors = _behaviors(field)
        if field_behavior_pb2.OUTPUT_ONLY in behaviors:
            return
        required = field_behavior_pb2.REQUIRED in behaviors
        if required and (check := field_checks.required(field)):
            yield check
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            yield from self._map_checks(field, field.message_type.fields_by_name["value"], rule)
        elif field.is_repeated:
            yield from self._repeated_checks(field, rule)
        else:
            if rule is not None:
                yield field_checks.bound(field, _value_rule(field, rule), required)
            if (inner := self._inner(field)) is not None:
                yield field_checks.nested(field, inner)

    def _repeated_checks(self, field: FieldDescriptor, rule: FieldRule | None) -> Iterator[Check]:
        each: Rule | None = None
        if isinstance(rule, Items):
            yield field_checks.item_count(field, rule)
            each = _value_rule(field, rule.each) if rule.each is not None else None
        elif rule is not None:
            raise _misfit(field, rule)
        inner = self._inner(field)
        if each is not None or inner is not None:
            yield field_checks.items(field, each, inner)

    def _map_checks(self, field: FieldDescriptor, values: FieldDescriptor, rule: FieldRule | None) -> Iterator[Check]:
        if rule is not None and not isinstance(rule, Entries):
            raise _misfit(field, rule)
        inner = self._inner(values)
        if rule is not None or inner is not None:
            yield field_checks.entries(field, rule, inner)

    def _inner(self, field: FieldDescriptor) -> list[Check] | None:
        """The checks of the field's message type, still to be filled when it contains itself; None for nothing to check."""
        kind = field.message_type
        if kind is None or kind.full_name.startswith(FREE_FORM):
            return None
        checks = self.checks(kind)
        return checks if checks or kind.full_name in self._compiling else None


def _behaviors(field: FieldDescriptor) -> Container[int]:
    extension: Any = field_behavior_pb2.field_behavior
    return cast("Container[int]", field.GetOptions().Extensions[extension])


def _value_rule(field: FieldDescriptor, rule: FieldRule) -> Rule:
    if isinstance(rule, Known) and field.enum_type is not None:
        return field_checks.KnownValue(field.enum_type)
    if isinstance(rule, Known | Items | Entries | OneOf):
        raise _misfit(field, rule)
    return rule


def _misfit(field: FieldDescriptor, rule: Any) -> TypeError:
    return TypeError(f"{field.full_name} cannot have the rule {rule}")
