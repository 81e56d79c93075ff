"""A lease that a browser service grants and ends in the same moment, as one does that stops."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from meshwright.serving.errors import MeshError
from meshwright.tools.browser_lease import SERVICE, BrowserLease, Browsers
from meshwright.v1 import browser_pb2
from meshwright.v1.browser_service_pb2 import DriveRequest, DriveResponse

TIMES = 30


async def leaving(requests: AsyncIterator[DriveRequest], context: Any) -> None:
    """Grants every lease, and takes it back."""
    await anext(requests)
    await context.write(DriveResponse(leased=browser_pb2.Lease(lease_id="lea_1")))
    await context.abort(grpc.StatusCode.UNAVAILABLE, "The service stops.")


@pytest.fixture
async def browsers() -> AsyncIterator[Browsers]:
    server = grpc.aio.server()
    drive = grpc.stream_stream_rpc_method_handler(
        leaving, request_deserializer=DriveRequest.FromString, response_serializer=DriveResponse.SerializeToString
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Drive": drive}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Browsers(channel)
    await server.stop(None)


async def test_nobody_is_given_a_lease_that_has_ended(browsers: Browsers) -> None:
    spec = browser_pb2.LeaseSpec(wait=Duration(seconds=5))
    for _ in range(TIMES):
        with contextlib.suppress(MeshError):
            lease = await BrowserLease.acquire(browsers, spec, lambda event: None, lambda: None)
            assert not lease.ended.is_set(), "its end will not be told to whoever holds it"
            await lease.cut()
