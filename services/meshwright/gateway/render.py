"""From settings to the files that Envoy reads."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined

from meshwright.gateway.local_replies import (
    FOREIGN_HOST,
    FOREIGN_ORIGIN,
    LOCAL_REPLIES,
    UNKNOWN_SERVICE,
    rate_limited,
)
from meshwright.gateway.published import current_file, next_generation, publish
from meshwright.gateway.routes import (
    GRPC_ROUTES,
    ONE_TARGET_EACH,
    SERVICES,
    Target,
    current_routes_file,
    publish_routes,
)
from meshwright.gateway.tls import certificate
from meshwright.gateway.tokens import CAUSES, token_check
from meshwright.gateway.traffic import CANARY_CLUSTER, CANARY_OR_STABLE, SESSION_HEADER, STABLE_CLUSTER, TRACK_HEADER
from meshwright.serving.address import Address
from meshwright.serving.errors import ELSEWHERE_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from meshwright.gateway.settings import GatewaySettings

ACCESS_LOGGERS = "type.googleapis.com/envoy.extensions.access_loggers"

CHECK_FILE = "token_check.yaml"
CERTIFICATE_FILE = "certificate.yaml"
LEASE_TRIES = 16
"""How many replicas are asked for a lease after the first."""
LEASE_REQUEST_BYTES = 1024 * 1024
"""Up to which size a call is kept while the replica that holds its lease is looked for."""

# The content security policy is the site's, which knows what its pages load.
PAGE_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

# The templates make YAML, not HTML; every value from outside goes through `tojson`, which is YAML's quoting too.
_templates = Environment(
    loader=PackageLoader("meshwright.gateway"),
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701
    keep_trailing_newline=True,
)


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
    def token_check_directory(self) -> Path:
        """The folder that Envoy watches for the check of tokens."""
        return self.directory / "tokens"

    @property
    def certificate_directory(self) -> Path:
        """The folder that Envoy watches for the listener's certificate."""
        return self.directory / "tls"

    @property
    def admin_socket(self) -> Path:
        """The unix socket of Envoy's admin interface."""
        return self.directory / "admin.sock"


@dataclass(frozen=True, slots=True)
class _Collector:
    addresses: tuple[Address, ...]
    tls: bool


@dataclass(frozen=True, slots=True)
class _AccessLog:
    name: str
    type: str
    path: str


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
        publish(files.token_check_directory, CHECK_FILE, _render("token_check.yaml.j2", check=check))


def publish_certificate(settings: GatewaySettings, files: GatewayFiles) -> None:
    """Put the listener's certificate into force as it is now. Raises GatewayError when it cannot be used."""
    found = certificate(settings)
    if found is not None:
        # Links of another name each time: Envoy reads again only what has another path.
        links = {"chain.pem": found.chain, "key.pem": found.key}
        folder = next_generation(files.certificate_directory)
        text = _render("certificate.yaml.j2", **{name.partition(".")[0]: str(folder / name) for name in links})
        publish(files.certificate_directory, CERTIFICATE_FILE, text, links)


def render_bootstrap(settings: GatewaySettings, files: GatewayFiles) -> str:
    """Envoy's bootstrap: listener, clusters, limits. The routes are read from `files.routes_directory`."""
    return _bootstrap(settings, files)


def render_candidate(
    settings: GatewaySettings, files: GatewayFiles, targets: Mapping[str, Sequence[Target]] = ONE_TARGET_EACH
) -> str:
    """The bootstrap with the routes inside, for Envoy's check of both: it does not look into a routes file."""
    return _bootstrap(settings, files, inline_route_config=_route_config(settings, targets), inline_check=True)


def render_routes(settings: GatewaySettings, targets: Mapping[str, Sequence[Target]] = ONE_TARGET_EACH) -> str:
    """The routes file. `targets` says, for each of agent, tools and browser, which clusters share its new streams."""
    return _render("routes.yaml.j2", route_config=_route_config(settings, targets))


