"""A running gateway."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

import structlog

from meshwright.gateway.admin import Admin
from meshwright.gateway.envoy import GatewayError, start_envoy, validate_config
from meshwright.gateway.files import GatewayFiles
from meshwright.gateway.followed import follow
from meshwright.gateway.preconditions import check_address, make_log_folder
from meshwright.gateway.render import render_routes
from meshwright.gateway.routes import ONE_TARGET_EACH, Target, publish_routes
from meshwright.gateway.traffic import Traffic, TrafficError, targets
from meshwright.gateway.writing import publish_certificate, publish_token_check, write_files
from meshwright.serving.address import MAX_UNIX_PATH_BYTES, Address

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from meshwright.gateway.settings import GatewaySettings

START_TIMEOUT = 15.0
KILL_TIMEOUT = 2.0
SHIFT_TIMEOUT = 2.0
ROUTES_TAKEN = "http.ingress.rds.mesh.update_success"
ROUTE_COUNTERS = (ROUTES_TAKEN, "http.ingress.rds.mesh.update_rejected", "http.ingress.rds.mesh.update_failure")
NO_CANARY = Traffic()
LOG_LINE_CHARACTERS = 1_000

log = structlog.get_logger(__name__)


class Gateway:
    """An Envoy that runs for as long as the context is open: `async with Gateway(settings) as gateway: ...`.

    `traffic` are the weights to start with. Entering raises TrafficError when they make no sense without a canary.
    Leaving the context stops Envoy at once; call `drain` before to let open requests end. Entering raises GatewayError
    when the port is taken or Envoy refuses its configuration.
    """

    admin: Admin
    """Envoy's admin interface."""

    traffic: Traffic
    """The weights in force."""

    def __init__(self, settings: GatewaySettings, traffic: Traffic = NO_CANARY) -> None:
        self.traffic = traffic
        self._settings = settings
        self._exit = contextlib.AsyncExitStack()
        self._last_words: collections.deque[str] = collections.deque(maxlen=20)
        self._address = Address(settings.bind_address, settings.port)
        self._stopping = False
        self._files: GatewayFiles
        self._process: Process

    @property
    def address(self) -> str:
        """Where clients connect: `127.0.0.1:8080`."""
        return str(self._address)

    @property
    def pid(self) -> int:
        """Envoy's process id."""
        return self._process.pid

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            check_address(self._address)
            make_log_folder(self._settings.gateway_access_log)
            self._files = write_files(self._settings, self._make_directory(stack), self._targets(self.traffic))
            self.admin = Admin(self._files.admin_socket)
            await validate_config(self._files.candidate)
            await self._start(stack)
            self._follow_files(stack)
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._exit.aclose()

    async def wait(self) -> None:
        """Wait for Envoy to end by itself, which it should not: always raises GatewayError."""
        code = await self._process.wait()
        raise GatewayError(f"Envoy ended by itself with exit code {code}{self._complaint()}")

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
            raise TrafficError(f"Envoy refuses the new routes{self._complaint()}")

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

    def _make_directory(self, stack: contextlib.AsyncExitStack) -> Path:
        parent = self._settings.runtime_dir
        if parent is not None:
            parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        directory = Path(tempfile.mkdtemp(prefix="gateway-" if parent else "meshwright-gateway-", dir=parent)).resolve()
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        if len(bytes(GatewayFiles(directory).admin_socket)) > MAX_UNIX_PATH_BYTES:
            raise GatewayError(f"{directory} is too long for the path of a socket; set MESHWRIGHT_RUNTIME_DIR")
        return directory

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        self._process = await start_envoy(
            self._files.bootstrap,
            workers=self._settings.gateway_workers,
            drain_seconds=self._settings.gateway_drain_seconds,
        )
        log_reader = asyncio.create_task(self._read_log(), name="envoy-log")
        stack.push_async_callback(self._stop, log_reader)
        try:
            async with asyncio.timeout(START_TIMEOUT):
                while not await self.admin.is_ready():
                    if self._process.returncode is not None:
                        await log_reader
                        raise GatewayError(f"Envoy did not start{self._complaint()}")
                    await asyncio.sleep(0.01)
                self._address = Address(self._address.host, await self.admin.listener_port())
        except TimeoutError:
            raise GatewayError(f"Envoy was not ready within {START_TIMEOUT:g} s{self._complaint()}") from None

    async def _stop(self, log_reader: asyncio.Task[None]) -> None:
        self._stopping = True
        if self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(KILL_TIMEOUT):
                    await self._process.wait()
            except TimeoutError:
                log.warning("Envoy does not end and is killed", seconds=KILL_TIMEOUT)
                self._process.kill()
                await self._process.wait()
        await log_reader

    async def _read_log(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            text = line.decode(errors="replace").rstrip("\n")
            level, _, message = text.partition("\t")
            # Envoy quotes a whole file that it cannot read.
            message = (message.replace("\t", ": ", 1) or text)[:LOG_LINE_CHARACTERS]
            self._last_words.append(message)
            # It warns of the signal that we end it with.
            write = log.debug if self._stopping else log.error if level in {"error", "critical"} else log.warning
            write("Envoy says", text=message)

    def _complaint(self) -> str:
        return ":\n" + "\n".join(self._last_words) if self._last_words else ""
