"""AgentService as it is served."""

from __future__ import annotations

import asyncio
import importlib.metadata
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from meshwright.agent.abandonment import Abandonment
from meshwright.agent.browser_room import BrowserRoom
from meshwright.agent.browser_states import BrowserStates
from meshwright.agent.converse import Commands, open_session
from meshwright.agent.dispatcher import Dispatcher
from meshwright.agent.examples import example_tasks
from meshwright.agent.flags.evaluation import open_flags
from meshwright.agent.identifiers import new_id
from meshwright.agent.loop import Parts
from meshwright.agent.metrics import agent_metrics
from meshwright.agent.models import Models
from meshwright.agent.neighbours import BROWSER_SERVICE, TOOL_SERVICE, follow_health
from meshwright.agent.retention import Retainer
from meshwright.agent.run_options import Choices
from meshwright.agent.store_contact import StoreContact
from meshwright.agent.toolbox import Toolbox
from meshwright.agent.tracks import TRACKS
from meshwright.agent.verbs import Verbs
from meshwright.agent.watching import Watcher, Watchers
from meshwright.serving.authentication.principals import home_of
from meshwright.serving.calls import current_principal
from meshwright.serving.channel import open_channel
from meshwright.serving.errors import MeshError
from meshwright.serving.metrics import installed_metrics
from meshwright.serving.server import Service
from meshwright.serving.startup import StartupError
from meshwright.store.artifacts import ArtifactStore
from meshwright.store.opening import StoreInUseError, StoreUnusableError, open_store
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.agent_service_pb2_grpc import AgentServiceServicer, add_AgentServiceServicer_to_server
from meshwright.v1.browser_service_pb2_grpc import BrowserServiceStub
from meshwright.v1.tool_service_pb2_grpc import ToolServiceStub

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from meshwright.agent.settings import AgentSettings
    from meshwright.serving.health import Readiness
    from meshwright.store.interface import Store

PIECE_BYTES = 64 * 1024
GRACE_SECONDS = 5.0

Context = Any
Serialised = Any
"""Bytes of the response: the boundary sends them as they are, so that an event is serialised once and for all its watchers."""


class AgentServicer(AgentServiceServicer):
    """Every RPC in a few lines; what they do is in `Verbs` and `Watcher`."""

    def __init__(
        self,
        store: Store,
        verbs: Verbs,
        toolbox: Toolbox,
        artifacts: ArtifactStore,
        agent: pb.Agent,
        dispatcher: Dispatcher,
        disconnect_grace: float,
    ) -> None:
        self._store = store
        self._verbs = verbs
        self._toolbox = toolbox
        self._artifacts = artifacts
        self._agent = agent
        self.dispatcher = dispatcher
        self.watchers = Watchers()
        self.abandonment = Abandonment(verbs, store, disconnect_grace)

    async def Converse(
        self, requests: AsyncIterator[pb.ConverseRequest], context: Context
    ) -> AsyncGenerator[Serialised, None]:
        principal = current_principal()
        session, start, created = await open_session(requests, self._verbs, principal)
        watcher = Watcher(self._store, session, after_sequence=start.after_sequence, wanted=start.filter)
        commands = Commands(self._verbs, principal, session.session_id, watcher)
        obeying = asyncio.create_task(commands.obey(requests))
        try:
            async for frame in self._frames(watcher, created=created):
                yield frame
        finally:
            obeying.cancel()
            await asyncio.wait([obeying])
            if not commands.closed:
                self.abandonment.stream_vanished(principal, session.session_id, commands.fragile_runs)

    async def WatchSession(self, request: pb.WatchSessionRequest, context: Context) -> AsyncGenerator[Serialised, None]:
        principal = current_principal()
        session = await self._store.get_session(principal, request.session_id)
        watcher = Watcher(self._store, session, after_sequence=request.after_sequence, wanted=request.filter)
        if request.until_run_id:
            run = await self._store.get_run(principal, request.session_id, request.until_run_id)
            watcher.watch_until(run)
        async for frame in self._frames(watcher):
            yield frame

    async def _frames(self, watcher: Watcher, *, created: bool = False) -> AsyncGenerator[bytes, None]:
        self.watchers.add(watcher)
        frames = watcher.frames(created=created)
        try:
            async for frame in frames:
                yield frame
        finally:
            self.watchers.discard(watcher)
            await frames.aclose()

    async def CreateSession(self, request: pb.CreateSessionRequest, context: Context) -> pb.CreateSessionResponse:
        return pb.CreateSessionResponse(session=await self._verbs.create_session(current_principal(), request))

    async def GetSession(self, request: pb.GetSessionRequest, context: Context) -> pb.GetSessionResponse:
        return pb.GetSessionResponse(session=await self._store.get_session(current_principal(), request.session_id))

    async def ListSessions(self, request: pb.ListSessionsRequest, context: Context) -> pb.ListSessionsResponse:
        return await self._verbs.list_sessions(current_principal(), request)

    async def DeleteSession(self, request: pb.DeleteSessionRequest, context: Context) -> pb.DeleteSessionResponse:
        await self._verbs.delete_session(current_principal(), request)
        await self._toolbox.delete(request.session_id)
        return pb.DeleteSessionResponse()

    async def StartRun(self, request: pb.StartRunRequest, context: Context) -> pb.StartRunResponse:
        return pb.StartRunResponse(run=await self._verbs.start_run(current_principal(), request))

    async def GetRun(self, request: pb.GetRunRequest, context: Context) -> pb.GetRunResponse:
        run = await self._store.get_run(current_principal(), request.session_id, request.run_id)
        return pb.GetRunResponse(run=run)

    async def ListRuns(self, request: pb.ListRunsRequest, context: Context) -> pb.ListRunsResponse:
        return await self._verbs.list_runs(current_principal(), request)

    async def CancelRun(self, request: pb.CancelRunRequest, context: Context) -> pb.CancelRunResponse:
        return pb.CancelRunResponse(run=await self._verbs.cancel_run(current_principal(), request))

    async def SteerRun(self, request: pb.SteerRunRequest, context: Context) -> pb.SteerRunResponse:
        return pb.SteerRunResponse(receipt=await self._verbs.steer_run(current_principal(), request))

    async def ListApprovals(self, request: pb.ListApprovalsRequest, context: Context) -> pb.ListApprovalsResponse:
        return await self._verbs.list_approvals(current_principal(), request)

    async def ResolveApproval(self, request: pb.ResolveApprovalRequest, context: Context) -> pb.ResolveApprovalResponse:
        return pb.ResolveApprovalResponse(approval=await self._verbs.resolve_approval(current_principal(), request))

    async def GetAgent(self, request: pb.GetAgentRequest, context: Context) -> pb.GetAgentResponse:
        return pb.GetAgentResponse(agent=self._agent)

    async def ReadArtifact(
        self, request: pb.ReadArtifactRequest, context: Context
    ) -> AsyncGenerator[pb.ReadArtifactResponse, None]:
        principal = current_principal()
        await self._store.get_session(principal, request.session_id)
        home = home_of(principal, request.session_id)
        artifact = await self._artifacts.head(home, request.artifact_id)
        if artifact is None:
            raise MeshError(
                reasons.ERROR_REASON_ARTIFACT_NOT_FOUND,
                "The session has no such artifact.",
                metadata={"artifact_id": request.artifact_id},
            )
        yield pb.ReadArtifactResponse(artifact=artifact)
        async for piece in self._artifacts.read(home, request.artifact_id):
            for start in range(0, len(piece), PIECE_BYTES):
                yield pb.ReadArtifactResponse(data=piece[start : start + PIECE_BYTES])


