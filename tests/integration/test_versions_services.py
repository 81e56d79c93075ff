"""Agent, tools and browsers of two versions in one mesh, as they are in the middle of an upgrade."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from meshwright.serving.channel import open_channel
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from meshwright.v1.tool_pb2 import ToolOutcome
from tests.model_script import Call, Say, in_turn
from tests.model_server import ModelServer
from tests.support.agent_mesh import AgentMesh
from tests.support.agent_replicas import Replica
from tests.support.delegation import assert_whole, kinds
from tests.support.mesh_process import clean_environment
from tests.support.two_versions import NEW, OLD, as_before
from tests.support.web_pages import web_pages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.model_script import Script

SERVICES = ("agent", "tools", "browser")


@contextlib.asynccontextmanager
async def mixed_mesh(folder: Path, script: Script, *versions: str) -> AsyncIterator[AgentMesh]:
    """A mesh whose agent, tools and browsers are of these versions."""
    async with contextlib.AsyncExitStack() as stack:
        model = await stack.enter_async_context(ModelServer(script))
        variables = clean_environment(
            MESHWRIGHT_DATA_DIR=str(folder),
            MESHWRIGHT_MODEL="openai:scripted",
            MESHWRIGHT_OPENAI_BASE_URL=model.base_url,
            MESHWRIGHT_BROWSER_WARM="1",
            MESHWRIGHT_EGRESS_ALLOW="127.0.0.1",
            **{f"MESHWRIGHT_{service.upper()}_ADDRESS": f"unix:{folder}/{service}.sock" for service in SERVICES},
        )
        parts = [
            Replica(service, folder, variables | (as_before() if version == OLD else {}), service)
            for service, version in zip(SERVICES, versions, strict=True)
        ]
        for part in parts:
            stack.push_async_callback(part.kill)
        await asyncio.gather(*(part.start() for part in parts))
        channel = await stack.enter_async_context(open_channel(parts[0].address))
        yield AgentMesh(AgentServiceStub(channel), model, folder, parts[0].address)


@pytest.mark.parametrize("versions", [(OLD, NEW, OLD), (NEW, OLD, NEW)], ids="-".join)
async def test_a_task_with_a_page_and_files_goes_through_services_of_both_versions(
    tmp_path: Path, versions: tuple[str, str, str]
) -> None:
    async with web_pages() as pages:
        url = pages.add("/page", "<h1>The lamp costs $49</h1><input aria-label='Name'>")
        script = in_turn(
            [Call("browser.open", {"url": url}), Call("file.write", {"path": "a.txt", "content": "noted"})],
            [Call("browser.screenshot", {}), Call("file.read", {"path": "a.txt"})],
            Say("Noted."),
        )
        async with mixed_mesh(tmp_path, script, *versions) as mesh:
            events = await mesh.do("note the price")
            session_id = events[0].session_id
            await mesh.stub.DeleteSession(pb.DeleteSessionRequest(session_id=session_id))
    assert_whole(events)
    ends = [event.tool_call_finished.completion for event in events if event.HasField("tool_call_finished")]
    assert [end.outcome for end in ends] == [ToolOutcome.TOOL_OUTCOME_SUCCEEDED] * 4
    said = "\n".join(end.result.text for end in ends)
    assert "The lamp costs $49" in said
    assert "noted" in said
    assert {"browser_attached", "artifact_added"} <= set(kinds(events))
    assert events[-1].run_finished.answer == "Noted."
    assert events[-1].run_finished.usage.tool_calls == 4