def _bootstrap(
    settings: GatewaySettings, files: GatewayFiles, *, inline_route_config: str = "", inline_check: bool = False
) -> str:
    otlp = _otlp(settings.otlp_endpoint)
    check = token_check(settings)
    limit = settings.gateway_calls_per_second
    listener = _render(
        "listener.yaml.j2",
        settings=settings,
        routes_directory=str(files.routes_directory),
        routes_file=str(current_routes_file(files.routes_directory)),
        inline_route_config=inline_route_config,
        drain_timeout=f"{settings.gateway_drain_seconds:.3f}s",
        otlp=otlp,
        access_log=_access_log(settings.gateway_access_log),
        cors_hosts=[urlsplit(origin).netloc for origin in settings.cors_origins],
        local_replies=LOCAL_REPLIES,
        foreign_origin=FOREIGN_ORIGIN,
        services=SERVICES,
        check=check,
        inline_check=inline_check,
        check_directory=str(files.token_check_directory),
        check_file=str(current_file(files.token_check_directory, CHECK_FILE)),
        token_causes=CAUSES if check else (),
        certificate_directory=str(files.certificate_directory) if settings.tls_certificate else "",
        certificate_file=str(current_file(files.certificate_directory, CERTIFICATE_FILE)),
        rate_limited=rate_limited(limit),
    )
    clusters = _render(
        "clusters.yaml.j2",
        settings=settings,
        grpc_upstreams=_grpc_upstreams(settings),
        stable=STABLE_CLUSTER,
        canary=CANARY_CLUSTER,
        canary_or_stable=CANARY_OR_STABLE,
        site=settings.site_address,
        otlp=otlp,
        check=check,
        trusted_ca=_trusted_ca(),
    )
    return _render(
        "bootstrap.yaml.j2",
        settings=settings,
        admin_socket=str(files.admin_socket),
        listener=listener,
        clusters=clusters,
    )


def _grpc_upstreams(settings: GatewaySettings) -> dict[str, tuple[Address, ...]]:
    upstreams = {
        STABLE_CLUSTER: settings.agent_address,
        CANARY_CLUSTER: settings.agent_canary_address,
        "tools": settings.tools_address,
        "browser": settings.browser_address,
    }
    return {name: addresses for name, addresses in upstreams.items() if addresses}


def _route_config(settings: GatewaySettings, targets: Mapping[str, Sequence[Target]]) -> str:
    return _render(
        "route_config.yaml.j2",
        cors_origins=settings.cors_origins,
        allowed_hosts=["*"] if "*" in settings.allowed_hosts else list(settings.allowed_hosts),
        clusters=targets,
        grpc_routes=GRPC_ROUTES,
        elsewhere_header=ELSEWHERE_KEY,
        session_header=SESSION_HEADER,
        track_header=TRACK_HEADER,
        lease_tries=LEASE_TRIES,
        lease_request_bytes=LEASE_REQUEST_BYTES,
        page_headers=PAGE_HEADERS,
        foreign_host=FOREIGN_HOST,
        unknown_service=UNKNOWN_SERVICE,
    )


def _render(template: str, **values: object) -> str:
    return _templates.get_template(template).render(values)


def _otlp(endpoint: str) -> _Collector | None:
    if not endpoint:
        return None
    url = urlsplit(endpoint)
    return _Collector(
        addresses=(Address(url.hostname or "", url.port or 4317),),
        tls=url.scheme == "https",
    )


def _trusted_ca() -> str:
    return ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"


def _access_log(target: str) -> _AccessLog | None:
    if not target:
        return None
    if target == "stdout":
        return _AccessLog("envoy.access_loggers.stdout", f"{ACCESS_LOGGERS}.stream.v3.StdoutAccessLog", "")
    return _AccessLog("envoy.access_loggers.file", f"{ACCESS_LOGGERS}.file.v3.FileAccessLog", target)
