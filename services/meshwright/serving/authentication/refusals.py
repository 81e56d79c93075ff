"""What a caller is told whose token does not do, and what to do about it."""

from __future__ import annotations

from meshwright.serving.errors import MeshError
from meshwright.v1 import error_reason_pb2 as reasons

HOW = "Send `authorization: Bearer <token>`; the SDK and the command line take the token from MESHWRIGHT_TOKEN."

MESSAGES = {
    "missing": f"This mesh asks for a token. {HOW}",
    "malformed": f"The authorization of this call is no bearer token. {HOW}",
    "too_long": "The token is longer than 8192 characters. Ask its issuer for one with fewer claims.",
    "algorithm": "The token is signed with an algorithm that this mesh does not take: RS, PS, ES or EdDSA only.",
    "unknown_key": "The token is signed with a key that is not among the keys of this mesh's issuer. Sign in again.",
    "signature": "The token's signature is wrong. Sign in again.",
    "expired": "The token has expired. Sign in again for a new one.",
    "not_yet_valid": "The token is not valid yet. Check the clocks of its issuer and of this mesh.",
    "issuer": "The token comes from another issuer than the one that this mesh trusts. Sign in at that one.",
    "audience": "The token was made for another audience. Ask its issuer for one that is made for this mesh.",
    "claims": "The token lacks a claim that this mesh needs: exp, iss, aud and sub, well-formed.",
    "subject": "The token's claim `sub` cannot be a principal: up to 255 printable characters, no braces, no reserved name.",
}
"""By the cause that the metadata of the error names."""


def unauthenticated(cause: str) -> MeshError:
    """UNAUTHENTICATED for one of the causes above."""
    return MeshError(reasons.ERROR_REASON_UNAUTHENTICATED, MESSAGES[cause], metadata={"cause": cause})


def keys_unavailable() -> MeshError:
    """UNAVAILABLE: nobody can tell yet whether the token is good."""
    return MeshError(
        reasons.ERROR_REASON_UNAVAILABLE,
        "The keys of the token's issuer cannot be read at the moment, so the token cannot be checked; call again.",
        metadata={"service": "jwks"},
        retry_after=5.0,
    )
