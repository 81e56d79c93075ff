"""grpc.health.v1 for one server: each service by name, the whole as the empty name, and `live` for the bare process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog
from grpc_health.v1 import health, health_pb2
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

if TYPE_CHECKING:
    from collections.abc import Iterable

    import grpc

    from meshwright.serving.startup import StartupError

log = structlog.get_logger(__name__)

HEALTH_SERVICE = health.SERVICE_NAME
LIVE = "live"
"""Name under which a server says only that its loop turns, whatever its parts wait for: for probes that end what is stuck."""
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Readiness:
    """What a service says of itself: ready, or what it still waits for. It starts ready."""

    def __init__(self) -> None:
        self._waiting_for = ""
        self._neighbours: dict[str, bool] = {}
        self._change = asyncio.Event()
        self._given_up: StartupError | None = None

    @property
    def ready(self) -> bool:
        """Whether the service can do its work."""
        return not self._waiting_for

    @property
    def waiting_for(self) -> str:
        """What is missing, in words for an operator; empty when ready."""
        return self._waiting_for

    def set_ready(self) -> None:
        """The service can do its work from now on."""
        self._set("")

    def set_waiting(self, reason: str) -> None:
        """The service cannot do its work for this reason, such as `warming 2 browsers`."""
        self._set(reason or "its parts")

    def give_up(self, error: StartupError) -> None:
        """The service will never do its work: its process is to end with this error."""
        self._given_up = error
        self._changed()

    async def given_up(self) -> StartupError:
        """Wait until there is no hope."""
        while self._given_up is None:
            await self._change.wait()
        return self._given_up

    @property
    def change(self) -> asyncio.Event:
        """Set at the next change; every change has an event of its own."""
        return self._change

    @property
    def neighbours(self) -> dict[str, bool]:
        """Services of other servers for which this one answers, and whether they serve."""
        return dict(self._neighbours)

    def report_neighbour(self, service: str, serving: bool) -> None:
        """Answer for a service of another server: the gateway sends all questions of health to one of the mesh."""
        if self._neighbours.get(service) != serving:
            self._neighbours[service] = serving
            self._changed()

    def _set(self, waiting_for: str) -> None:
        self._waiting_for = waiting_for
        self._changed()

    def _changed(self) -> None:
        change, self._change = self._change, asyncio.Event()
        change.set()


class Health:
    """The health service of one server, NOT_SERVING until it is told otherwise."""

    def __init__(self, services: Iterable[str]) -> None:
        self._names = ("", *services)
        self._servicer = health.aio.HealthServicer()

    async def register(self, server: grpc.aio.Server) -> None:
        """Serve health on the server."""
        await self._set(NOT_SERVING)
        await self._servicer.set(LIVE, SERVING)
        add_HealthServicer_to_server(self._servicer, server)

    async def report(self, readiness: Readiness) -> None:
        """Report what the service says of itself now."""
        await self._set(SERVING if readiness.ready else NOT_SERVING)
        for service, serving in readiness.neighbours.items():
            await self._servicer.set(service, SERVING if serving else NOT_SERVING)

    async def follow(self, readiness: Readiness) -> None:
        """Report what the service says of itself, for ever."""
        if not readiness.ready:
            _tell(readiness)
        while True:
            change = readiness.change
            await self.report(readiness)
            await change.wait()
            _tell(readiness)

    async def shut_down(self) -> None:
        """Report NOT_SERVING from now on, whatever happens."""
        await self._servicer.enter_graceful_shutdown()

    async def _set(self, status: Any) -> None:
        for name in self._names:
            await self._servicer.set(name, status)


def _tell(readiness: Readiness) -> None:
    log.info("ready" if readiness.ready else "not ready", waiting_for=readiness.waiting_for or None)
