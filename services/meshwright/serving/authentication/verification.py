"""Checking callers' tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jwt

from meshwright.serving.authentication.key_set import ALGORITHMS
from meshwright.serving.authentication.principals import RESERVED, is_principal
from meshwright.serving.authentication.refusals import unauthenticated

if TYPE_CHECKING:
    from meshwright.serving.authentication.key_set import KeySet, PublicKey
    from meshwright.serving.authentication.key_source import KeySource

LEEWAY_SECONDS = 30
"""By how much the clocks of issuer and mesh may differ."""
END_OF_TIME = 1 << 40
REQUIRED = ("exp", "iss", "aud", "sub")

CAUSES: tuple[tuple[type[Exception], str], ...] = (
    (jwt.ExpiredSignatureError, "expired"),
    (jwt.ImmatureSignatureError, "not_yet_valid"),
    (jwt.InvalidIssuerError, "issuer"),
    (jwt.InvalidAudienceError, "audience"),
    (jwt.MissingRequiredClaimError, "claims"),
    (jwt.InvalidSignatureError, "signature"),
    (jwt.DecodeError, "malformed"),
    # What is left: claims of a wrong type.
    (Exception, "claims"),
)


class Verified(NamedTuple):
    """What a good token says."""

    principal: str
    expires: float
    """Until when it is good, in Unix seconds."""
    keys: KeySet | None
    """The version of the issuer's keys that it was checked with; None for tokens of the mesh's own."""


class CallerTokens:
    """Tokens of one issuer, for one audience."""

    def __init__(self, keys: KeySource, issuer: str, audience: str) -> None:
        self.keys = keys
        self._issuer = issuer
        self._audience = audience

    async def verify(self, token: str, header: dict[str, Any]) -> Verified:
        """What the token says. UNAUTHENTICATED; UNAVAILABLE while nobody knows the issuer's keys."""
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise unauthenticated("algorithm")
        key = await self._key(header.get("kid"), algorithm)
        claims = decoded(token, key.key, algorithm, issuer=self._issuer, audience=self._audience, leeway=LEEWAY_SECONDS)
        principal = claims["sub"]
        if not is_principal(principal) or principal in RESERVED:
            raise unauthenticated("subject")
        return Verified(principal, min(int(claims["exp"]), END_OF_TIME) + LEEWAY_SECONDS, self.keys.current)

    async def _key(self, key_id: str | None, algorithm: str) -> PublicKey:
        key = self.keys.current.find(key_id, algorithm)
        if key is None:
            await self.keys.refresh()
            key = self.keys.current.find(key_id, algorithm)
        if key is None:
            raise unauthenticated("unknown_key")
        return key


def header_of(token: str) -> dict[str, Any]:
    """What the token says of itself, unchecked. UNAUTHENTICATED."""
    try:
        return jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise unauthenticated("malformed") from None


def decoded(token: str, key: Any, algorithm: str, *, issuer: str, audience: str, leeway: int) -> dict[str, Any]:
    """The claims of a token that was signed with the key, is in force, and is from and for whom it should be. UNAUTHENTICATED."""
    try:
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=issuer,
            audience=audience,
            leeway=leeway,
            options={"require": list(REQUIRED)},
        )
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
        cause = next(cause for kind, cause in CAUSES if isinstance(error, kind))
        raise unauthenticated(cause) from None
