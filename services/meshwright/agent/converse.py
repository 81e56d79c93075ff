"""The native door: commands up, events down, on one stream."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from meshwright.serving.errors import MeshError
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.agent_service_pb2 import (
    CancelRunRequest,
    ConverseRequest,
    CreateSessionRequest,
    Receipt,
    ResolveApprovalRequest,
    StartRunRequest,
    SteerRunRequest,
)
from meshwright.v1.run_pb2 import DisconnectPolicy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from meshwright.agent.verbs import Verbs
    from meshwright.agent.watching import Watcher
    from meshwright.v1.agent_service_pb2 import ConverseStart
    from meshwright.v1.run_pb2 import Run
    from meshwright.v1.session_pb2 import Session

START_SECONDS = 30.0


class Opening(NamedTuple):
    """What a stream's first command leads to."""

    session: Session
    start: ConverseStart
    created: bool


async def open_session(commands: AsyncIterator[ConverseRequest], verbs: Verbs, principal: str) -> Opening:
    """Read the first command and open or join its session. STREAM_PROTOCOL, SESSION_NOT_FOUND."""
    try:
        async with asyncio.timeout(START_SECONDS):
            first = await anext(commands, None)
    except TimeoutError:
        first = None
    if first is None or not first.HasField("start"):
        raise _protocol("start", "The first command of the stream must be `start`.")
    start = first.start
    if start.session_id:
        return Opening(await verbs.get_session(principal, start.session_id), start, created=False)
    request = CreateSessionRequest(request_id=first.command_id, session=start.session)
    return Opening(await verbs.create_session(principal, request), start, created=True)


class Commands:
    """The commands after the first, carried out one after the other."""

    def __init__(self, verbs: Verbs, principal: str, session_id: str, watcher: Watcher) -> None:
        self._verbs = verbs
        self._principal = principal
        self._session_id = session_id
        self._watcher = watcher
        self.closed = False
        self.fragile_runs: list[str] = []
        """Runs that do not want to outlive the stream's vanishing."""

    async def obey(self, commands: AsyncIterator[ConverseRequest]) -> None:
        """Carry out all, and end the watcher when they end."""
        try:
            async for request in commands:
                command = request.WhichOneof("command")
                if command == "close":
                    self.closed = True
                    break
                if command == "start":
                    raise _protocol("another command", "`start` comes only once.")
                if command != "acknowledge":
                    self._watcher.send_receipt(await self._receipt(request))
        except MeshError as error:
            self._watcher.finish(error)
        else:
            self._watcher.finish()

    async def _receipt(self, request: ConverseRequest) -> Receipt:
        """Carry out one command; its refusal is a receipt too."""
        receipt = Receipt(command_id=request.command_id)
        try:
            match request.WhichOneof("command"):
                case "start_run":
                    receipt.run.CopyFrom(await self._start_run(request))
                case "steer_run":
                    steer = SteerRunRequest(
                        request_id=request.command_id,
                        session_id=self._session_id,
                        run_id=request.steer_run.run_id,
                        text=request.steer_run.text,
                        mode=request.steer_run.mode,
                    )
                    receipt.steering.CopyFrom(await self._verbs.steer_run(self._principal, steer))
                case "cancel_run":
                    cancel = CancelRunRequest(
                        request_id=request.command_id,
                        session_id=self._session_id,
                        run_id=request.cancel_run.run_id,
                    )
                    receipt.run.CopyFrom(await self._verbs.cancel_run(self._principal, cancel))
                case "resolve_approval":
                    resolve = ResolveApprovalRequest(
                        request_id=request.command_id,
                        session_id=self._session_id,
                        approval_id=request.resolve_approval.approval_id,
                        decision=request.resolve_approval.decision,
                    )
                    receipt.approval.CopyFrom(await self._verbs.resolve_approval(self._principal, resolve))
        except MeshError as error:
            receipt.error.CopyFrom(error.to_status())
        return receipt

    async def _start_run(self, request: ConverseRequest) -> Run:
        command = request.start_run
        start = StartRunRequest(
            request_id=request.command_id,
            session_id=self._session_id,
            spec=command.spec,
            when_busy=command.when_busy,
        )
        run = await self._verbs.start_run(self._principal, start)
        if run.spec.options.on_disconnect == DisconnectPolicy.DISCONNECT_POLICY_CANCEL:
            self.fragile_runs.append(run.run_id)
        return run


def _protocol(expected: str, message: str) -> MeshError:
    return MeshError(reasons.ERROR_REASON_STREAM_PROTOCOL, message, metadata={"expected": expected})
