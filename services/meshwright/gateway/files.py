"""Where the files of one gateway are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from meshwright.envoy.folder import ADMIN_SOCKET
from meshwright.gateway.published import current_file
from meshwright.gateway.routes import current_routes_file

if TYPE_CHECKING:
    from pathlib import Path

CHECK_FILE = "token_check.yaml"
CERTIFICATE_FILE = "certificate.yaml"


@dataclass(frozen=True, slots=True)
class GatewayFiles:
    """Where the rendered files of one gateway are; all of them lie in `directory`."""

    directory: Path

    @property
    def bootstrap(self) -> Path:
        """Envoy's bootstrap."""
        return self.directory / "bootstrap.yaml"

    @property
    def candidate(self) -> Path:
        """The bootstrap with the routes inside, for `envoy --mode validate`."""
        return self.directory / "candidate.yaml"

    @property
    def routes_directory(self) -> Path:
        """The folder that Envoy watches for new routes."""
        return self.directory / "routes"

    @property
    def routes_file(self) -> Path:
        """The routes, as Envoy reads them."""
        return current_routes_file(self.routes_directory)

    @property
    def token_check_directory(self) -> Path:
        """The folder that Envoy watches for the check of tokens."""
        return self.directory / "tokens"

    @property
    def token_check_file(self) -> Path:
        """The check of tokens, as Envoy reads it."""
        return current_file(self.token_check_directory, CHECK_FILE)

    @property
    def certificate_directory(self) -> Path:
        """The folder that Envoy watches for the listener's certificate."""
        return self.directory / "tls"

    @property
    def certificate_file(self) -> Path:
        """What names the certificate, as Envoy reads it."""
        return current_file(self.certificate_directory, CERTIFICATE_FILE)

    @property
    def admin_socket(self) -> Path:
        """The unix socket of Envoy's admin interface."""
        return self.directory / ADMIN_SOCKET
