"""Tokens of the mesh's own: with them a service vouches to another for the principal on whose behalf it calls."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

import jwt

from meshwright.serving.authentication.principals import is_principal
from meshwright.serving.authentication.refusals import unauthenticated
from meshwright.serving.authentication.verification import END_OF_TIME, LEEWAY_SECONDS, Verified, decoded
from meshwright.serving.errors import MeshError
from meshwright.serving.startup import StartupError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ALGORITHM = "HS256"
ISSUER = AUDIENCE = "meshwright"
LIFE_SECONDS = 300
MIN_LEFT_SECONDS = 120
"""A token with less left is not shown any more: the call may wait for its service."""
MIN_SECRET_CHARS = 32
MAX_REMEMBERED = 4096


class MeshKey:
    """The secret that all services of a mesh share. The first signs; each of them is accepted."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = tuple(secrets)
        self._tokens: OrderedDict[str, tuple[float, str]] = OrderedDict()

    @classmethod
    def from_file(cls, path: Path) -> MeshKey:
        """The key in a file: a secret of at least 32 characters on each line. StartupError."""
        try:
            secrets = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise StartupError(f"MESHWRIGHT_MESH_KEY_FILE: {path} cannot be read: {why}.") from error
        if not secrets or any(len(secret) < MIN_SECRET_CHARS for secret in secrets):
            raise StartupError(
                f"MESHWRIGHT_MESH_KEY_FILE: {path} must hold a secret of at least {MIN_SECRET_CHARS} characters, or several, each on "
                "a line of its own. Make one with: (umask 077; head -c 32 /dev/urandom | base64 > mesh.key)"
            )
        return cls(secrets)

    def token(self, principal: str) -> str:
        """A token that vouches for the principal for at least two minutes more."""
        now = time.time()
        made = self._tokens.get(principal)
        if made is not None and made[0] - now > MIN_LEFT_SECONDS:
            return made[1]
        expires = now + LIFE_SECONDS
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": principal, "iat": int(now), "exp": int(expires)}
        token = jwt.encode(claims, self._secrets[0], ALGORITHM)
        self._tokens[principal] = (expires, token)
        self._tokens.move_to_end(principal)
        if len(self._tokens) > MAX_REMEMBERED:
            self._tokens.popitem(last=False)
        return token

    def verify(self, token: str) -> Verified:
        """What the token says. UNAUTHENTICATED."""
        for secret in self._secrets[:-1]:
            try:
                return self._verify(token, secret)
            except MeshError as error:
                if error.metadata["cause"] != "signature":
                    raise
        return self._verify(token, self._secrets[-1])

    def _verify(self, token: str, secret: str) -> Verified:
        claims = decoded(token, secret, ALGORITHM, issuer=ISSUER, audience=AUDIENCE, leeway=LEEWAY_SECONDS)
        if not is_principal(claims["sub"]):
            raise unauthenticated("subject")
        return Verified(claims["sub"], min(int(claims["exp"]), END_OF_TIME) + LEEWAY_SECONDS, None)
