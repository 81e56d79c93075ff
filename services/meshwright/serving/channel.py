"""Client channels between the services of the mesh, and what a call hands on to the calls it makes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypedDict

import grpc

from meshwright.serving.address import are_replicas, replicas_target
from meshwright.serving.authentication.principals import MESH_PRINCIPAL
from meshwright.serving.authentication.vouching import voucher_for
from meshwright.serving.calls import AUTHORIZATION_KEY, REQUEST_ID_KEY, TRACEPARENT_KEY, current_call
from meshwright.serving.inbound import MAX_TRANSPORT_BYTES

if TYPE_CHECKING:
    from meshwright.serving.address import Address

CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", MAX_TRANSPORT_BYTES),
    ("grpc.max_send_message_length", MAX_TRANSPORT_BYTES),
    # The servers allow a ping every 10 s; see server.py.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # A proxy for the web is no way to a service of the mesh.
    ("grpc.enable_http_proxy", 0),
    # A service that starts a moment later, or anew, is found again quickly.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A name is looked up again as soon as one of its replicas is gone. By default gRPC waits for 30 s after the look-up before.
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
)
UNIX_OPTIONS: tuple[tuple[str, str | int], ...] = (
    # The socket's path is no name that HTTP/2 or a proxy could understand.
    ("grpc.default_authority", "localhost"),
    # To look whether anybody is there costs nothing on the same machine.
    ("grpc.max_reconnect_backoff_ms", 200),
)
REPLICAS_CONFIG = json.dumps({"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": ""}})


def open_channel(*addresses: Address) -> grpc.aio.Channel:
    """A channel to a service of the mesh. Open it inside the running loop, keep it, and close it.

    Several addresses, or a host name with several, are replicas: calls go to each in turn, and to none that reports
    NOT_SERVING or cannot be reached. Raises ValueError when the addresses are not of one kind.

    It has no interceptors: they break streams in grpc.aio. Pass `**forward(...)` to each call instead.
    """
    options: dict[str, str | int] = dict(CHANNEL_OPTIONS)
    if all(address.is_unix for address in addresses):
        options |= dict(UNIX_OPTIONS)
    if are_replicas(addresses):
        options["grpc.service_config"] = REPLICAS_CONFIG
    return grpc.aio.insecure_channel(replicas_target(addresses), options=tuple(options.items()))


class CallOptions(TypedDict):
    """Keyword arguments of a stub's method."""

    timeout: float | None
    metadata: tuple[tuple[str, str], ...]


def forward(timeout: float | None) -> CallOptions:
    """How to call another service on behalf of the current call: `stub.GetSession(request, **forward(5.0))`.

    The deadline is `timeout` seconds or what the current call has left, whichever is less; None means no limit of one's own,
    for streams. Principal, request id and trace context go along. Work that outlives its call runs in `calls.detached_context()`,
    or it would inherit the call's deadline.
    """
    call = current_call()
    voucher = voucher_for(MESH_PRINCIPAL if call is None else call.principal)
    metadata: list[tuple[str, str]] = [(AUTHORIZATION_KEY, voucher)] if voucher else []
    if call is not None:
        remaining = call.remaining()
        if remaining is not None:
            timeout = remaining if timeout is None else min(timeout, remaining)
        metadata.append((REQUEST_ID_KEY, call.request_id))
        if call.traceparent:
            metadata.append((TRACEPARENT_KEY, call.traceparent))
    return {"timeout": timeout, "metadata": tuple(metadata)}
