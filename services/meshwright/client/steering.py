"""Inputs to runs that are at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshwright.client.records import SteeringStatus
from meshwright.client.request_id import new_request_id
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1 import run_pb2

if TYPE_CHECKING:
    from meshwright.client.connection import Connection
    from meshwright.client.enums import SteeringMode


async def steer(
    connection: Connection, session_id: str, run_id: str, text: str, mode: SteeringMode | None, request_id: str | None
) -> SteeringStatus:
    """Give an input to a run; an empty `run_id` means the session's active one."""
    request = pb.SteerRunRequest(
        request_id=request_id or new_request_id(),
        session_id=session_id,
        run_id=run_id,
        text=text,
        mode=mode_number(mode),
    )
    answer = await connection.call(lambda stub: stub.SteerRun, request, pb.SteerRunResponse)
    return SteeringStatus.read(answer.receipt)


def mode_number(mode: SteeringMode | None) -> run_pb2.SteeringMode.ValueType:
    """The contract's number of a mode; None leaves the choice to the mesh."""
    return run_pb2.SteeringMode.Value(f"STEERING_MODE_{mode.name}" if mode else "STEERING_MODE_UNSPECIFIED")
