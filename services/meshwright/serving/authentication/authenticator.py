"""From the `authorization` of a call to its principal."""

from __future__ import annotations

import hashlib
import re
import time
from collections import OrderedDict
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from meshwright.serving.authentication.key_source import KeyFile, KeySource
from meshwright.serving.authentication.mesh_key import ALGORITHM as MESH_ALGORITHM
from meshwright.serving.authentication.mesh_key import MeshKey
from meshwright.serving.authentication.refusals import unauthenticated
from meshwright.serving.authentication.verification import CallerTokens, Verified, header_of
from meshwright.serving.authentication.vouching import vouching_with

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from meshwright.serving.authentication.settings import ServiceAuthentication

log = structlog.get_logger(__name__)

MAX_TOKEN_CHARS = 8192
MAX_REMEMBERED = 10_000
BEARER = re.compile(r"bearer +([^\s]+) *", re.IGNORECASE)


class Authenticator:
    """Tells principals by their tokens, those of callers and those of the mesh's own services.

    A token is checked once and remembered by its digest, until it expires or the issuer's keys change.
    """

    def __init__(self, callers: CallerTokens, mesh_key: MeshKey) -> None:
        self._callers = callers
        self._mesh_key = mesh_key
        self._remembered: OrderedDict[bytes, Verified] = OrderedDict()

    def known(self, authorization: str) -> str | None:
        """The principal of a call that shows a token which was checked before; None when it has to be checked."""
        verified = self._remembered.get(_digest(authorization))
        if verified is None or verified.expires <= time.time():
            return None
        if verified.keys is not None and verified.keys is not self._callers.keys.current:
            return None
        return verified.principal

    async def principal(self, authorization: str) -> str:
        """The principal of a call. UNAUTHENTICATED; UNAVAILABLE while nobody knows the issuer's keys."""
        if not authorization:
            raise unauthenticated("missing")
        bearer = BEARER.fullmatch(authorization)
        if bearer is None:
            raise unauthenticated("malformed")
        token = bearer[1]
        if len(token) > MAX_TOKEN_CHARS:
            raise unauthenticated("too_long")
        header = header_of(token)
        # The algorithm chooses between secret and public keys, so neither is ever used as the other.
        if header.get("alg") == MESH_ALGORITHM:
            verified = self._mesh_key.verify(token)
        else:
            verified = await self._callers.verify(token, header)
        self._remember(_digest(authorization), verified)
        return verified.principal

    def _remember(self, digest: bytes, verified: Verified) -> None:
        self._remembered[digest] = verified
        self._remembered.move_to_end(digest)
        if len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)


def _digest(authorization: str) -> bytes:
    return hashlib.sha256(authorization.encode()).digest()


def _keys(settings: ServiceAuthentication) -> KeySource:
    if not settings.jwks_is_url:
        return KeyFile(Path(settings.auth_jwks))
    # Imported here: whoever reads a file should not carry an HTTP client in its memory.
    from meshwright.serving.authentication.key_address import KeyAddress

    return KeyAddress(settings.auth_jwks)


@asynccontextmanager
async def open_authenticator(settings: ServiceAuthentication) -> AsyncIterator[Authenticator]:
    """What tells the principals of a server's calls; while it is open, the process vouches for them in the calls that it makes.

    The settings are complete. Raises StartupError.
    """
    assert settings.mesh_key_file is not None
    mesh_key = MeshKey.from_file(settings.mesh_key_file)
    if settings.auth_jwks.startswith("http://"):
        log.warning(
            "authentication.keys_in_clear_text", url=settings.auth_jwks, advice="whoever can change them can sign in"
        )
    keys = _keys(settings)
    try:
        with vouching_with(mesh_key):
            yield Authenticator(CallerTokens(keys, settings.auth_issuer, settings.auth_audience), mesh_key)
    finally:
        await keys.close()
