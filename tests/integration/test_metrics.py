"""Prometheus reads what the processes of a mesh did, over HTTP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import pytest

from meshwright.agent import metrics as metrics_module
from meshwright.agent.metric_families import FAMILIES
from meshwright.serving.address import Address
from meshwright.serving.metrics import Family, Metrics, installed_metrics
from meshwright.serving.metrics_endpoint import served
from meshwright.serving.rpc_metrics import FAMILIES as RPC_FAMILIES
from meshwright.serving.startup import StartupError
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from meshwright.v1.browser_service_pb2 import AcquireLeaseRequest, ReleaseLeaseRequest
from tests.model_script import Call, Fail, Hang, Say, in_turn
from tests.support.agent_mesh import AgentMesh, agent_mesh
from tests.support.agent_tools import gate_tool
from tests.support.scraper import LIMIT, Scraper, metrics_address
from tests.support.tool_mesh import browser_server
from tests.support.tool_stream import tool_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ANYWHERE = "127.0.0.1:0"


def scraper() -> Scraper:
    return Scraper(str(metrics_address()))


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[AgentMesh]:
    script = in_turn([Call("file.list", {}), Call("no.such", {})], Say("two words"))
    async with agent_mesh(tmp_path, script, metrics_address=ANYWHERE) as mesh:
        yield mesh


async def test_a_run_can_be_read_from_the_metrics(mesh: AgentMesh) -> None:
    await mesh.do("list")
    samples = await scraper().samples()
    model = "model=openai:scripted"
    expected = {
        "meshwright_runs_finished_total{outcome=completed,track=stable}": 1,
        "meshwright_run_duration_seconds_count{track=stable}": 1,
        "meshwright_run_takeovers_total": 0,
        "meshwright_model_steps_total": 2,
        f"meshwright_model_requests_total{{{model},outcome=ok}}": 2,
        f"meshwright_model_first_token_seconds_count{{{model}}}": 2,
        "meshwright_tool_calls_total{outcome=succeeded,tool=file.list}": 1,
        "meshwright_tool_calls_total{outcome=failed,tool=other}": 1,
        "meshwright_tool_call_duration_seconds_count{tool=file.list}": 1,
        "meshwright_rpc_started_total{method=meshwright.v1.AgentService/StartRun}": 1,
        "meshwright_rpc_handled_total{code=OK,method=meshwright.v1.AgentService/StartRun}": 1,
        "meshwright_rpc_duration_seconds_count{method=meshwright.v1.AgentService/StartRun}": 1,
        "meshwright_rpc_open_streams{method=meshwright.v1.AgentService/WatchSession}": 0,
        "meshwright_runs_queued{track=stable}": 0,
        "meshwright_watchers": 0,
        "meshwright_claims_lost_total": 0,
    }
    assert {name: samples.get(name) for name in expected} == expected
    assert samples[f"meshwright_model_tokens_total{{kind=output,{model}}}"] > 0
    assert samples["meshwright_store_append_duration_seconds_count"] >= 4
    assert samples["process_resident_memory_bytes"] > 0


async def test_an_agent_has_every_metric_of_the_reference_and_no_other(mesh: AgentMesh) -> None:
    metrics = installed_metrics()
    assert metrics is not None
    families = {family.name: family.documentation for family in metrics.registry.collect()}
    ours = {name: text for name, text in families.items() if name.startswith("meshwright")}
    reference = {f.name.removesuffix("_total"): f.meaning for f in (*FAMILIES, *RPC_FAMILIES)}
    assert ours == reference


async def test_what_is_under_way_is_counted(mesh: AgentMesh) -> None:
    mesh.model.script = in_turn(Hang())
    session_id = await mesh.new_session()
    run = await mesh.start(session_id, "hang")
    watch = mesh.stub.WatchSession(pb.WatchSessionRequest(session_id=session_id))
    await watch.read()
    await scraper().becomes(meshwright_runs_active=1, meshwright_watchers=1)
    await mesh.model.wait_requests()
    await mesh.stub.CancelRun(pb.CancelRunRequest(session_id=session_id, run_id=run.run_id))
    events = await mesh.events(session_id, run.run_id)
    assert events[-1].HasField("run_finished")
    watch.cancel()
    await scraper().becomes(meshwright_runs_active=0, meshwright_watchers=0)
    samples = await scraper().samples()
    assert samples["meshwright_runs_finished_total{outcome=cancelled,track=stable}"] == 1
    # It never answered, so it has no label of its own.
    assert samples["meshwright_model_requests_total{model=other,outcome=cancelled}"] == 1
    assert samples["meshwright_event_delivery_seconds_count"] >= 1
    assert samples["meshwright_event_delivery_seconds_sum"] < LIMIT


async def test_runs_that_wait_for_a_worker_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_module, "QUEUE_SECONDS", 0.02)
    async with agent_mesh(tmp_path, [Hang()], metrics_address=ANYWHERE, max_runs=1) as mesh:
        for _ in range(3):
            await mesh.start(await mesh.new_session(), "hang")
        await scraper().becomes(meshwright_runs_active=1, **{"meshwright_runs_queued{track=stable}": 2})


async def test_an_error_of_the_model_is_counted_by_its_reason(mesh: AgentMesh) -> None:
    mesh.model.script = [Fail(401)]
    await mesh.do("ask")
    samples = await scraper().samples()
    assert samples["meshwright_model_requests_total{model=other,outcome=model_authentication}"] == 1
    assert samples["meshwright_runs_finished_total{outcome=failed,track=stable}"] == 1


async def test_a_question_to_a_person_is_counted_while_it_waits(tmp_path: Path) -> None:
    script = in_turn([Call("file.list", {})], Say("done"))
    async with agent_mesh(tmp_path, script, metrics_address=ANYWHERE, approvals="file.*") as mesh:
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "list")
        asked = await mesh.wait_for(session_id, "approval_requested")
        await scraper().becomes(meshwright_approvals_pending=1)
        approval_id = asked.approval_requested.approval.approval_id
        decision = pb.ApprovalDecision(deny=pb.Deny())
        resolution = pb.ResolveApprovalRequest(session_id=session_id, approval_id=approval_id, decision=decision)
        await mesh.stub.ResolveApproval(resolution)
        await mesh.events(session_id, run.run_id)
        samples = await scraper().samples()
    assert samples["meshwright_approvals_pending"] == 0
    assert samples["meshwright_tool_calls_total{outcome=denied,tool=file.list}"] == 1


async def test_callers_cannot_make_labels(mesh: AgentMesh) -> None:
    async with grpc.aio.insecure_channel(str(mesh.address)) as channel:
        for number in range(3):
            method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
                f"/meshwright.v1.AgentService/Made{number}"
            )
            with pytest.raises(grpc.aio.AioRpcError):
                await method(b"")
        stub = AgentServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.GetSession(pb.GetSessionRequest(session_id="ses_none"))
    samples = await scraper().samples()
    assert samples["meshwright_rpc_handled_total{code=UNIMPLEMENTED,method=other}"] == 3
    assert not [name for name in samples if "Made" in name or "ses_none" in name]
    assert "meshwright_rpc_handled_total{code=NOT_FOUND,method=meshwright.v1.AgentService/GetSession}" in samples


async def test_the_pool_of_browsers_can_be_read_from_the_metrics(tmp_path: Path) -> None:
    async with browser_server(tmp_path, metrics_address=ANYWHERE, browser_capacity=2) as browsers:
        lease = (await browsers.AcquireLease(AcquireLeaseRequest())).lease
        await scraper().becomes(
            meshwright_browser_processes=1,
            meshwright_browser_capacity=2,
            meshwright_browser_leased=1,
            meshwright_browser_ready=1,
            meshwright_browser_queued=0,
            meshwright_browser_utilization_ratio=0.5,
        )
        await browsers.ReleaseLease(ReleaseLeaseRequest(lease_id=lease.lease_id))
        await scraper().becomes(
            meshwright_browser_leased=0,
            meshwright_browser_utilization_ratio=0,
            meshwright_browser_lease_wait_seconds_count=1,
            meshwright_browser_crashes_total=0,
            meshwright_browser_recycles_total=0,
        )


async def test_running_calls_of_tools_can_be_read_from_the_metrics(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with (
        tool_server(tmp_path, [gate_tool(gate)], metrics_address=ANYWHERE, tools_parallel_calls=1) as tools,
        tools.stream("ses_metrics") as stream,
    ):
        calls = [asyncio.create_task(stream.run("test.wait", {})) for _ in range(2)]
        await scraper().becomes(meshwright_tool_running_calls=1, meshwright_tool_waiting_calls=1)
        gate.set()
        await asyncio.gather(*calls)
        await scraper().becomes(
            meshwright_tool_running_calls=0, meshwright_tool_waiting_calls=0, meshwright_tool_wait_seconds_count=2
        )


def test_metrics_are_not_shown_to_other_machines() -> None:
    with pytest.raises(StartupError, match="MESHWRIGHT_TRUSTED_NETWORK"), served(Metrics(), Address("0.0.0.0", 0)):
        pass


def test_a_taken_port_is_told() -> None:
    with (
        served(Metrics(), Address("127.0.0.1", 0)) as address,
        pytest.raises(StartupError, match="MESHWRIGHT_METRICS_ADDRESS"),
        served(Metrics(), address),
    ):
        pass


async def test_a_counter_that_another_keeps_is_read_at_each_scrape() -> None:
    metrics = Metrics()
    seen = 2
    metrics.counted(Family("counter", "meshwright_seen_total", "Seen."), lambda: seen)
    with served(metrics, Address("127.0.0.1", 0)) as address:
        before = (await Scraper(str(address)).samples())["meshwright_seen_total"]
        seen = 5
        after = (await Scraper(str(address)).samples())["meshwright_seen_total"]
    assert (before, after) == (2, 5)
