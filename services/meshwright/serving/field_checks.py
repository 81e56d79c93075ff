"""The compiled checks of single fields; `validation` puts them together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor

from meshwright.serving.error_details import Violation, fit_text

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor, OneofDescriptor

    from meshwright.serving.rule_kinds import Entries, Items, Rule

Check = Callable[[Any, str, list[Violation]], None]
"""Looks at one field of a message whose path is the prefix (empty, or `start_run.`) and adds what it finds."""

# A caller that has this many mistakes does not need the rest, and a hostile one shall not make us collect a million.
ENOUGH = 100
NUMBERS = frozenset(
    {
        FieldDescriptor.CPPTYPE_INT32,
        FieldDescriptor.CPPTYPE_INT64,
        FieldDescriptor.CPPTYPE_UINT32,
        FieldDescriptor.CPPTYPE_UINT64,
        FieldDescriptor.CPPTYPE_FLOAT,
        FieldDescriptor.CPPTYPE_DOUBLE,
    }
)


class KnownValue:
    """The rule that an enum field has a value that this version of the contract knows."""

    def __init__(self, enum: EnumDescriptor) -> None:
        self._numbers = frozenset(enum.values_by_number)
        self._name = enum.name

    def check(self, value: int) -> str | None:
        """See Rule."""
        return None if value in self._numbers else f"must be a value of {self._name}, which {value} is not"


def required(field: FieldDescriptor) -> Check | None:
    """The field is set and not empty. None where a default cannot be told from a value: numbers without presence."""
    name = field.name
    if field.has_presence:

        def is_set(message: Any, prefix: str, found: list[Violation]) -> None:
            if not message.HasField(name):
                found.append(Violation(prefix + name, "must be set"))

        return is_set
    if not field.is_repeated and (field.cpp_type in NUMBERS or field.cpp_type == FieldDescriptor.CPPTYPE_BOOL):
        return None
    complaint = "must be set" if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM else "must not be empty"

    def is_filled(message: Any, prefix: str, found: list[Violation]) -> None:
        if not getattr(message, name):
            found.append(Violation(prefix + name, complaint))

    return is_filled


def bound(field: FieldDescriptor, rule: Rule, is_required: bool) -> Check:
    """The field, when set, fits the rule. A REQUIRED number is set even when it is 0."""
    name = field.name
    wrong_with = rule.check
    if field.has_presence:

        def check_present(message: Any, prefix: str, found: list[Violation]) -> None:
            if message.HasField(name) and (wrong := wrong_with(getattr(message, name))):
                found.append(Violation(prefix + name, wrong))

        return check_present
    even_zero = is_required and field.cpp_type in NUMBERS

    def check(message: Any, prefix: str, found: list[Violation]) -> None:
        value = getattr(message, name)
        if (value or even_zero) and (wrong := wrong_with(value)):
            found.append(Violation(prefix + name, wrong))

    return check


def nested(field: FieldDescriptor, inner: list[Check]) -> Check:
    """The message in the field, when set, is fine itself."""
    name = field.name

    def check(message: Any, prefix: str, found: list[Violation]) -> None:
        if message.HasField(name):
            value = getattr(message, name)
            path = f"{prefix}{name}."
            for each in inner:
                each(value, path, found)

    return check


def one_of(oneof: OneofDescriptor) -> Check:
    """One member of the oneof is set."""
    name = oneof.name
    names = ", ".join(field.name for field in oneof.fields)

    def check(message: Any, prefix: str, found: list[Violation]) -> None:
        if message.WhichOneof(name) is None:
            found.append(Violation(prefix + name, f"must be set to one of {names}"))

    return check


def item_count(field: FieldDescriptor, rule: Items) -> Check:
    """There are not more items than the rule allows."""
    name = field.name

    def check(message: Any, prefix: str, found: list[Violation]) -> None:
        count = len(getattr(message, name))
        if count > rule.high:
            found.append(Violation(prefix + name, f"must have at most {rule.high} items and has {count}"))

    return check


def items(field: FieldDescriptor, rule: Rule | None, inner: list[Check] | None) -> Check:
    """Every item fits the rule and is fine itself."""
    name = field.name

    def check(message: Any, prefix: str, found: list[Violation]) -> None:
        for index, value in enumerate(getattr(message, name)):
            if len(found) >= ENOUGH:
                return
            if rule is not None and (wrong := rule.check(value)):
                found.append(Violation(f"{prefix}{name}[{index}]", wrong))
            for each in inner or ():
                each(value, f"{prefix}{name}[{index}].", found)

    return check


def entries(field: FieldDescriptor, rule: Entries | None, inner: list[Check] | None) -> Check:
    """The number of entries, every key and every value fit the rule, and the values are fine themselves."""
    name = field.name
    key_rule, value_rule = (rule.key, rule.value) if rule else (None, None)

    def check(message: Any, prefix: str, found: list[Violation]) -> None:
        values = getattr(message, name)
        if rule is not None and len(values) > rule.high:
            found.append(Violation(prefix + name, f"must have at most {rule.high} entries and has {len(values)}"))
        for key, value in values.items():
            if len(found) >= ENOUGH:
                return
            path = f"{prefix}{name}[{fit_text(key, 64)}]"
            if key_rule is not None and (wrong := key_rule.check(key)):
                found.append(Violation(path, f"key {wrong}"))
            if value_rule is not None and (wrong := value_rule.check(value)):
                found.append(Violation(path, wrong))
            for each in inner or ():
                each(value, f"{path}.", found)

    return check
