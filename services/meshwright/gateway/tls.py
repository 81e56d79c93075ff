"""The listener's certificate."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from meshwright.gateway.failure import GatewayError

if TYPE_CHECKING:
    from pathlib import Path

    from meshwright.gateway.settings import GatewaySettings


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of a certificate chain and its private key, in PEM."""

    chain: Path
    key: Path

    def check(self) -> None:
        """Raise GatewayError, in words for a person, unless the key fits and both can be read."""
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.chain, self.key, password=_no_password)
        except ssl.SSLError as error:
            why = (error.reason or "they are not in PEM").replace("_", " ").lower()
            raise GatewayError(
                f"MESHWRIGHT_TLS_CERTIFICATE and MESHWRIGHT_TLS_KEY: {self.chain} and {self.key} cannot be used: {why}."
            ) from error
        except OSError as error:
            raise GatewayError(
                f"MESHWRIGHT_TLS_CERTIFICATE and MESHWRIGHT_TLS_KEY: {self.chain} and {self.key} cannot be read: {error.strerror}."
            ) from error


def certificate(settings: GatewaySettings) -> Certificate | None:
    """The certificate of the settings; None without TLS. Raises GatewayError when it cannot be used."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    found = Certificate(settings.tls_certificate, settings.tls_key)
    found.check()
    return found


def _no_password() -> str:
    """OpenSSL would ask at the terminal for the password of an encrypted key."""
    return ""
