"""Clients of servers and clusters, by their address."""

from __future__ import annotations

from typing import Any, cast

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from meshwright.store.redis.cluster import Cluster
from meshwright.store.redis.connection import Client
from meshwright.store.redis.server import Server
from meshwright.store.redis.slots import Place, Slots

ANSWER_SECONDS = 5.0
CONNECT_SECONDS = 2.0
HEALTH_SECONDS = 10
MAX_CONNECTIONS = 64
"""To a server; a command that finds none free waits for one."""
CLUSTER = "+cluster"
PORT = 6379


def connect(url: str, *, patient: bool = False) -> Client:
    """A client with connections of its own. One that is `patient` repeats commands that may have been carried out.

    With `+cluster` behind its scheme the address is that of any node of a cluster. ValueError where it cannot be read.
    """
    scheme, _, rest = url.partition("://")
    address = parse_url(f"{scheme.removesuffix(CLUSTER)}://{rest}")
    if not scheme.endswith(CLUSTER):
        return _server(address, patient=patient)
    if not address.get("host"):
        raise ValueError(f"{url!r} names no node.")
    seed = Place(address["host"], address.get("port", PORT))
    slots = Slots(seed, lambda place: _server({**address, **place._asdict()}, patient=False))
    return Cluster(slots, patient=patient)


def _server(address: Any, *, patient: bool) -> Server:
    options: dict[str, Any] = {
        "socket_timeout": ANSWER_SECONDS,
        "socket_connect_timeout": CONNECT_SECONDS,
        "health_check_interval": HEALTH_SECONDS,
        # What is sent again, and for how long, is decided above the connections.
        "retry": Retry(NoBackoff(), 0),
    }
    pool = BlockingConnectionPool(max_connections=MAX_CONNECTIONS, timeout=ANSWER_SECONDS, **options, **address)
    server = cast("Server", Server.from_pool(pool))
    server.patient = patient
    return server
