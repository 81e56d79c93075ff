"""The typed errors that the gateway itself answers when a service behind it cannot."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from meshwright.gateway.routes import SERVICES, Service
from meshwright.serving.errors import MeshError
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


def _unavailable(service: Service) -> LocalReply:
    error = MeshError(
        reasons.ERROR_REASON_UNAVAILABLE,
        f"{service.name} cannot be reached at the moment.",
        metadata={"service": service.name},
    )
    status = error.to_status()
    details = base64.b64encode(status.SerializeToString(deterministic=True)).decode("ascii").rstrip("=")
    return LocalReply(f"/{service.name}/", UNREACHABLE_FLAGS, status.message, details)


LOCAL_REPLIES = tuple(_unavailable(service) for service in SERVICES)
