"""What integration tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from meshwright.store.interface import Store
from meshwright.store.redis.store import RedisStore
from tests.support.browser_client import BrowserClient, Driving, Site, local_site
from tests.support.redis_cluster import RedisCluster
from tests.support.redis_server import RedisServer
from tests.support.store_drive import a_store, two_replicas


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of the module's own."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture(scope="module")
def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A cluster of the module's own."""
    with RedisCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster.url


@pytest.fixture(params=["sqlite", "redis"])
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine of the store."""
    return str(request.param)


@pytest.fixture
def store_address(engine: str, request: pytest.FixtureRequest) -> str:
    """Of the store; empty for the embedded one."""
    return "" if engine == "sqlite" else str(request.getfixturevalue(f"{engine}_url"))


@pytest.fixture
async def store(store_address: str, tmp_path: Path) -> AsyncIterator[Store]:
    """A store with nothing in it."""
    async with a_store(store_address, tmp_path) as opened:
        yield opened


@pytest.fixture
async def replicas(redis_url: str) -> AsyncIterator[tuple[RedisStore, RedisStore]]:
    """Two replicas of the shared store, with nothing in it."""
    async with two_replicas(redis_url) as both:
        yield both


@pytest.fixture
async def admin(redis_url: str) -> AsyncIterator[Any]:
    """A connection to the module's Redis that no store uses."""
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site() -> AsyncIterator[Site]:
    """Pages for the module's browsers."""
    async with local_site() as pages:
        yield pages


@pytest_asyncio.fixture(loop_scope="module")
async def driving(browser: BrowserClient) -> AsyncIterator[Driving]:
    """A lease of the module's `browser`."""
    async with browser.drive() as driving:
        yield driving
