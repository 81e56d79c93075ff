"""Writing what Envoy reads, at the start and whenever something that it depends on has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshwright.gateway.files import CERTIFICATE_FILE, CHECK_FILE, GatewayFiles
from meshwright.gateway.published import next_generation, publish
from meshwright.gateway.render import (
    render_bootstrap,
    render_candidate,
    render_certificate,
    render_routes,
    render_token_check,
)
from meshwright.gateway.routes import ONE_TARGET_EACH, Target, publish_routes
from meshwright.gateway.tls import certificate
from meshwright.gateway.tokens import token_check

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from meshwright.gateway.settings import GatewaySettings


def write_files(
    settings: GatewaySettings, directory: Path, targets: Mapping[str, Sequence[Target]] = ONE_TARGET_EACH
) -> GatewayFiles:
    """Render everything Envoy needs into `directory`, which must exist and belong to this user alone."""
    files = GatewayFiles(directory)
    publish_routes(files.routes_directory, render_routes(settings, targets))
    publish_token_check(settings, files)
    publish_certificate(settings, files)
    files.bootstrap.write_text(render_bootstrap(settings, files), encoding="utf-8")
    files.candidate.write_text(render_candidate(settings, files, targets), encoding="utf-8")
    return files


def publish_token_check(settings: GatewaySettings, files: GatewayFiles) -> None:
    """Put the issuer's keys into force as they are now. Raises GatewayError when they cannot be used."""
    check = token_check(settings)
    if check is not None:
        publish(files.token_check_directory, CHECK_FILE, render_token_check(check))


def publish_certificate(settings: GatewaySettings, files: GatewayFiles) -> None:
    """Put the listener's certificate into force as it is now. Raises GatewayError when it cannot be used."""
    found = certificate(settings)
    if found is not None:
        # Links of another name each time: Envoy reads again only what has another path.
        links = {"chain.pem": found.chain, "key.pem": found.key}
        folder = next_generation(files.certificate_directory)
        text = render_certificate(folder / "chain.pem", folder / "key.pem")
        publish(files.certificate_directory, CERTIFICATE_FILE, text, links)
