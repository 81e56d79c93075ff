"""Clients and gateways of two versions before agents of two versions: any of them with any other."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio

from meshwright.gateway.gateway import Gateway
from meshwright.tools.tool import Annotations
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.run_pb2 import RunSpec
from tests.model_script import Call, Say
from tests.support import grpc_web, sdk_program
from tests.support.agent_tools import counting_tool
from tests.support.commands import run
from tests.support.delegation import assert_whole, by_task, delegate, end
from tests.support.gateway_mesh import AGENT, CreateSession, GetAgent, WatchSession, upstream_settings
from tests.support.gateway_process import serving
from tests.support.previous_version import PREVIOUS
from tests.support.two_versions import NEW, OLD, as_before, two_versions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCRIPT = by_task(
    {
        "hello": [Say("Hello.")],
        "danger": [Call("test.danger", {}), Say("Done.")],
        "plan": [delegate("look"), Say("Planned.")],
        "look": [Say("Seen.")],
    }
)
VERSIONS = {OLD: PREVIOUS.version, NEW: version("meshwright")}
TRACKS = {OLD: "stable", NEW: "canary"}


@dataclass
class Doors:
    """Agents of both versions, and a gateway of each version before them."""

    agents: dict[str, str]
    gateways: dict[str, str]
    session_id: str
    """A session with a log of its own."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def doors(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> AsyncIterator[Doors]:
    folder = tmp_path_factory.mktemp("doors")
    opened = asyncio.Event()
    opened.set()
    danger = counting_tool("test.danger", Annotations(), [], opened)
    async with contextlib.AsyncExitStack() as stack:
        versions = await stack.enter_async_context(
            two_versions(
                folder,
                redis_url,
                SCRIPT,
                [danger],
                started=(OLD, NEW),
                settings={"MESHWRIGHT_APPROVALS": "test.danger"},
            )
        )
        agents = {name: str(agent.address) for name, agent in versions.fleet.agents.items()}
        settings = upstream_settings(folder, agent_address=agents[OLD], agent_canary_address=agents[NEW])
        gateway = await stack.enter_async_context(Gateway(settings))
        before = await stack.enter_async_context(
            serving(
                folder,
                **as_before(),
                MESHWRIGHT_DATA_DIR=str(folder),
                MESHWRIGHT_AGENT_ADDRESS=agents[OLD],
                MESHWRIGHT_AGENT_CANARY_ADDRESS=agents[NEW],
            )
        )
        async with versions.talking_to(NEW) as mesh:
            events = await mesh.do("plan")
        yield Doors(agents, {OLD: await before.address(), NEW: gateway.address}, events[0].session_id)


async def test_programs_with_either_sdk_read_and_use_either_agent(doors: Doors) -> None:
    async def seen(sdk: str, agent: str) -> dict[str, Any]:
        program = Path(sdk_program.__file__)
        variables = as_before() if sdk == OLD else {}
        done = await run(sys.executable, str(program), doors.agents[agent], doors.session_id, **variables)
        assert done.code == 0, done.err
        found: dict[str, Any] = json.loads(done.out)
        assert (found.pop("sdk"), found.pop("agent")) == (VERSIONS[sdk], VERSIONS[agent])
        return found

    every = [(sdk, agent) for sdk in VERSIONS for agent in VERSIONS]
    old_at_old, old_at_new, new_at_old, new_at_new = await asyncio.gather(*(seen(*pair) for pair in every))
    assert old_at_old == old_at_new
    assert new_at_old == new_at_new
    for each in (old_at_old, new_at_new):
        assert each["sequences"] == list(range(1, len(each["log"]) + 1))
        assert each["approved"].count("ApprovalResolved") == 1
        assert (each["hello"], each["approved"][-1], each["listed"]) == ("Hello.", "RunFinished", True)
        assert each["error"].startswith("NotFound")


@pytest.mark.parametrize("agent", [OLD, NEW])
@pytest.mark.parametrize("gateway", [OLD, NEW])
async def test_the_page_s_calls_work_through_either_gateway_with_either_agent(
    doors: Doors, gateway: str, agent: str
) -> None:
    headers = {"x-meshwright-track": TRACKS[agent]}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as http:

        async def call(method: str, message: bytes) -> list[bytes]:
            answers, status = await grpc_web.call(http, doors.gateways[gateway], method, message, headers)
            assert (status.code, status.message) == (0, "")
            return answers

        (told,) = await call(GetAgent, b"")
        assert pb.GetAgentResponse.FromString(told).agent.version == VERSIONS[agent]
        (created,) = await call(CreateSession, pb.CreateSessionRequest().SerializeToString())
        session_id = pb.CreateSessionResponse.FromString(created).session.session_id
        start = pb.StartRunRequest(session_id=session_id, spec=RunSpec(task="plan"))
        (started,) = await call(f"{AGENT}/StartRun", start.SerializeToString())
        run_id = pb.StartRunResponse.FromString(started).run.run_id
        watch = pb.WatchSessionRequest(session_id=session_id, until_run_id=run_id)
        frames = [pb.WatchSessionResponse.FromString(it) for it in await call(WatchSession, watch.SerializeToString())]
    events = [event for frame in frames for event in frame.events]
    assert_whole(events)
    assert end(events, run_id).answer == "Planned."
