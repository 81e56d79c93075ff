"""The keys of an issuer: from a file that changes, and from a web server that rotates them, is slow, and goes down."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from grpc import StatusCode

from meshwright.serving.authentication.authenticator import Authenticator, open_authenticator
from meshwright.serving.authentication.key_address import KeyAddress
from meshwright.serving.authentication.mesh_key import MeshKey
from meshwright.serving.authentication.verification import CallerTokens
from meshwright.serving.errors import MeshError
from meshwright.serving.settings import ServerSettings
from meshwright.serving.startup import StartupError
from tests.support.authenticated_echo import LIMIT, authenticated_echo, outcome, refused
from tests.support.token_issuer import (
    AUDIENCE,
    ISSUER,
    JwksServer,
    Key,
    authentication,
    bearer,
    issuer_key,
    jwks,
    jwks_server,
    token_of,
)

SECOND = Key("second")
NONE_USABLE = (
    b'{"keys": [7, null, "x", {"kty": ["EC"], "crv": ["P-256"]}, {"kty": "oct", "crv": "P-256", "k": "c2VjcmV0"}]}'
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"not json", "JSON object"),
        (b"[]", "JSON object"),
        (b'{"keys": {}}', "list"),
        (NONE_USABLE, "none of its keys"),
        (b" " * 300_000, "more than"),
    ],
    ids=["missing", "text", "a list", "no list", "none usable", "too long"],
)
async def test_a_server_does_not_start_on_a_file_of_keys_that_it_cannot_use(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    given = authentication(tmp_path)
    file = tmp_path / "jwks.json"
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    with pytest.raises(StartupError, match=said):
        async with open_authenticator(ServerSettings.load(**given)):
            pass


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_keys_that_must_not_check_are_left_out(tmp_path: Path) -> None:
    weak, private, for_secrets = Key("weak", "RS256"), Key("private"), Key("enc")
    weak.private = rsa.generate_private_key(65537, 1024)  # noqa: S505 (it is to be refused)
    entries = [
        weak.jwk,
        {**private.jwk, "d": "c2VjcmV0"},
        {**for_secrets.jwk, "use": "enc"},
        {**issuer_key().jwk, "alg": "HS256", "kid": "hs"},
        issuer_key().jwk,
    ]
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": entries}))
    async with authenticated_echo(tmp_path) as (_, stub, _):
        for key in (weak, private, for_secrets):
            assert (await refused(stub, bearer(token_of("alice", key)))).metadata == {"cause": "unknown_key"}
        assert await outcome(stub, bearer(token_of("alice"))) is None


async def test_a_file_of_keys_is_read_again_when_it_changes(tmp_path: Path) -> None:
    async with authenticated_echo(tmp_path) as (_, stub, _):
        old, new, file = bearer(token_of("alice")), bearer(token_of("alice", SECOND)), tmp_path / "jwks.json"
        assert await outcome(stub, old) is None
        assert (await refused(stub, new)).metadata == {"cause": "unknown_key"}
        file.write_bytes(b"half a docu")
        assert (await refused(stub, new)).metadata == {"cause": "unknown_key"}
        assert await outcome(stub, old) is None
        file.write_bytes(jwks(SECOND))
        assert await outcome(stub, new) is None
        # What was checked with keys that are gone does not count any more.
        assert (await refused(stub, old)).metadata == {"cause": "unknown_key"}


@asynccontextmanager
async def fetching(server: JwksServer, **times: float) -> AsyncIterator[Authenticator]:
    """Authentication with the keys of the server."""
    keys = KeyAddress(server.url, **times)
    try:
        yield Authenticator(CallerTokens(keys, ISSUER, AUDIENCE), MeshKey(["s" * 32]))
    finally:
        await keys.close()


async def error_of(authenticator: Authenticator, token: str) -> MeshError:
    with pytest.raises(MeshError) as caught:
        async with asyncio.timeout(LIMIT):
            await authenticator.principal(f"Bearer {token}")
    return caught.value


async def test_keys_from_the_web_check_the_calls_of_a_real_server(tmp_path: Path) -> None:
    async with (
        jwks_server(issuer_key()) as server,
        authenticated_echo(tmp_path, auth_jwks=server.url) as (echo, stub, _),
    ):
        assert await outcome(stub, bearer(token_of("alice"))) is None
        assert echo.calls[-1].principal == "alice"
        assert (await refused(stub, bearer(token_of("alice", SECOND)))).metadata == {"cause": "unknown_key"}


async def test_a_rotated_key_is_fetched_when_a_token_names_it() -> None:
    async with jwks_server(issuer_key()) as server, fetching(server, pause_seconds=0) as authenticator:
        assert await authenticator.principal(f"Bearer {token_of('alice')}") == "alice"
        assert server.asked == 1
        server.document = jwks(SECOND)
        assert await authenticator.principal(f"Bearer {token_of('bob', SECOND)}") == "bob"
        assert server.asked == 2
        assert authenticator.known(f"Bearer {token_of('alice')}") is None
        assert (await error_of(authenticator, token_of("alice"))).metadata == {"cause": "unknown_key"}


async def test_strange_tokens_make_the_mesh_ask_once_in_a_while_only() -> None:
    async with jwks_server(issuer_key()) as server, fetching(server) as authenticator:
        strangers = [Key(f"stranger-{number}") for number in range(20)]
        for _ in range(2):
            errors = await asyncio.gather(*(error_of(authenticator, token_of("eve", key)) for key in strangers))
            assert {error.metadata["cause"] for error in errors} == {"unknown_key"}
        assert server.asked == 1


async def test_keys_outlive_the_server_that_gave_them() -> None:
    async with jwks_server(issuer_key()) as server, fetching(server, pause_seconds=0) as authenticator:
        await authenticator.principal(f"Bearer {token_of('alice')}")
        for failing in broken(server):
            failing()
            unknown = await error_of(authenticator, token_of("alice", SECOND))
            # Nobody can tell whether that key is good.
            assert (unknown.code, unknown.metadata) == (StatusCode.UNAVAILABLE, {"service": "jwks"})
            assert unknown.retry_after
            assert await authenticator.principal(f"Bearer {token_of('carol')}") == "carol"


def broken(server: JwksServer) -> list[Any]:
    """Ways in which the server fails, one after the other."""
    document = server.document

    def answers(status: int, content: bytes, **headers: str) -> Any:
        def now() -> None:
            server.status, server.document, server.headers = status, content, headers

        return now

    return [
        answers(500, document),
        answers(302, document, Location=server.url),
        answers(204, b""),
        answers(200, b"<html>"),
        answers(200, NONE_USABLE),
        answers(200, b" " * 300_000),
    ]


async def test_a_server_that_is_down_at_the_start_is_asked_again() -> None:
    async with jwks_server(issuer_key()) as server:
        server.status = 503
        async with fetching(server, pause_seconds=0.01) as authenticator:
            assert (await error_of(authenticator, token_of("alice"))).code is StatusCode.UNAVAILABLE
            server.status = 200
            shown = f"Bearer {token_of('alice')}"
            async with asyncio.timeout(LIMIT):
                while authenticator.known(shown) is None:
                    with contextlib.suppress(MeshError):
                        await authenticator.principal(shown)
                    await asyncio.sleep(0.01)


async def test_a_port_where_nobody_listens_is_unavailable() -> None:
    async with jwks_server(issuer_key()) as server:
        pass
    async with fetching(server) as authenticator:
        assert (await error_of(authenticator, token_of("alice"))).code is StatusCode.UNAVAILABLE


async def test_a_slow_server_is_asked_once_for_all_and_given_up() -> None:
    async with jwks_server(issuer_key()) as server, fetching(server, fetch_seconds=0.3) as authenticator:
        server.gate.clear()
        began = time.monotonic()
        errors = await asyncio.gather(*(error_of(authenticator, token_of("alice")) for _ in range(50)))
        assert time.monotonic() - began < LIMIT / 2
        assert {error.code for error in errors} == {StatusCode.UNAVAILABLE}
        assert server.asked == 1


async def test_a_caller_that_leaves_does_not_end_the_fetch_of_the_others() -> None:
    async with jwks_server(issuer_key()) as server, fetching(server) as authenticator:
        server.gate.clear()
        first, second = (
            asyncio.create_task(authenticator.principal(f"Bearer {token_of(name)}")) for name in ("alice", "bob")
        )
        async with asyncio.timeout(LIMIT):
            await server.was_asked.wait()
            first.cancel()
            await asyncio.wait([first])
            server.gate.set()
            assert await second == "bob"
        assert server.asked == 1


async def test_keys_are_fetched_anew_from_time_to_time() -> None:
    async with jwks_server(issuer_key()) as server, fetching(server, fresh_seconds=0.02) as authenticator:
        shown = f"Bearer {token_of('alice')}"
        await authenticator.principal(shown)
        server.document = jwks(SECOND)
        async with asyncio.timeout(LIMIT):
            while authenticator.known(shown) is not None:  # noqa: ASYNC110 (nobody tells when keys were fetched)
                await asyncio.sleep(0.01)