def agent_service(settings: AgentSettings) -> Service[AgentServicer]:
    """AgentService with the store of the settings, ready to be served."""

    @asynccontextmanager
    async def opened(readiness: Readiness) -> AsyncGenerator[AgentServicer, None]:
        try:
            store = await open_store(settings.store_url, settings.store_path)
        except (StoreInUseError, StoreUnusableError) as error:
            raise StartupError(str(error)) from error
        contact = StoreContact(store, readiness)
        problem = await contact.look()
        if problem:
            readiness.set_waiting(problem)
        channel = open_channel(*settings.tools_address)
        browser = open_channel(*settings.browser_address)
        models = Models(settings)
        defaults = settings.default_options(_default_model(models).name)
        flags = open_flags(settings)
        room = BrowserRoom(BrowserServiceStub(browser))
        states = BrowserStates(settings.browser_states_url)
        toolbox = Toolbox(ToolServiceStub(channel), store, room, states, settings.idle_browser)
        parts = Parts(
            store,
            models,
            toolbox,
            settings.demo_site,
            settings.history_budget,
            settings.approval_policy,
            settings.quotas,
            settings.max_delegation_depth,
        )
        track = TRACKS[settings.track]
        retainer = Retainer(store, settings.retention_days, settings.max_events)
        dispatcher = Dispatcher(parts, new_id("agent"), track, settings.max_runs, on_end=retainer.run_ended)
        servicer = AgentServicer(
            store,
            Verbs(store, models, Choices(models, defaults, flags), settings.quotas, track),
            toolbox,
            ArtifactStore(settings.artifacts_url),
            _describe(settings, models),
            dispatcher,
            settings.disconnect_grace,
        )
        agent_metrics.open(installed_metrics(), lambda: dispatcher.active, lambda: len(servicer.watchers))
        background = [
            asyncio.create_task(contact.then(dispatcher.run), name="dispatcher"),
            asyncio.create_task(
                contact.then(lambda: agent_metrics.follow_queue(store, settings.track)), name="queue-metrics"
            ),
            asyncio.create_task(servicer.watchers.keep_alive(), name="heartbeats"),
            asyncio.create_task(contact.then(retainer.sweep), name="retention"),
            asyncio.create_task(flags.follow(), name="flags"),
            asyncio.create_task(follow_health(TOOL_SERVICE, channel, readiness)),
            asyncio.create_task(follow_health(BROWSER_SERVICE, browser, readiness)),
        ]
        if problem:
            background.append(asyncio.create_task(contact.seek(problem), name="store-contact"))
        try:
            await flags.first()
            yield servicer
        finally:
            for task in background:
                task.cancel()
            await asyncio.wait(background)
            await servicer.abandonment.close()
            await retainer.close()
            await toolbox.close()
            flags.close()
            await models.close()
            await channel.close()
            await browser.close()
            await store.close()

    async def hand_over(servicer: AgentServicer) -> None:
        await servicer.dispatcher.hand_over(settings.hand_over_grace)

    async def drain(servicer: AgentServicer) -> None:
        servicer.watchers.go_away(GRACE_SECONDS)

    return Service(
        name="meshwright.v1.AgentService",
        register=add_AgentServiceServicer_to_server,
        open=opened,
        hand_over=hand_over,
        drain=drain,
    )


def _default_model(models: Models) -> Any:
    try:
        return models.default
    except MeshError as error:
        raise StartupError(f"MESHWRIGHT_MODEL: {error.message}") from error


def _describe(settings: AgentSettings, models: Models) -> pb.Agent:
    model = models.default
    return pb.Agent(
        version=importlib.metadata.version("meshwright"),
        model=model.name,
        offline=model.offline,
        default_options=settings.default_options(model.name),
        demo_url=settings.demo_site,
        example_tasks=example_tasks(settings.demo_site),
        track=TRACKS[settings.track],
    )
