"""A Drive stream: the stream is the lease."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from meshwright.browser import failures
from meshwright.browser.outbox import Outbox
from meshwright.serving.errors import MeshError
from meshwright.serving.failures import as_mesh_error
from meshwright.v1.browser_service_pb2 import CommandResult, DriveResponse

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterable

    from meshwright.browser.lease import Lease
    from meshwright.v1 import browser_pb2
    from meshwright.v1.browser_service_pb2 import DriveRequest

METHOD = "/meshwright.v1.BrowserService/Drive"


class DriveStream:
    """The commands of one stream, their results, and the events of the lease."""

    def __init__(self, lease: Lease) -> None:
        self.outbox = Outbox()
        self.lease = lease
        self._running: dict[str, asyncio.Task[browser_pb2.BrowserResult]] = {}
        self._closing = False
        self.outbox.put(DriveResponse(leased=lease.describe()))
        lease.events.subscribe(self._page_event)
        lease.on_end(self._finish_when_done)

    async def read(self, requests: AsyncIterable[DriveRequest]) -> None:
        """Take commands until `close`, whose stream ends when the commands before it have. Errors end the stream."""
        try:
            async for request in requests:
                match request.WhichOneof("command"):
                    case "run":
                        self._run(request.command_id, request.run)
                    case "cancel":
                        if task := self._running.get(request.cancel.command_id):
                            task.cancel()
                    case "close":
                        self._closing = True
                        self._finish_when_done()
                        return
                    case _:
                        raise failures.stream_protocol("run, cancel or close")
            raise failures.stream_protocol("close")
        except MeshError as error:
            self.outbox.finish(error)

    def _run(self, command_id: str, command: browser_pb2.BrowserCommand) -> None:
        if command_id in self._running:
            self._put_error(command_id, failures.command_id_in_use(command_id))
            return
        try:
            task = self.lease.submit(command)
        except MeshError as error:
            self._put_error(command_id, error)
            return
        self._running[command_id] = task
        task.add_done_callback(partial(self._done, command_id))

    def _done(self, command_id: str, task: asyncio.Task[browser_pb2.BrowserResult]) -> None:
        del self._running[command_id]
        if task.cancelled():
            self._put_error(command_id, failures.cancelled(command_id))
        elif error := task.exception():
            self._put_error(command_id, as_mesh_error(error, METHOD))
        else:
            result = CommandResult(command_id=command_id, result=task.result())
            self.outbox.put(DriveResponse(result=result))
        self._finish_when_done()

    def _put_error(self, command_id: str, error: MeshError) -> None:
        self.outbox.put(DriveResponse(result=CommandResult(command_id=command_id, error=error.to_status())))

    def _page_event(self, event: browser_pb2.PageEvent) -> None:
        self.outbox.put_event(DriveResponse(event=event))

    def _finish_when_done(self) -> None:
        if not self._running and (self._closing or self.lease.ended):
            self.outbox.finish(self.lease.failure)
