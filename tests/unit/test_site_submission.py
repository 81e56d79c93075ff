"""Reading queries and forms within bounds, at the edges that a well-meaning client never reaches."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.requests import Request

from meshwright.site.shop import submission
from meshwright.site.shop.submission import MAX_FORM_BYTES, MAX_QUERY_BYTES, read_form, read_query

if TYPE_CHECKING:
    from starlette.types import Message, Receive

FORM_HEADERS = [(b"content-type", b"application/x-www-form-urlencoded; charset=utf-8")]

names = st.text("abc_", min_size=1, max_size=8)
texts = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=40)


def _request(receive: Receive, query: bytes = b"") -> Request:
    return Request({"type": "http", "method": "POST", "headers": FORM_HEADERS, "query_string": query}, receive)


def _arriving(*chunks: bytes) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    remaining = iter(messages)

    async def receive() -> Message:
        return next(remaining)

    return receive


@given(st.dictionaries(names, texts, max_size=10), st.integers(1, 50))
def test_a_form_is_read_as_sent_however_it_is_cut_into_chunks(fields: dict[str, str], size: int) -> None:
    body = urlencode(fields).encode()
    chunks = [body[at : at + size] for at in range(0, len(body), size)]

    assert asyncio.run(read_form(_request(_arriving(*chunks)))) == fields


@given(st.dictionaries(names, texts, max_size=5))
def test_a_query_is_read_as_sent(fields: dict[str, str]) -> None:
    query = urlencode(fields).encode()

    assert read_query(_request(_arriving(), query)) == fields


async def test_the_first_of_a_repeated_field_counts_and_blanks_around_it_do_not() -> None:
    assert await read_form(_request(_arriving(b"q=+one+&q=two&empty="))) == {"q": "one", "empty": ""}


@pytest.mark.parametrize(("length", "refused"), [(MAX_FORM_BYTES, False), (MAX_FORM_BYTES + 1, True)])
async def test_a_form_may_be_as_large_as_the_bound(length: int, refused: bool) -> None:
    request = _request(_arriving(b"q=".ljust(length, b"x")))
    if refused:
        with pytest.raises(HTTPException) as error:
            await read_form(request)
        assert error.value.status_code == 413
    else:
        assert len((await read_form(request))["q"]) == length - 2


@pytest.mark.parametrize(("length", "refused"), [(MAX_QUERY_BYTES, False), (MAX_QUERY_BYTES + 1, True)])
def test_a_query_may_be_as_long_as_the_bound(length: int, refused: bool) -> None:
    request = _request(_arriving(), b"q=".ljust(length, b"x"))
    if refused:
        with pytest.raises(HTTPException) as error:
            read_query(request)
        assert error.value.status_code == 414
    else:
        assert len(read_query(request)["q"]) == length - 2


async def test_a_form_that_does_not_arrive_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "FORM_SECONDS", 0.05)

    async def receive() -> Message:
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    with pytest.raises(HTTPException) as error:
        await read_form(_request(receive))
    assert error.value.status_code == 408


async def test_a_visitor_who_leaves_in_the_middle_of_a_form_is_no_failure_of_ours() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(HTTPException) as error:
        await read_form(_request(receive))
    assert error.value.status_code == 400
