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
    StartRunRequest,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from meshwright.agent.verbs import Verbs
    from meshwright.agent.watching import Watcher
    from meshwright.v1.agent_service_pb2 import ConverseStart
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


async def obey(
    commands: AsyncIterator[ConverseRequest], verbs: Verbs, principal: str, session_id: str, watcher: Watcher
) -> None:
    """Carry out the commands that follow, one after the other, and end the watcher when they end."""
    try:
        async for request in commands:
            command = request.WhichOneof("command")
            if command == "close":
                break
            if command == "start":
                raise _protocol("another command", "`start` comes only once.")
            if command != "acknowledge":
                watcher.send_receipt(await _receipt(request, verbs, principal, session_id))
    except MeshError as error:
        watcher.finish(error)
    else:
        watcher.finish()


async def _receipt(request: ConverseRequest, verbs: Verbs, principal: str, session_id: str) -> Receipt:
    """Carry out one command; its refusal is a receipt too."""
    receipt = Receipt(command_id=request.command_id)
    try:
        match request.WhichOneof("command"):
            case "start_run":
                command = request.start_run
                start = StartRunRequest(
                    request_id=request.command_id,
                    session_id=session_id,
                    spec=command.spec,
                    when_busy=command.when_busy,
                )
                receipt.run.CopyFrom(await verbs.start_run(principal, start))
            case "cancel_run":
                cancel = CancelRunRequest(
                    request_id=request.command_id, session_id=session_id, run_id=request.cancel_run.run_id
                )
                receipt.run.CopyFrom(await verbs.cancel_run(principal, cancel))
            case other:
                raise MeshError(
                    reasons.ERROR_REASON_NOT_IMPLEMENTED,
                    f"This agent does not implement the command {other} yet.",
                    metadata={"method": f"/meshwright.v1.AgentService/Converse#{other}"},
                )
    except MeshError as error:
        receipt.error.CopyFrom(error.to_status())
    return receipt


def _protocol(expected: str, message: str) -> MeshError:
    return MeshError(reasons.ERROR_REASON_STREAM_PROTOCOL, message, metadata={"expected": expected})
