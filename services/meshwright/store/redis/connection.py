"""Connections to the server, and what its failures are called."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException, RedisError

from meshwright.serving.errors import MeshError
from meshwright.v1 import error_reason_pb2 as reasons

T = TypeVar("T")
SERVER_FAILURES = (RedisError, RedisClusterException, OSError)
ANSWER_SECONDS = 5.0
CONNECT_SECONDS = 2.0
HEALTH_SECONDS = 10
READ_RETRIES = 4
MAX_CONNECTIONS = 64
"""Of a client; a command that finds none free waits for one."""
MAX_CONNECTIONS_TO_NODE = 4096
"""Of a client to a node of a cluster, where a command that finds none free fails."""
CLOSED = ("handler is closed", "has no attribute 'writelines'")
"""Words for writing to a connection that has just closed, the loop's and a cluster client's, which the library lets through."""
CLUSTER = "+cluster"

Client = Any
"""redis-py's annotations promise less than it gives: commands are awaitable, keys and values are bytes."""


def connect(url: str, *, retries: int = 0) -> Client:
    """A client with connections of its own. Commands are repeated only `retries` times: reads may be, changes may not.

    With `+cluster` behind its scheme the address is that of any node of a cluster.
    """
    scheme, _, rest = url.partition("://")
    options = {
        "socket_timeout": ANSWER_SECONDS,
        "socket_connect_timeout": CONNECT_SECONDS,
        "health_check_interval": HEALTH_SECONDS,
        "retry": Retry(ExponentialBackoff(cap=0.5, base=0.02) if retries else NoBackoff(), retries),
    }
    if scheme.endswith(CLUSTER):
        address = f"{scheme.removesuffix(CLUSTER)}://{rest}"
        return RedisCluster.from_url(address, max_connections=MAX_CONNECTIONS_TO_NODE, **options)
    pool = BlockingConnectionPool.from_url(url, max_connections=MAX_CONNECTIONS, timeout=ANSWER_SECONDS, **options)
    return Redis.from_pool(pool)


def place_of(url: str) -> str:
    """Where the server is, without name and password."""
    parts = urlsplit(url)
    try:
        return f"{parts.hostname}:{parts.port or 6379}" if parts.hostname else parts.path
    except ValueError:
        return "an address that cannot be read"


def unavailable(message: str = "The store does not answer.") -> MeshError:
    """UNAVAILABLE."""
    return MeshError(reasons.ERROR_REASON_UNAVAILABLE, message, metadata={"service": "store"})


async def answered(command: Awaitable[T]) -> T:
    """A command's answer. UNAVAILABLE."""
    try:
        return await heeding(command)
    except SERVER_FAILURES as error:
        raise unavailable() from error


async def heeding(command: Awaitable[T]) -> T:
    """A command's answer, where the task is not cancelled meanwhile.

    A cancellation that comes as the command has been sent is lost in the client's library (`asyncio.wait_for` before Python 3.12), so
    it is made good here. A connection that is closed by then is one that the server has lost.
    """
    task = asyncio.current_task()
    cancelled_before = task.cancelling() if task else 0
    failure: Exception | None = None
    try:
        answer = await command
    except SERVER_FAILURES as error:
        failure = error
    except (RuntimeError, AttributeError) as error:
        if not any(word in str(error) for word in CLOSED):
            raise
        failure = RedisConnectionError("The connection was closed.")
    if task and task.cancelling() > cancelled_before:
        raise asyncio.CancelledError from failure
    if failure is not None:
        raise failure
    return answer


async def listeners(client: Client, channel: str) -> int:
    """How many connections listen to a channel, at whichever node of a cluster."""
    everywhere = {"target_nodes": RedisCluster.PRIMARIES} if isinstance(client, RedisCluster) else {}
    ((_, count),) = await answered(client.pubsub_numsub(channel, **everywhere))
    return int(count)
