"""One way to run a gRPC server of the mesh."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Self, TypeVar

import grpc
import structlog

from meshwright.serving.boundary import Boundary
from meshwright.serving.health import HEALTH_SERVICE, Health, Readiness
from meshwright.serving.inbound import MAX_TRANSPORT_BYTES
from meshwright.serving.listening import bind, refuse_exposure
from meshwright.serving.metrics import open_metrics
from meshwright.serving.observer import Observer
from meshwright.serving.reflection import add_reflection
from meshwright.serving.rpc_metrics import RpcMetrics
from meshwright.serving.telemetry import install_tracing, open_tracing

if TYPE_CHECKING:
    from types import TracebackType

    from meshwright.serving.address import Address
    from meshwright.serving.authentication.authenticator import Authenticator
    from meshwright.serving.settings import ServerSettings

S = TypeVar("S")

log = structlog.get_logger(__name__)

SERVER_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", MAX_TRANSPORT_BYTES),
    ("grpc.max_send_message_length", MAX_TRANSPORT_BYTES),
    # A token of 8 KiB, and what else comes with a call. Beyond the default of 8 KiB gRPC refuses at random and without details.
    ("grpc.max_metadata_size", 24 * 1024),
    ("grpc.absolute_max_metadata_size", 32 * 1024),
    # Two servers on one port would share its calls at random instead of failing to start.
    ("grpc.so_reuseport", 0),
    # Finds callers whose machine is gone, within 40 s.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Clients ping every 30 s, also without calls; equal values on both sides would strike by jitter.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    # A crowd that comes back at once waits to be accepted; beyond the default of 1,000 gRPC cancels calls at random.
    ("grpc.server.max_pending_requests", 20_000),
    ("grpc.server.max_pending_requests_hard_limit", 40_000),
)

HAND_OVER_SECONDS = 3600.0
"""How long a service may take to hand over what is running; services keep to a grace of their own."""

DRAIN_HOOK_SECONDS = 10.0
"""How long a service may take to tell its streams that they should go."""
CLEAN_UP_SECONDS = 5.0
"""How long handlers may take to clean up after their call was cut."""


@dataclass(frozen=True, slots=True)
class Service(Generic[S]):
    """What a server serves. `S` is the class of the generated servicer's implementation."""

    name: str
    """Full name: `meshwright.v1.AgentService`."""
    register: Callable[[S, grpc.aio.Server], None]
    """The generated `add_AgentServiceServicer_to_server`."""
    open: Callable[[Readiness], AbstractAsyncContextManager[S]]
    """Opens the service's parts in order and gives its servicer; leaving it closes them in reverse. Slow parts warm up in the
    background after `readiness.set_waiting(...)`, and say `readiness.set_ready()` in the end."""
    hand_over: Callable[[S], Awaitable[None]] | None = None
    """Takes up no new work and gives what is at work to others; called once, as soon as the server is to stop."""
    drain: Callable[[S], Awaitable[None]] | None = None
    """Tells every stream to go; called once, after the hand-over, before running calls get their last grace."""


class Server(Generic[S]):
    """A running server, for as long as its `async with` block.

    Leaving the block stops it gracefully, unless `stop` has begun before: then what it has not ended yet is cut.
    """

    def __init__(
        self, service: Service[S], settings: ServerSettings, *, reflected_services: tuple[str, ...] = ()
    ) -> None:
        self._service = service
        self._settings = settings
        self._reflected = {service.name, HEALTH_SERVICE, *reflected_services}
        self._stack = AsyncExitStack()
        self._started = False
        self._stopped = False

    async def __aenter__(self) -> Self:
        refuse_exposure(self._settings)
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        self._started = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self.stop()
        finally:
            await self._stack.aclose()

    @property
    def started(self) -> bool:
        """Whether it has begun to take calls."""
        return self._started

    @property
    def running_calls(self) -> int:
        """How many calls have a handler that is still running."""
        return self._observer.running

    async def _start(self, stack: AsyncExitStack) -> None:
        settings = self._settings
        tracing = open_tracing(self._service.name, settings.otlp_endpoint)
        install_tracing(tracing)
        stack.callback(install_tracing, None)
        if tracing is not None:
            stack.push_async_callback(asyncio.to_thread, tracing.close)
        metrics = stack.enter_context(open_metrics(settings))
        authenticator: Authenticator | None = None
        if settings.authenticates:
            # Imported here: a process that does not authenticate should not carry cryptography in its memory.
            from meshwright.serving.authentication.authenticator import open_authenticator

            authenticator = await stack.enter_async_context(open_authenticator(settings))
        self.readiness = readiness = Readiness()
        self.servicer = await stack.enter_async_context(self._service.open(readiness))
        self._observer = Observer(tracing, RpcMetrics.of(metrics, self._service.name))
        self._boundary = Boundary(self._observer, unary_timeout=settings.unary_timeout, authenticator=authenticator)
        self._grpc = grpc.aio.server(interceptors=(self._boundary,), options=_options(settings))
        self._service.register(self.servicer, self._grpc)
        self._health = Health((self._service.name,))
        await self._health.register(self._grpc)
        add_reflection(self._grpc, self._reflected)
        self.address: Address = bind(self._grpc, settings.listen)
        await self._grpc.start()
        stack.push_async_callback(self._end_calls, 0.0)
        await self._health.report(readiness)
        reporting = asyncio.create_task(self._health.follow(readiness), name="health")
        stack.callback(reporting.cancel)

    async def stop(self) -> None:
        """Report NOT_SERVING, hand over beside the drain delay, tell the streams, give running calls their grace, then cut them."""
        if self._stopped:
            return
        self._stopped = True
        await self._health.shut_down()
        async with asyncio.TaskGroup() as leaving:
            leaving.create_task(self._carry_out("hand over", self._service.hand_over, HAND_OVER_SECONDS))
            leaving.create_task(asyncio.sleep(self._settings.drain_delay))
        await self._carry_out("drain", self._service.drain, DRAIN_HOOK_SECONDS)
        await self._end_calls(self._settings.stop_grace)

    async def _carry_out(self, name: str, hook: Callable[[S], Awaitable[None]] | None, seconds: float) -> None:
        """A part of the service's farewell; its failure does not keep the server from stopping."""
        if hook is None:
            return
        try:
            async with asyncio.timeout(seconds):
                await hook(self.servicer)
        except Exception:
            log.exception("stop_hook.failed", hook=name, service=self._service.name)

    async def _end_calls(self, grace: float) -> None:
        # New calls are refused here rather than by stop(grace): cutting what is left while that still waits is a race that
        # can crash the process.
        self._boundary.refuse_new_calls()
        await self._quiet_within(grace)
        # What is left are calls that outlast the grace or have no end of their own, such as watchers of health.
        await self._grpc.stop(None)
        # The parts of the service close next, so no handler may use them any more.
        await self._quiet_within(CLEAN_UP_SECONDS)

    async def _quiet_within(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._observer.quiet()


def _options(settings: ServerSettings) -> tuple[tuple[str, int], ...]:
    if not settings.connection_age:
        return SERVER_OPTIONS
    # Without a grace period for streams, gRPC gives them any time.
    return (*SERVER_OPTIONS, ("grpc.max_connection_age_ms", round(settings.connection_age * 1000)))
