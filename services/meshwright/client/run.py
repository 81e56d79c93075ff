"""A run that was started before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshwright.client.decoding import finished_from_run
from meshwright.client.events import RunFinished
from meshwright.client.infos import RunInfo
from meshwright.client.request_id import new_request_id
from meshwright.client.steering import steer
from meshwright.client.watch import WatchStream, event_filter
from meshwright.v1 import agent_service_pb2 as pb

if TYPE_CHECKING:
    from meshwright.client.connection import Connection
    from meshwright.client.enums import SteeringMode
    from meshwright.client.records import SteeringStatus


class Run:
    """A handle of a run; making one asks nothing of the mesh."""

    def __init__(self, connection: Connection, session_id: str, run_id: str) -> None:
        self._connection = connection
        self.session_id = session_id
        """The session it belongs to."""
        self.run_id = run_id
        """Its identifier."""

    def __repr__(self) -> str:
        return f"Run({self.session_id!r}, {self.run_id!r})"

    async def info(self) -> RunInfo:
        """The run as it is now. Raises NotFound."""
        request = pb.GetRunRequest(session_id=self.session_id, run_id=self.run_id)
        return RunInfo.read((await self._connection.call(lambda stub: stub.GetRun, request, pb.GetRunResponse)).run)

    def events(self, after: int = 0) -> WatchStream:
        """The run's events after a cursor: those that are there, then live, to `RunFinished`. Raises NotFound when iterated.

        What sub-agents of the run do comes as `SubAgentEvent`.
        """
        return WatchStream(
            self._connection,
            self.session_id,
            after=after,
            wanted=event_filter(run_ids=[self.run_id]),
            until_run_id=self.run_id,
            of_run_id=self.run_id,
        )

    async def result(self) -> RunFinished:
        """Wait for the run's end. Raises RunFailed, RunCancelled, RunExpired; MeshError when it cannot be followed."""
        wanted = event_filter(kinds=[RunFinished], run_ids=[self.run_id])
        watching = WatchStream(
            self._connection,
            self.session_id,
            after=0,
            wanted=wanted,
            until_run_id=self.run_id,
            of_run_id=self.run_id,
        )
        async with watching:
            async for event in watching:
                if isinstance(event, RunFinished):
                    event.raise_for_outcome()
                    return event
        # The event was trimmed from the log; the run still knows it.
        finished = finished_from_run((await self.info()).proto)
        finished.raise_for_outcome()
        return finished

    async def steer(
        self, text: str, *, mode: SteeringMode | None = None, request_id: str | None = None
    ) -> SteeringStatus:
        """Give the run an input while it works; what becomes of it comes as SteeringReceipt events.

        Args:
            text: The input, 1 to 100,000 characters.
            mode: How to apply it; by default STEER, before the next model step.
            request_id: Of your own making: the same input with the same id is given once.

        Raises FailedPrecondition (RUN_FINISHED, SESSION_BUSY) and NotFound.
        """
        return await steer(self._connection, self.session_id, self.run_id, text, mode, request_id)

    async def cancel(self, *, request_id: str | None = None) -> RunInfo:
        """Ask the run to end; its last event then says `cancelled`.

        Raises FailedPrecondition (RUN_FINISHED) when it has ended, and NotFound.
        """
        request = pb.CancelRunRequest(
            request_id=request_id or new_request_id(), session_id=self.session_id, run_id=self.run_id
        )
        answer = await self._connection.call(lambda stub: stub.CancelRun, request, pb.CancelRunResponse)
        return RunInfo.read(answer.run)
