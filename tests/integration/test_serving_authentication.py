"""Who calls: good tokens, every kind of bad one, and the tokens of the mesh's own services, at a real server."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from meshwright.serving.errors import MeshError
from meshwright.serving.settings import ServerSettings
from meshwright.v1 import error_reason_pb2 as reasons
from tests.serving_echo import ARITIES, SERVICE, Echo, EchoStub, echo_request
from tests.support.authenticated_echo import LIMIT, authenticated_echo, outcome, refused
from tests.support.token_issuer import AUDIENCE, ISSUER, Key, authentication, bearer, claims, issuer_key, token_of

RSA = Key("rsa", "RS256")
KEYS = (issuer_key(), RSA, Key("ps", "PS256"), Key("p384", "ES384"), Key("ed", "EdDSA"))
STRANGER = Key("first")


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[Echo, EchoStub]]:
    authentication(tmp_path, *KEYS)
    async with authenticated_echo(tmp_path) as (echo, stub, _):
        yield echo, stub


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm)
async def test_a_good_token_tells_the_principal(served: tuple[Echo, EchoStub], key: Key) -> None:
    echo, stub = served
    await stub.send("Unary", echo_request(), metadata=bearer(token_of("auth0|alice@example.com", key)))
    assert echo.calls[-1].principal == "auth0|alice@example.com"
    assert echo.calls[-1].authorization == ""


@pytest.mark.parametrize("method", [method for method in ARITIES if method != "Deaf"])
async def test_every_arity_is_authenticated(served: tuple[Echo, EchoStub], method: str) -> None:
    echo, stub = served
    error = await refused(stub, (), method)
    assert (error.reason, error.metadata["cause"]) == (reasons.ERROR_REASON_UNAUTHENTICATED, "missing")
    assert "MESHWRIGHT_TOKEN" in error.message
    assert not echo.calls
    await stub.send(method, echo_request(), metadata=bearer(token_of("alice")), timeout=LIMIT)
    assert echo.calls[-1].principal == "alice"


def secret_from(key: Key) -> bytes:
    """The public key as an attacker takes it for a shared secret."""
    public: bytes = key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return public


def forged(header: dict[str, Any], body: dict[str, Any], signature: bytes = b"") -> str:
    """A token of parts that no library would put together."""
    parts = [json.dumps(header).encode(), json.dumps(body).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def with_secret(secret: bytes, algorithm: str = "HS256", **changed: Any) -> str:
    import hashlib
    import hmac

    unsigned = forged({"alg": algorithm, "typ": "JWT", "kid": "rsa"}, claims(**changed)).rpartition(".")[0]
    digest = hmac.new(secret, unsigned.encode(), getattr(hashlib, f"sha{algorithm[2:]}")).digest()
    return f"{unsigned}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


BAD_TOKENS: dict[str, tuple[Callable[[], str], str]] = {
    "garbage": (lambda: "garbage", "malformed"),
    "three parts of garbage": (lambda: "a.b.c", "malformed"),
    "deep header": (lambda: f"{base64.urlsafe_b64encode(b'[' * 4000).decode()}.e30.x", "malformed"),
    "no algorithm": (lambda: forged({"typ": "JWT", "kid": "first"}, claims()), "algorithm"),
    "alg none": (lambda: forged({"alg": "none", "typ": "JWT"}, claims()), "algorithm"),
    "alg None": (lambda: forged({"alg": "None", "typ": "JWT"}, claims(), b"x"), "algorithm"),
    "alg is a list": (lambda: forged({"alg": ["ES256"], "kid": "first"}, claims(), b"x"), "algorithm"),
    "HS256 with the public key": (lambda: with_secret(secret_from(RSA)), "signature"),
    "HS384 with the public key": (lambda: with_secret(secret_from(RSA), "HS384"), "algorithm"),
    "HS256 as the mesh, with the public key": (
        lambda: with_secret(secret_from(RSA), iss="meshwright", aud="meshwright"),
        "signature",
    ),
    "RS256 with a key for PS256": (
        lambda: jwt.encode(claims(), KEYS[2].private, "RS256", headers={"kid": "ps"}),
        "unknown_key",
    ),
    "unknown kid": (lambda: token_of("alice", Key("second")), "unknown_key"),
    "no kid, a stranger's key": (
        lambda: jwt.encode(claims(), Key("x", "RS256").private, "RS256"),
        "signature",
    ),
    "kid is a number": (lambda: forged({"alg": "ES256", "kid": 7}, claims(), b"x"), "malformed"),
    "a stranger's key of the same name": (lambda: token_of("alice", STRANGER), "signature"),
    "changed claims": (lambda: swapped(token_of("alice"), token_of("bob")), "signature"),
    "expired": (lambda: token_of("alice", exp=int(time.time()) - 40), "expired"),
    "not yet": (lambda: token_of("alice", nbf=int(time.time()) + 3600), "not_yet_valid"),
    "issued in the future": (lambda: token_of("alice", iat=int(time.time()) + 3600), "not_yet_valid"),
    "never expires": (lambda: token_of("alice", exp=None), "claims"),
    "exp is a word": (lambda: forged_claims({"exp": "soon"}), "malformed"),
    "exp is infinite": (lambda: forged_claims({"exp": float("inf")}), "malformed"),
    "no issuer": (lambda: token_of("alice", iss=None), "claims"),
    "another issuer": (lambda: token_of("alice", iss="https://other.test/"), "issuer"),
    "almost the issuer": (lambda: token_of("alice", iss=ISSUER.rstrip("/")), "issuer"),
    "no audience": (lambda: token_of("alice", aud=None), "claims"),
    "another audience": (lambda: token_of("alice", aud="another"), "audience"),
    "other audiences": (lambda: token_of("alice", aud=["a", "b"]), "audience"),
    "no sub": (lambda: issuer_key().sign({**claims(), "sub": None}), "claims"),
    "sub left out": (lambda: issuer_key().sign({k: v for k, v in claims().items() if k != "sub"}), "claims"),
    "sub is a number": (lambda: forged_claims({"sub": 7}), "claims"),
    "sub is empty": (lambda: token_of(""), "subject"),
    "sub is too long": (lambda: token_of("x" * 256), "subject"),
    "sub with a line break": (lambda: token_of("alice\nadmin"), "subject"),
    "sub with braces": (lambda: token_of("{alice}"), "subject"),
    "sub with blanks around": (lambda: token_of(" alice"), "subject"),
    "sub of the local principal": (lambda: token_of("local"), "subject"),
    "sub of the mesh itself": (lambda: token_of("meshwright"), "subject"),
    "longer than 8192 characters": (lambda: token_of("alice", scope="x" * 9000), "too_long"),
}


def swapped(mine: str, other: str) -> str:
    """One token's claims under another's signature."""
    head, _, signature = mine.split(".")
    return f"{head}.{other.split('.')[1]}.{signature}"


def forged_claims(changed: dict[str, Any]) -> str:
    """Well signed, with claims that PyJWT would not write."""
    return jwt.api_jws.encode(
        json.dumps({**claims(), **changed}).encode(), issuer_key().private, "ES256", headers={"kid": "first"}
    )


@pytest.mark.parametrize("name", BAD_TOKENS)
async def test_a_bad_token_is_refused_and_told_why(served: tuple[Echo, EchoStub], name: str) -> None:
    echo, stub = served
    make, cause = BAD_TOKENS[name]
    token = make()
    error = await refused(stub, bearer(token))
    assert (error.code, error.reason) == (StatusCode.UNAUTHENTICATED, reasons.ERROR_REASON_UNAUTHENTICATED)
    assert error.metadata == {"cause": cause}
    assert token not in error.message
    assert not echo.calls


@pytest.mark.parametrize(
    ("authorization", "cause"),
    [
        ("", "missing"),
        ("Bearer", "malformed"),
        ("Bearer a b", "malformed"),
        ("Basic YWxpY2U6aHVudGVyMg==", "malformed"),
        (token_of("alice"), "malformed"),
    ],
)
async def test_what_is_no_bearer_token_is_refused(
    served: tuple[Echo, EchoStub], authorization: str, cause: str
) -> None:
    error = await refused(served[1], (("authorization", authorization),))
    assert error.metadata == {"cause": cause}


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=200))
async def test_whatever_is_shown_is_refused_and_never_a_defect(tmp_path_factory: Any, shown: str) -> None:
    from meshwright.serving.authentication.authenticator import open_authenticator

    loaded = ServerSettings.load(**authentication(tmp_path_factory.getbasetemp() / "garbage", *KEYS))
    async with open_authenticator(loaded) as authenticator:
        for authorization in (
            shown,
            f"Bearer {shown}",
            f"Bearer {base64.urlsafe_b64encode(shown.encode()).decode()}.e30.x",
        ):
            with pytest.raises(MeshError) as caught:
                await authenticator.principal(authorization)
            assert caught.value.reason == reasons.ERROR_REASON_UNAUTHENTICATED


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": -5},
        {"nbf": 20, "iat": 20},
        {"aud": ["other", AUDIENCE]},
        {"nbf": None, "iat": None},
    ],
    ids=["just expired", "a clock ahead", "one of several audiences", "without nbf and iat"],
)
async def test_what_differs_by_little_is_taken(served: tuple[Echo, EchoStub], changed: dict[str, Any]) -> None:
    now = int(time.time())
    claimed: dict[str, Any] = {
        name: now + value if isinstance(value, int) else value for name, value in changed.items()
    }
    await served[1].send("Unary", echo_request(), metadata=bearer(token_of("alice", **claimed)), timeout=LIMIT)


async def test_a_token_without_a_key_id_is_checked_with_the_only_key_of_its_kind(
    served: tuple[Echo, EchoStub],
) -> None:
    token = jwt.encode(claims(), issuer_key().private, "ES256")
    await served[1].send("Unary", echo_request(), metadata=bearer(token), timeout=LIMIT)


async def test_a_token_that_was_taken_is_refused_once_it_has_expired(served: tuple[Echo, EchoStub]) -> None:
    echo, stub = served
    # Of its leeway of 30 s four are left, at most.
    shown = bearer(token_of("alice", exp=int(time.time()) - 26))
    await stub.send("Unary", echo_request(), metadata=shown, timeout=LIMIT)
    served_before = len(echo.calls)
    async with asyncio.timeout(LIMIT):
        while not (error := await outcome(stub, shown)):
            served_before = len(echo.calls)
    assert error.metadata == {"cause": "expired"}
    assert len(echo.calls) == served_before


async def test_health_and_reflection_ask_for_no_token(tmp_path: Path) -> None:
    async with authenticated_echo(tmp_path) as (_, _, channel):
        health: Any = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(service=SERVICE), timeout=LIMIT)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]  # not in its types
        listing = reflection_pb2.ServerReflectionRequest(list_services="")
        async for response in reflection.ServerReflectionInfo(iter([listing]), timeout=LIMIT):
            assert SERVICE in {service.name for service in response.list_services_response.service}


async def test_a_method_that_nobody_serves_is_told_to_nobody_without_a_token(tmp_path: Path) -> None:
    async with authenticated_echo(tmp_path) as (_, _, channel):
        method: Any = channel.unary_unary(f"/{SERVICE}/NoSuchMethod")
        for metadata, code in (((), StatusCode.UNAUTHENTICATED), (bearer(token_of("a")), StatusCode.UNIMPLEMENTED)):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await method(b"", timeout=LIMIT, metadata=metadata)
            assert caught.value.code() is code


async def test_the_log_names_the_principal_and_never_the_token(served: tuple[Echo, EchoStub]) -> None:
    token = token_of("alice")
    with capture_logs() as lines:
        await served[1].send("Unary", echo_request(), metadata=bearer(token), timeout=LIMIT)
    [line] = lines
    assert line["principal"] == "alice"
    assert token.split(".")[1] not in str(lines)
