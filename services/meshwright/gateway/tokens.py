"""The gateway's check of callers' tokens: what Envoy is told, and what callers are told whose token does not do.

The services check again: a token that only reaches them past the gateway is checked all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from meshwright.gateway.failure import GatewayError
from meshwright.gateway.local_replies import Refusal, refusal
from meshwright.serving.address import Address
from meshwright.serving.authentication.key_set import MAX_JWKS_BYTES, BadKeysError, KeySet
from meshwright.serving.authentication.refusals import keys_unavailable, unauthenticated
from meshwright.serving.authentication.verification import LEEWAY_SECONDS

if TYPE_CHECKING:
    from meshwright.serving.authentication.settings import CallerAuthentication

KEYS_FRESH_SECONDS = 60
"""For how long keys from an address are used before they are fetched again: so long a new key may be unknown."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What replaces Envoy's own words of a refused token."""

    words: str
    """Envoy's; empty for all others."""
    status: int
    """HTTP status, from which the gRPC status follows."""
    refusal: Refusal


def _cause(words: str, cause: str) -> Cause:
    return Cause(words, 401, refusal(unauthenticated(cause)))


CAUSES = (
    _cause("Jwt is missing", "missing"),
    _cause("Jwt is expired", "expired"),
    _cause("Jwt not yet valid", "not_yet_valid"),
    _cause("Jwt issuer is not configured", "issuer"),
    _cause("Audiences in Jwt are not allowed", "audience"),
    _cause("Jwks doesn't have key to match kid or alg from Jwt", "unknown_key"),
    _cause("Jwt header [alg] is not supported", "algorithm"),
    _cause("Jwt verification fails", "signature"),
    Cause("Jwks remote fetch is failed", 503, refusal(keys_unavailable())),
    _cause("", "malformed"),
)
"""From the first to the last, the one that fits."""


@dataclass(frozen=True, slots=True)
class TokenCheck:
    """Which tokens pass."""

    issuer: str
    audience: str
    leeway: int
    """By how many seconds the issuer's clock may differ."""
    keys: str
    """The JWKS; empty where it is fetched."""
    address: str
    """Where the JWKS is fetched; empty where it is in a file."""
    fresh: int = KEYS_FRESH_SECONDS

    @property
    def tls(self) -> bool:
        """Whether keys are fetched over TLS."""
        return self.address.startswith("https://")

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Host and port from which keys are fetched; empty where they are in a file."""
        if not self.address:
            return ()
        url = urlsplit(self.address)
        return (Address(url.hostname or "", url.port or (443 if self.tls else 80)),)


def token_check(settings: CallerAuthentication) -> TokenCheck | None:
    """The check that the settings ask for; None without authentication. Raises GatewayError when there are no keys."""
    if not settings.authenticates:
        return None
    keys = "" if settings.jwks_is_url else _read_keys(Path(settings.auth_jwks))
    address = settings.auth_jwks if settings.jwks_is_url else ""
    return TokenCheck(settings.auth_issuer, settings.auth_audience, LEEWAY_SECONDS, keys, address)


def _read_keys(path: Path) -> str:
    try:
        with path.open("rb") as file:
            document = file.read(MAX_JWKS_BYTES + 1)
        KeySet.parse(document)
        return document.decode()
    except (OSError, ValueError, BadKeysError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise GatewayError(f"MESHWRIGHT_AUTH_JWKS: {path} cannot be used: {why}.") from error
