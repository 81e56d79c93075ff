"""What the gateway routes where, and the folder through which routes change while Envoy runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from meshwright.gateway.published import current_file, publish
from meshwright.v1 import agent_service_pb2, browser_pb2, browser_service_pb2, tool_service_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from google.protobuf.descriptor import FileDescriptor

READING_VERBS = ("Get", "List", "Read", "Watch")
ROUTES_FILE = "routes.yaml"


@dataclass(frozen=True, slots=True)
class Service:
    """A gRPC service of the contract and the cluster that serves it."""

    name: str
    methods: tuple[str, ...]
    cluster: str


@dataclass(frozen=True, slots=True)
class GrpcRoute:
    """Calls to a cluster: of one method, or of all whose path begins with `path`."""

    name: str
    cluster: str
    path: str
    one_method: bool = False
    reads: bool = False
    """The method changes nothing, so a call that died with its replica may be made once more."""
    finds_lease: bool = False
    """The method is about a lease, which one replica holds: the others say so and the next one is asked."""
    wants_lease: bool = False
    """The method asks for a lease, and goes from replica to replica until one has a browser free."""


@dataclass(frozen=True, slots=True)
class Target:
    """An Envoy cluster and its share of the new streams, relative to its siblings' weights."""

    name: str
    weight: int = 100
    track: str = ""
    """How a tester asks for it by header; empty where there is nothing to choose from."""
    track_cluster: str = ""
    """Where a tester's calls go."""


def _service(file: FileDescriptor, name: str, cluster: str) -> Service:
    descriptor = file.services_by_name[name]
    return Service(descriptor.full_name, tuple(method.name for method in descriptor.methods), cluster)


def _routes(file: FileDescriptor, name: str, cluster: str) -> Iterator[GrpcRoute]:
    service = file.services_by_name[name]
    prefix = f"/{service.full_name}/"
    for method in service.methods:
        reads = method.name.startswith(READING_VERBS)
        finds_lease = "lease_id" in method.input_type.fields_by_name
        wants_lease = _SPEC in (field.message_type for field in method.input_type.fields)
        if reads or finds_lease or wants_lease:
            name = f"{cluster}-{method.name}"
            yield GrpcRoute(name, cluster, prefix + method.name, True, reads, finds_lease, wants_lease)
    yield GrpcRoute(cluster, cluster, prefix)


_SPEC = browser_pb2.LeaseSpec.DESCRIPTOR
_CONTRACT = (
    (agent_service_pb2.DESCRIPTOR, "AgentService", "agent"),
    (tool_service_pb2.DESCRIPTOR, "ToolService", "tools"),
    (browser_service_pb2.DESCRIPTOR, "BrowserService", "browser"),
)

SERVICES = tuple(_service(*named) for named in _CONTRACT)

# Health and reflection are asked of the gateway as of one server; the agent service answers for the mesh.
GRPC_ROUTES = (
    *(route for named in _CONTRACT for route in _routes(*named)),
    GrpcRoute("health", "agent", path="/grpc.health.v1.Health/", reads=True),
    GrpcRoute("reflection", "agent", path="/grpc.reflection.v1.ServerReflection/", reads=True),
    GrpcRoute("reflection-v1alpha", "agent", path="/grpc.reflection.v1alpha.ServerReflection/", reads=True),
)

ONE_TARGET_EACH = {service.cluster: (Target(service.cluster),) for service in SERVICES}


def current_routes_file(directory: Path) -> Path:
    """The path under which Envoy reads the routes of `directory`."""
    return current_file(directory, ROUTES_FILE)


def publish_routes(directory: Path, text: str) -> None:
    """Put routes into force for an Envoy that watches `directory`; new streams follow, open ones stay where they are."""
    publish(directory, ROUTES_FILE, text)
