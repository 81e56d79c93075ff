"""The public keys of an issuer, out of a JSON Web Key Set."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jwt.algorithms import AllowedPublicKeys

log = structlog.get_logger(__name__)

MAX_JWKS_BYTES = 256 * 1024
MAX_KEYS = 100
MIN_RSA_BITS = 2048
RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA"}
LOADERS: dict[str, type[RSAAlgorithm | ECAlgorithm | OKPAlgorithm]] = {
    "RSA": RSAAlgorithm,
    "EC": ECAlgorithm,
    "OKP": OKPAlgorithm,
}
ALGORITHMS = RSA | frozenset(CURVES.values())
"""What a caller's token may be signed with: public keys only. A shared secret cannot tell who signed."""


class BadKeysError(ValueError):
    """The document is no JWKS, or no key in it can check a signature."""


class PublicKey(NamedTuple):
    """A key that can check signatures."""

    key_id: str | None
    algorithms: frozenset[str]
    key: AllowedPublicKeys


class KeySet:
    """The keys of one version of the document."""

    def __init__(self, keys: Iterable[PublicKey] = ()) -> None:
        self._keys = tuple(keys)

    def __len__(self) -> int:
        return len(self._keys)

    @classmethod
    def parse(cls, document: bytes) -> KeySet:
        """The usable keys of a JWKS; others are left out and named in the log. BadKeysError."""
        if len(document) > MAX_JWKS_BYTES:
            raise BadKeysError(f"it has more than {MAX_JWKS_BYTES} bytes")
        try:
            entries = json.loads(document)["keys"]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise BadKeysError('it is not a JSON object with a list of "keys"') from None
        if not isinstance(entries, list) or len(entries) > MAX_KEYS:
            raise BadKeysError(f'its "keys" are not a list of at most {MAX_KEYS}')
        keys = [key for entry in entries if (key := _public_key(entry)) is not None]
        if not keys:
            raise BadKeysError("none of its keys is a public RSA, EC or Ed25519 key for signatures")
        return cls(keys)

    def find(self, key_id: str | None, algorithm: str) -> PublicKey | None:
        """The key with the id that a token names. A token without one gets the only key that its algorithm allows."""
        fitting = [key for key in self._keys if algorithm in key.algorithms]
        if key_id is not None:
            return next((key for key in fitting if key.key_id == key_id), None)
        return fitting[0] if len(fitting) == 1 else None


def _public_key(entry: Any) -> PublicKey | None:
    if not isinstance(entry, dict):
        return None
    try:
        key_id, algorithms = entry.get("kid"), _algorithms(entry)
        if "d" in entry:
            raise BadKeysError("it is a private key, which belongs to nobody but the issuer")
        # An operator's set may have keys for other purposes, which are no mistake.
        if not algorithms or not isinstance(key_id, str | None):
            return None
        return PublicKey(key_id, algorithms, _loaded(entry))
    except (ValueError, TypeError, KeyError, jwt.PyJWTError) as error:
        log.warning("authentication.key_left_out", kid=str(entry.get("kid"))[:64], cause=str(error))
        return None


def _algorithms(entry: Any) -> frozenset[str]:
    """What the key may check: what its kind can do, narrowed to the one algorithm that it names."""
    if entry.get("use", "sig") != "sig" or "verify" not in entry.get("key_ops", ("verify",)):
        return frozenset()
    kind = RSA if entry.get("kty") == "RSA" else {CURVES.get(entry.get("crv"), "")} - {""}
    named = entry.get("alg")
    return frozenset(kind if named is None else kind & {named})


def _loaded(entry: dict[str, Any]) -> AllowedPublicKeys:
    kind = LOADERS[entry["kty"]]
    key = kind.from_jwk(entry)
    if isinstance(key, RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        raise BadKeysError(f"an RSA key has at least {MIN_RSA_BITS} bits")
    return cast("AllowedPublicKeys", key)
