"""The validator finds every violated field, and only those."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from meshwright.serving.rule_kinds import (
    Entries,
    FieldRule,
    Items,
    Known,
    Number,
    Octets,
    OneOf,
    Span,
    Text,
)
from meshwright.serving.validation import Validator
from tests.serving_echo import Chain, EchoRequest, Free, echo_request

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = Text(8, pattern="[a-z]+", what="small letters")
RULES: Mapping[str, Mapping[str, FieldRule]] = {
    "serving.test.EchoRequest": {
        "text": Text(10, min_chars=2),
        "count": Number(1, 10),
        "page_size": Number(0, 5),
        "ratio": Number(-1, 1),
        "wait": Span(0.5, 60),
        "items": Items(3),
        "labels": Entries(2, key=NAME, value=Text(5)),
        "shelf": Entries(5),
        "blob": Octets(4),
        "color": Known(),
        "tags": Items(4, each=NAME),
        "choice": OneOf(),
    },
    "serving.test.Item": {"name": NAME, "color": Known()},
}


def violations(**fields: Any) -> list[tuple[str, str]]:
    body = {"text": "fine", "color": 1, "left": "x", **fields}
    message = ParseDict({name: value for name, value in body.items() if value is not None}, EchoRequest())
    return [(violation.field, violation.description) for violation in Validator(RULES).violations(message)]


def test_a_message_that_keeps_the_contract_has_no_violations() -> None:
    assert violations() == []
    assert (
        violations(
            count=10,
            pageSize=0,
            ratio=-1,
            wait="60s",
            items=[{"name": "a"}, {"name": "b", "inside": {"name": "c"}}],
            labels={"a": "12345"},
            shelf={"any key": {"name": "a"}},
            blob="AAAA",
            tags=["a", "b"],
            anything={"deep": {"text": "x" * 100}},
        )
        == []
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"text": None}, [("text", "must not be empty")]),
        ({"text": "x"}, [("text", "must have at least 2 characters and has 1")]),
        ({"text": "x" * 11}, [("text", "must have at most 10 characters and has 11")]),
        ({"text": "ÄÖÜß" * 2}, []),
        ({"color": None}, [("color", "must be set")]),
        ({"color": 7}, [("color", "must be a value of Color, which 7 is not")]),
        ({"count": 11}, [("count", "must be between 1 and 10")]),
        ({"count": -1}, [("count", "must be between 1 and 10")]),
        ({"pageSize": -1}, [("page_size", "must be between 0 and 5")]),
        ({"ratio": "NaN"}, [("ratio", "must be between -1 and 1")]),
        ({"ratio": "Infinity"}, [("ratio", "must be between -1 and 1")]),
        ({"wait": "0s"}, [("wait", "must be between 0.5 s and 60 s")]),
        ({"wait": "60.001s"}, [("wait", "must be between 0.5 s and 60 s")]),
        ({"items": [{"name": "a"}] * 4}, [("items", "must have at most 3 items and has 4")]),
        (
            {"items": [{"name": "A"}, {"inside": {"color": 5}}]},
            [
                ("items[0].name", "must be small letters"),
                ("items[1].name", "must not be empty"),
                ("items[1].inside.name", "must not be empty"),
                ("items[1].inside.color", "must be a value of Color, which 5 is not"),
            ],
        ),
        ({"labels": {"A": "1"}}, [("labels[A]", "key must be small letters")]),
        ({"labels": {"a": "123456"}}, [("labels[a]", "must have at most 5 characters and has 6")]),
        ({"labels": {"a": "1", "b": "1", "c": "1"}}, [("labels", "must have at most 2 entries and has 3")]),
        ({"shelf": {"k": {}}}, [("shelf[k].name", "must not be empty")]),
        ({"best": {}}, [("best.name", "must not be empty")]),
        ({"blob": "AAAAAAAA"}, [("blob", "must have at most 4 bytes and has 6")]),
        ({"tags": ["a", "B"]}, [("tags[1]", "must be small letters")]),
        ({"left": None}, [("choice", "must be set to one of left, right")]),
        ({"left": None, "right": {}}, [("right.name", "must not be empty")]),
        ({"serverText": "the caller may send it; nobody reads it"}, []),
    ],
)
def test_each_kind_of_bound(fields: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert violations(**fields) == expected


def test_everything_wrong_is_found_at_once_in_the_order_of_the_contract() -> None:
    found = violations(text=None, color=None, left=None, count=99, items=[{}, {"name": "a"}])
    assert [field for field, _ in found] == ["choice", "text", "count", "items[0].name", "color"]


def test_a_hostile_message_is_not_searched_to_its_end() -> None:
    message = echo_request(items=[{} for _ in range(100_000)])
    assert len(Validator().violations(message)) == 100


def test_a_type_that_contains_itself_is_checked_all_the_way_down() -> None:
    chain = ParseDict({"next": {"next": {}, "name": "a"}, "name": "b"}, Chain())
    assert [violation.field for violation in Validator().violations(chain)] == ["next.next.name"]


def test_a_type_without_rules_has_no_checks() -> None:
    validator = Validator(RULES)
    assert validator.checks(Free.DESCRIPTOR) == []
    assert validator.checks(EchoRequest.DESCRIPTOR) is validator.checks(EchoRequest.DESCRIPTOR)


@pytest.mark.parametrize(
    ("field", "rule"), [("items", Text(1)), ("labels", Items(1)), ("text", Items(1)), ("text", Known())]
)
def test_a_rule_that_does_not_fit_its_field_fails_at_once(field: str, rule: FieldRule) -> None:
    with pytest.raises(TypeError, match=field):
        Validator({"serving.test.EchoRequest": {field: rule}}).checks(EchoRequest.DESCRIPTOR)


@given(raw=st.binary(max_size=300))
def test_whatever_decodes_can_be_validated(raw: bytes) -> None:
    try:
        message = EchoRequest.FromString(raw)
    except DecodeError:
        return
    for violation in Validator(RULES).violations(message):
        assert violation.field
        assert violation.description


@given(
    ratio=st.floats(allow_nan=True, allow_infinity=True),
    count=st.integers(-(2**31), 2**31 - 1),
    text=st.text(min_size=1, max_size=20),
)
def test_numbers_and_texts_are_refused_exactly_outside_their_bounds(ratio: float, count: int, text: str) -> None:
    message = echo_request(text, ratio=ratio, count=count, left="x")
    found = {violation.field for violation in Validator(RULES).violations(message)}
    assert ("ratio" in found) == (math.isnan(ratio) or not -1 <= ratio <= 1)
    assert ("count" in found) == (count != 0 and not 1 <= count <= 10)
    assert ("text" in found) == (not 2 <= len(text) <= 10)
