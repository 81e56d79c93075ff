"""Server reflection, for grpcurl and its like: v1 and the older v1alpha, whose messages are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable

REFLECTION_SERVICE = "grpc.reflection.v1.ServerReflection"
REFLECTION_SERVICES = (REFLECTION_SERVICE, "grpc.reflection.v1alpha.ServerReflection")


def add_reflection(server: grpc.aio.Server, services: Iterable[str]) -> None:
    """Reflect the services, which need not be of this server: the gateway sends all reflection to one of the mesh.

    The generated modules of all of them have to be imported.
    """
    servicer = reflection.aio.ReflectionServicer(sorted({*services, REFLECTION_SERVICE}))
    method = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    handlers = {"ServerReflectionInfo": method}
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(name, handlers) for name in REFLECTION_SERVICES]
    )
