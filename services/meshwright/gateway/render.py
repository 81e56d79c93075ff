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
from meshwright.gateway.routes import (
    GRPC_ROUTES,
    ONE_TARGET_EACH,
    SERVICES,
    Target,
)
from meshwright.gateway.tokens import CAUSES, token_check
from meshwright.gateway.traffic import CANARY_CLUSTER, CANARY_OR_STABLE, SESSION_HEADER, STABLE_CLUSTER, TRACK_HEADER
from meshwright.serving.address import Address, are_replicas
from meshwright.serving.elsewhere import ATTEMPT_KEY, MAX_ATTEMPTS, MAX_SEARCHES
from meshwright.serving.errors import ELSEWHERE_KEY
from meshwright.serving.inbound import MAX_REQUEST_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from meshwright.gateway.files import GatewayFiles
    from meshwright.gateway.settings import GatewaySettings
    from meshwright.gateway.tokens import TokenCheck

ACCESS_LOGGERS = "type.googleapis.com/envoy.extensions.access_loggers"

LEASE_REQUEST_BYTES = 1024 * 1024
"""Up to which size a call is kept while the replica that holds its lease is looked for."""
LEASE_START_BYTES = MAX_REQUEST_BYTES + 64 * 1024
"""Up to which size a call that asks for a lease is kept until there is one: beyond it, a replica without a free browser ends it."""

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
class _Collector:
    addresses: tuple[Address, ...]
    tls: bool


@dataclass(frozen=True, slots=True)
class _AccessLog:
    name: str
    type: str
    path: str


def render_token_check(check: TokenCheck) -> str:
    """The file with the check of callers' tokens and the issuer's keys."""
    return _render("token_check.yaml.j2", check=check)


def render_certificate(chain: Path, key: Path) -> str:
    """The file that names the listener's certificate and its key."""
    return _render("certificate.yaml.j2", chain=str(chain), key=str(key))


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
        routes_file=str(files.routes_file),
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
        check_file=str(files.token_check_file),
        token_causes=CAUSES if check else (),
        certificate_directory=str(files.certificate_directory) if settings.tls_certificate else "",
        certificate_file=str(files.certificate_file),
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
        max_searches=MAX_SEARCHES,
        lease_request_bytes=LEASE_REQUEST_BYTES,
        max_attempts=MAX_ATTEMPTS,
        lease_start_bytes=LEASE_START_BYTES,
        attempt_header=ATTEMPT_KEY,
        several_browsers=are_replicas(settings.browser_address),
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
