"""The stores under the mesh: SQLite, which is embedded, and a Redis server that a benchmark starts."""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from redis.asyncio import Redis

from tests.support.redis_server import RedisServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.bench.mesh import BenchMesh
    from tests.bench.scene import Scene


class Meshes(NamedTuple):
    """The same mesh on both stores, running side by side."""

    sqlite: BenchMesh
    redis: BenchMesh
    redis_pid: int


@asynccontextmanager
async def meshes(scene: Scene) -> AsyncIterator[Meshes]:
    """Both, with a Redis that writes its log to disk each second: what it and SQLite promise is alike."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-redis-")))
        server = stack.enter_context(RedisServer(folder, durable=True))
        client = Redis.from_url(server.url)
        await client.config_set("appendfsync", "everysec")
        pid = int((await client.info("server"))["process_id"])
        await client.aclose()
        embedded = await stack.enter_async_context(scene.mesh())
        yield Meshes(embedded, await stack.enter_async_context(scene.mesh(MESHWRIGHT_STORE_URL=server.url)), pid)
