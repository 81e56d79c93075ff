"""An issuer of tokens: keys that were made a moment ago, tokens signed with them, and the address where their public halves are."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER = "https://issuer.test/"
AUDIENCE = "the-mesh"
KINDS: dict[str, Any] = {
    "RS256": RSAAlgorithm,
    "PS256": RSAAlgorithm,
    "ES256": ECAlgorithm,
    "ES384": ECAlgorithm,
    "EdDSA": OKPAlgorithm,
}


def made_key(algorithm: str) -> Any:
    """A new private key."""
    match algorithm:
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "ES384":
            return ec.generate_private_key(ec.SECP384R1())
        case "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return rsa.generate_private_key(65537, 2048)


class Key:
    """A key pair with an id."""

    def __init__(self, key_id: str, algorithm: str = "ES256") -> None:
        self.key_id = key_id
        self.algorithm = algorithm
        self.private = made_key(algorithm)

    @property
    def jwk(self) -> dict[str, Any]:
        """The public half."""
        return {**self.public(), "kid": self.key_id, "alg": self.algorithm, "use": "sig"}

    def public(self) -> dict[str, Any]:
        """The public half without names."""
        described: dict[str, Any] = KINDS[self.algorithm].to_jwk(self.private.public_key(), as_dict=True)
        return described

    def sign(self, claims: dict[str, Any], **headers: Any) -> str:
        """A token with the claims."""
        return jwt.encode(claims, self.private, self.algorithm, headers={"kid": self.key_id, **headers})


def jwks(*keys: Key) -> bytes:
    """The document with the keys' public halves."""
    return json.dumps({"keys": [key.jwk for key in keys]}).encode()


def claims(subject: str = "alice", **changed: Any) -> dict[str, Any]:
    """The claims of a good token, with those of `changed`; None leaves one out."""
    now = int(time.time())
    # Tests are parametrized with tokens long before they run.
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "nbf": now, "exp": now + 86_400}
    return {name: value for name, value in {**good, **changed}.items() if value is not None}


@cache
def issuer_key() -> Key:
    """A key for tests that need just any."""
    return Key("first")


def token_of(subject: str, key: Key | None = None, **changed: Any) -> str:
    """A good token of the principal, but for what is changed."""
    return (key or issuer_key()).sign(claims(subject, **changed))


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """The token as metadata of a call."""
    return (("authorization", f"Bearer {token}"),)


def authentication(folder: Path, *keys: Key) -> dict[str, Any]:
    """Settings of services that take the issuer's tokens; its keys and the mesh's secret lie in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    document = folder / "jwks.json"
    if keys or not document.exists():
        document.write_bytes(jwks(*(keys or (issuer_key(),))))
    secret = folder / "mesh.key"
    if not secret.exists():
        secret.write_text(secrets.token_urlsafe(32))
    return {
        "auth_jwks": str(document),
        "auth_issuer": ISSUER,
        "auth_audience": AUDIENCE,
        "mesh_key_file": secret,
    }


class JwksServer:
    """The issuer's web server: what it answers, how fast, and how often it was asked."""

    def __init__(self, document: bytes) -> None:
        self.url = ""
        self.document = document
        self.status = 200
        self.headers: dict[str, str] = {}
        self.asked = 0
        self.was_asked = asyncio.Event()
        self.gate = asyncio.Event()
        """Answers wait for it."""
        self.gate.set()

    async def answer(self, _request: web.Request) -> web.Response:
        self.asked += 1
        self.was_asked.set()
        await self.gate.wait()
        return web.Response(
            body=self.document, status=self.status, headers=self.headers, content_type="application/json"
        )


@asynccontextmanager
async def jwks_server(*keys: Key) -> AsyncIterator[JwksServer]:
    """The server on a free port of loopback."""
    server = JwksServer(jwks(*keys))
    app = web.Application()
    app.router.add_get("/jwks", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/jwks"
    try:
        yield server
    finally:
        server.gate.set()
        await runner.cleanup()
