"""The processes of a mesh may start in any order: each waits for what it needs, and none ends because of it."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import aiohttp

from meshwright.client import Mesh
from tests.support.redis_server import RedisServer
from tests.support.service_process import service_process

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 60.0
BEFORE_WHAT_IT_NEEDS = (("gateway", "agent"), ("tools",), ("browser", "site"))
UP = {"site": "Started server process"}
"""What says that a process is up, where that is not `listening`."""


async def status(address: str) -> int:
    async with aiohttp.ClientSession() as http, http.get(f"http://{address}/healthz") as answer:
        return answer.status


async def test_each_process_starts_before_what_it_needs_and_the_mesh_works_once_all_are_there(tmp_path: Path) -> None:
    redis = RedisServer(tmp_path)
    async with AsyncExitStack() as stack:
        processes = {}
        for services in BEFORE_WHAT_IT_NEEDS:
            for service in services:
                process = service_process(
                    service, tmp_path, MESHWRIGHT_STORE_URL=redis.url, MESHWRIGHT_EGRESS_ALLOW="localhost"
                )
                processes[service] = await stack.enter_async_context(process)
            for service in services:
                await processes[service].says(UP.get(service, "listening"))
        said = re.search(r"address=(\S+)", processes["gateway"].said)
        assert said is not None
        address = f"localhost:{said[1].rpartition(':')[2]}"
        await processes["agent"].says("not ready")
        # Of the others none waits: what they need, they ask for when a call needs it.
        for service in ("tools", "browser"):
            await processes[service].reports(serving=True)
        assert await status(address) == 503

        stack.enter_context(redis)
        await processes["agent"].reports(serving=True)
        async with asyncio.timeout(LIMIT):
            while await status(address) != 200:  # noqa: ASYNC110  # the gateway looks now and then
                await asyncio.sleep(0.02)
            async with Mesh(address) as mesh:
                answer = await mesh.ask(f"Open http://{address}/demo/ and tell me what the desk lamp costs")
        assert "$49.00" in answer
        assert all(process.process.returncode is None for process in processes.values())
