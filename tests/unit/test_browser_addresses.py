"""Which addresses may be opened: never anything but http and https, whatever it is dressed up as."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshwright.browser.addresses import MAX_URL, checked
from meshwright.serving.errors import MeshError


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8080/demo/",
        "https://example.com",
        "HTTPS://EXAMPLE.COM/A?b=c#d",
        "http://[::1]:8080/",
        "http://user:word@host/",
        "http://bücher.example/straße?q=ä",
        "http://host/" + "a" * (MAX_URL - 12),
    ],
)
def test_a_plain_address_passes_as_it_is(url: str) -> None:
    assert checked(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "http:",
        "http://:80/",
        "http://?q",
        "http://host:0/",
        "http://host:port/",
        "http:/host/",
        "https:host",
        "http:\\\\host",
        "http://host/" + "a" * MAX_URL,
        "java\tscript:alert(1)",
        "\x00http://host/",
        "http://host/\x7f",
        "http+unix://host/",
    ],
)
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(MeshError) as refused:
        checked(url)
    assert refused.value.reason_name == "INVALID_URL"


@given(st.text(max_size=60) | st.from_regex(r"[a-z-]{1,12}:[/\\]{0,3}[a-z0-9.:@]{0,20}/?", fullmatch=True))
def test_whatever_passes_is_http_with_a_host(url: str) -> None:
    try:
        checked(url)
    except MeshError:
        return
    parts = urlsplit(url)
    assert parts.scheme in ("http", "https")
    assert parts.hostname
