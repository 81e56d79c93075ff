"""Connections to the server, and what its failures are called."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
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


class ClosedConnectionError(RedisConnectionError):
    """The connection closed before the command was written: nothing of it has been sent."""


NEVER_SENT = Retry(NoBackoff(), READ_RETRIES, supported_errors=(ClosedConnectionError,))


class Server(Redis):
    """A client of one server that sends again what it could not send."""

    async def execute_command(self, *command: Any, **options: Any) -> Any:
        """See Redis."""
        return await sent(lambda: super(Server, self).execute_command(*command, **options))  # type: ignore[no-untyped-call]


class Cluster(RedisCluster):
    """A client of a cluster that sends again what it could not send: it closes connections that others are about to use."""

    async def execute_command(self, *command: Any, **options: Any) -> Any:
        """See RedisCluster."""
        return await sent(lambda: super(Cluster, self).execute_command(*command, **options))


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
        # What has moved is learnt slot by slot: to learn all anew the library closes every connection, those in use too.
        limits = {"max_connections": MAX_CONNECTIONS_TO_NODE, "reinitialize_steps": 0}
        return Cluster.from_url(address, **limits, **options)
    pool = BlockingConnectionPool.from_url(url, max_connections=MAX_CONNECTIONS, timeout=ANSWER_SECONDS, **options)
    return Server.from_pool(pool)


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
        answer = await _written(command)
    except SERVER_FAILURES as error:
        failure = error
    if task and task.cancelling() > cancelled_before:
        raise asyncio.CancelledError from failure
    if failure is not None:
        raise failure
    return answer


async def sent(command: Callable[[], Awaitable[T]]) -> T:
    """A command's answer; one that could not be sent because its connection had closed is sent again."""
    return await NEVER_SENT.call_with_retry(lambda: _written(command()), _let_be)


async def _let_be(_: Exception) -> None:
    """The library has closed the connection by itself."""


async def _written(command: Awaitable[T]) -> T:
    """A command's answer. ClosedConnectionError."""
    try:
        return await command
    except (RuntimeError, AttributeError) as error:
        if not any(word in str(error) for word in CLOSED):
            raise
        raise ClosedConnectionError("The connection was closed.") from error


async def listeners(client: Client, channel: str) -> int:
    """How many connections listen to a channel, at whichever node of a cluster."""
    everywhere = {"target_nodes": RedisCluster.PRIMARIES} if isinstance(client, RedisCluster) else {}
    ((_, count),) = await answered(client.pubsub_numsub(channel, **everywhere))
    return int(count)
