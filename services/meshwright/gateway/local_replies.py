"""The typed errors that the gateway itself answers when a service behind it cannot."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from meshwright.gateway.routes import SERVICES, Service
from meshwright.serving.errors import MeshError, Quota
from meshwright.v1 import error_reason_pb2 as reasons

# Envoy's response flags: connection failure, no healthy host, connection ended, circuit breaker open, reset by the
# service, retries used up, reset by Envoy, protocol error of the service.
UNREACHABLE_FLAGS = ("UF", "UH", "UC", "UO", "UR", "URX", "LR", "UPE")


@dataclass(frozen=True, slots=True)
class LocalReply:
    """What replaces Envoy's own text on paths below `path_prefix` for responses with one of `flags`.

    `details` is a google.rpc.Status as a gRPC binary header carries it; `message` must be the same as inside of it.
    """

    path_prefix: str
    flags: tuple[str, ...]
    message: str
    details: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the gateway says to a request that it refuses; see LocalReply for `details`."""

    message: str
    details: str


def _details(error: MeshError) -> str:
    """The error as the value of grpc-status-details-bin."""
    return base64.b64encode(error.to_status().SerializeToString(deterministic=True)).decode("ascii").rstrip("=")


def _unavailable(service: Service) -> LocalReply:
    error = MeshError(
        reasons.ERROR_REASON_UNAVAILABLE,
        f"{service.name} cannot be reached at the moment.",
        metadata={"service": service.name},
    )
    return LocalReply(f"/{service.name}/", UNREACHABLE_FLAGS, error.message, _details(error))


def refusal(error: MeshError) -> Refusal:
    """The error as a local reply says it."""
    return Refusal(error.message, _details(error))


LOCAL_REPLIES = tuple(_unavailable(service) for service in SERVICES)

FOREIGN_ORIGIN = refusal(
    MeshError(
        reasons.ERROR_REASON_ORIGIN_NOT_ALLOWED,
        "Pages of this origin may not call here; see MESHWRIGHT_CORS_ORIGINS, and MESHWRIGHT_ALLOWED_HOSTS for other names of this host.",
        metadata={"setting": "MESHWRIGHT_CORS_ORIGINS"},
    )
)
FOREIGN_HOST = refusal(
    MeshError(
        reasons.ERROR_REASON_ORIGIN_NOT_ALLOWED,
        "This host name is not allowed here; add it to MESHWRIGHT_ALLOWED_HOSTS.",
        metadata={"setting": "MESHWRIGHT_ALLOWED_HOSTS"},
    )
)
UNKNOWN_SERVICE = refusal(
    MeshError(
        reasons.ERROR_REASON_NOT_IMPLEMENTED,
        "There is no such service here; list the services with server reflection.",
    )
)


def rate_limited(limit: int) -> Refusal:
    """For a client that makes more calls than `limit` a second."""
    return refusal(
        MeshError(
            reasons.ERROR_REASON_QUOTA_EXCEEDED,
            f"More than {limit} calls a second; call again a little later.",
            quota=Quota("calls_per_second", limit),
        )
    )
