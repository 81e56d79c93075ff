"""Names of principals, where their files are, and why tokens are refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshwright.serving.authentication.principals import HOME, LOCAL_PRINCIPAL, home_of, is_principal
from meshwright.serving.authentication.refusals import MESSAGES, unauthenticated
from meshwright.serving.calls import Call, current_principal, detached_context, entered

CONTRACT = Path(__file__).parents[2] / "protos" / "meshwright" / "v1" / "error_reason.proto"
NAMES = st.text(min_size=1, max_size=255).filter(is_principal)


@pytest.mark.parametrize(
    "name",
    ["alice", "auth0|5f7c8ec7c33c6c004bbafe82", "system:serviceaccount:ns:name", "CN=Ann Øre,O=Ex", "日本", "x" * 255],
)
def test_names_that_issuers_give_are_principals(name: str) -> None:
    assert is_principal(name)


@pytest.mark.parametrize(
    "name", ["", " ", " a", "a ", "a\n", "a\x00", "a\u200b", "{a}", "a}", "x" * 256, None, 7, ["a"], "\ud800"]
)
def test_other_things_are_not(name: object) -> None:
    assert not is_principal(name)


@given(NAMES, NAMES)
def test_principals_have_homes_of_their_own(one: str, other: str) -> None:
    homes = {home_of(one, "ses_1"), home_of(other, "ses_1")}
    assert len(homes) == len({one, other})
    assert all(HOME.fullmatch(home) for home in homes)


@given(NAMES)
def test_no_session_can_be_named_like_anothers_home(name: str) -> None:
    if name != LOCAL_PRINCIPAL:
        assert not re.fullmatch(r"[a-z0-9_-]{1,64}", home_of(name, "ses_1").partition("/")[0])


def test_the_local_principal_has_its_files_where_they_always_were() -> None:
    assert home_of(LOCAL_PRINCIPAL, "ses_1") == "ses_1"


def test_work_that_outlives_its_call_keeps_the_principal() -> None:
    assert current_principal() == LOCAL_PRINCIPAL
    with entered(Call("/a.B/C", "r", principal="alice", authorization="Bearer secret")) as call:
        context = detached_context()
        assert "secret" not in repr(call)
    assert context.run(current_principal) == "alice"


def test_the_contract_names_every_cause() -> None:
    contract = CONTRACT.read_text()
    comment = contract[: contract.index("ERROR_REASON_UNAUTHENTICATED = ")].rpartition("ERROR_REASON_")[2]
    assert set(re.findall(r"`(\w+)`", comment)) == set(MESSAGES)
    for cause in MESSAGES:
        assert unauthenticated(cause).metadata == {"cause": cause}
