"""A running gateway."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Self

import structlog

from meshwright.envoy.folder import private_folder
from meshwright.envoy.process import Envoy, validate_config
from meshwright.gateway.failure import GatewayError
from meshwright.gateway.followed import follow
from meshwright.gateway.preconditions import check_address, make_log_folder
from meshwright.gateway.render import render_routes
from meshwright.gateway.routes import ONE_TARGET_EACH, Target, publish_routes
from meshwright.gateway.traffic import Traffic, TrafficError, targets
from meshwright.gateway.writing import publish_certificate, publish_token_check, write_files
from meshwright.serving.address import Address

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from meshwright.envoy.admin import Admin
    from meshwright.gateway.files import GatewayFiles
    from meshwright.gateway.settings import GatewaySettings

SHIFT_TIMEOUT = 2.0
ROUTES_TAKEN = "http.ingress.rds.mesh.update_success"
ROUTE_COUNTERS = (ROUTES_TAKEN, "http.ingress.rds.mesh.update_rejected", "http.ingress.rds.mesh.update_failure")
NO_CANARY = Traffic()

log = structlog.get_logger(__name__)


class Gateway:
    """An Envoy that runs for as long as the context is open: `async with Gateway(settings) as gateway: ...`.

    `traffic` are the weights to start with. Entering raises TrafficError when they make no sense without a canary.
    Leaving the context stops Envoy at once; call `drain` before to let open requests end. Entering raises GatewayError
    when the port is taken, and EnvoyError when Envoy refuses its configuration.
    """

    admin: Admin
    """Envoy's admin interface."""

    traffic: Traffic
    """The weights in force."""

    def __init__(self, settings: GatewaySettings, traffic: Traffic = NO_CANARY) -> None:
        self.traffic = traffic
        self._settings = settings
        self._exit = contextlib.AsyncExitStack()
        self._address = Address(settings.bind_address, settings.port)
        self._files: GatewayFiles
        self._envoy: Envoy

    @property
    def address(self) -> str:
        """Where clients connect: `127.0.0.1:8080`."""
        return str(self._address)

    @property
    def pid(self) -> int:
        """Envoy's process id."""
        return self._envoy.pid

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            check_address(self._address)
            make_log_folder(self._settings.gateway_access_log)
            folder = stack.enter_context(private_folder("gateway", self._settings.runtime_dir))
            self._files = write_files(self._settings, folder, self._targets(self.traffic))
            await validate_config(self._files.candidate)
            self._envoy = await stack.enter_async_context(self._new_envoy())
            self.admin = self._envoy.admin
            self._address = Address(self._address.host, await self.admin.listener_port())
            self._follow_files(stack)
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._exit.aclose()

    async def wait(self) -> None:
        """Wait for Envoy to end by itself, which it should not: always raises EnvoyError."""
        raise await self._envoy.ended()

    async def drain(self) -> None:
        """Fail /healthz, ask clients to leave and wait until nothing is open, at most `gateway_drain_seconds`."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(self._settings.gateway_drain_seconds):
                await self.admin.start_draining()
                while await self.open_requests():  # noqa: ASYNC110  # Envoy's counter has nothing to await
                    await asyncio.sleep(0.05)

    async def open_requests(self) -> int:
        """How many requests, streams among them, are open now."""
        name = "http.ingress.downstream_rq_active"
        return (await self.admin.stats(name))[name]

    async def shift(self, traffic: Traffic) -> None:
        """Put other weights into force and wait until they are. Raises TrafficError when they are not: the former ones stay."""
        former, self.traffic = self.traffic, traffic
        try:
            await self._publish_checked(self._targets(traffic))
        except TrafficError:
            self.traffic = former
            # Or the refused file would be the one that Envoy reads when something else makes it read again.
            self.publish_routes(self._targets(former))
            raise

    def publish_routes(self, wanted: Mapping[str, Sequence[Target]] = ONE_TARGET_EACH) -> None:
        """Put other weights into force; new streams follow within milliseconds, open ones stay where they are."""
        publish_routes(self._files.routes_directory, render_routes(self._settings, wanted))

    def _targets(self, traffic: Traffic) -> Mapping[str, Sequence[Target]]:
        return targets(traffic, has_canary=bool(self._settings.agent_canary_address))

    async def _publish_checked(self, wanted: Mapping[str, Sequence[Target]]) -> None:
        try:
            before = await self.admin.stats(*ROUTE_COUNTERS)
            self.publish_routes(wanted)
            async with asyncio.timeout(SHIFT_TIMEOUT):
                while (now := await self.admin.stats(*ROUTE_COUNTERS)) == before:  # noqa: ASYNC110  # Envoy just counts
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise TrafficError(f"Envoy did not take the new routes within {SHIFT_TIMEOUT:g} s") from None
        except OSError as error:
            raise TrafficError("Envoy does not say whether it took the new routes") from error
        if now[ROUTES_TAKEN] == before[ROUTES_TAKEN]:
            raise TrafficError(f"Envoy refuses the new routes{self._envoy.complaint()}")

    def _follow_files(self, stack: contextlib.AsyncExitStack) -> None:
        """Put keys and certificates into force as they change."""
        settings = self._settings
        if settings.authenticates and not settings.jwks_is_url:
            self._follow(stack, publish_token_check, Path(settings.auth_jwks))
        if settings.tls_certificate is not None and settings.tls_key is not None:
            self._follow(stack, publish_certificate, settings.tls_certificate, settings.tls_key)

    def _follow(
        self,
        stack: contextlib.AsyncExitStack,
        publish_it: Callable[[GatewaySettings, GatewayFiles], None],
        *paths: Path,
    ) -> None:
        def changed() -> None:
            try:
                publish_it(self._settings, self._files)
            except GatewayError as error:
                log.warning("the former ones stay in force", cause=str(error))
            else:
                log.info("read again", files=[str(path) for path in paths])

        following = asyncio.create_task(follow(*paths, changed=changed), name="follow-files")
        stack.callback(following.cancel)

    def _new_envoy(self) -> Envoy:
        return Envoy(
            self._files.bootstrap,
            self._files.admin_socket,
            workers=self._settings.gateway_workers,
            drain_seconds=self._settings.gateway_drain_seconds,
        )
