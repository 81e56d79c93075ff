"""Server reflection, for grpcurl and its like: v1 and the older v1alpha, whose messages are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from google.protobuf import descriptor_pool
from grpc_reflection.v1alpha import reflection, reflection_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable

# Only the older one has descriptors in grpcio-reflection, so only it can be reflected itself.
REFLECTED = "grpc.reflection.v1alpha.ServerReflection"
SERVED = ("grpc.reflection.v1.ServerReflection", REFLECTED)


def add_reflection(server: grpc.aio.Server, services: Iterable[str]) -> None:
    """Reflect the services, which need not be of this server: the gateway sends all reflection to one of the mesh.

    The generated modules of all of them have to be imported; KeyError names one that is not.
    """
    names = sorted({*services, REFLECTED})
    for name in names:
        descriptor_pool.Default().FindServiceByName(name)
    servicer = reflection.aio.ReflectionServicer(names)
    method = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    handlers = {"ServerReflectionInfo": method}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(name, handlers) for name in SERVED])
