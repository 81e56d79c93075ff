"""The running egress proxy, which is started again when it ends."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

import structlog

from meshwright.egress.render import render_bootstrap
from meshwright.envoy.binary import EnvoyError
from meshwright.envoy.folder import ADMIN_SOCKET, private_folder
from meshwright.envoy.process import Envoy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from meshwright.egress.settings import EgressSettings

PULSE_SECONDS = 5.0
MISSED_PULSES = 3
"""So many times without an answer it hangs, and is started anew."""
RETRY_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
DENIED = "cluster.web.rbac.denied"

log = structlog.get_logger(__name__)


class EgressProxy:
    """An Envoy on loopback that browsers are given as their proxy, for as long as the context is open.

    Entering raises EnvoyError where it does not start. When it ends later, another takes its port; until then browsers reach
    nothing.
    """

    def __init__(self, settings: EgressSettings) -> None:
        self.is_up = False
        """It takes connections."""
        self._settings = settings
        self._on_change: list[Callable[[], None]] = []
        self._port = 0
        self._denied_before = 0
        self._denied = 0
        self._exit = contextlib.AsyncExitStack()

    @property
    def server(self) -> str:
        """Where it is, as Chromium takes it: `http://127.0.0.1:41234`."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def denied(self) -> int:
        """Requests and tunnels that it has refused by its rules, as of a few seconds ago."""
        return self._denied_before + self._denied

    def on_change(self, changed: Callable[[], None]) -> None:
        """Call back whenever `is_up` changes."""
        self._on_change.append(changed)

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            folder = stack.enter_context(private_folder("egress", self._settings.runtime_dir))
            started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            running = asyncio.create_task(self._run(folder, started), name="egress")
            stack.push_async_callback(_end, running)
            await asyncio.wait({running, started}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._exit.aclose()

    async def _run(self, folder: Path, started: asyncio.Future[None]) -> None:
        attempt = 0
        while True:
            try:
                async with self._envoy(folder) as envoy:
                    self._port = self._port or await envoy.admin.listener_port()
                    attempt = 0
                    self._is(up=True)
                    if not started.done():
                        started.set_result(None)
                        log.info(
                            "egress", proxy=self.server, allowed=[str(each) for each in self._settings.egress_allow]
                        )
                    failure = await self._until_ended(envoy)
            except (EnvoyError, OSError) as error:
                if not started.done():
                    raise
                failure = EnvoyError(str(error))
            self._is(up=False)
            self._denied_before, self._denied = self.denied, 0
            pause = RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)]
            attempt += 1
            log.error("egress_proxy_gone", cause=str(failure), retry_in=pause)
            await asyncio.sleep(pause)

    def _envoy(self, folder: Path) -> Envoy:
        bootstrap, socket = folder / "bootstrap.yaml", folder / ADMIN_SOCKET
        # The port is asked for at first and is kept: browsers were told.
        bootstrap.write_text(render_bootstrap(self._settings, socket, self._port), encoding="utf-8")
        return Envoy(bootstrap, socket, workers=1)

    async def _until_ended(self, envoy: Envoy) -> EnvoyError:
        """Why it ended. One that answers no more is ended."""
        ended = asyncio.create_task(envoy.ended())
        missed = 0
        try:
            while True:
                await asyncio.wait({ended}, timeout=PULSE_SECONDS)
                if ended.done():
                    return ended.result()
                try:
                    self._denied = (await envoy.admin.stats(DENIED))[DENIED]
                    missed = 0
                except (OSError, ValueError, LookupError):
                    missed += 1
                if missed == MISSED_PULSES:
                    envoy.kill()
        finally:
            ended.cancel()

    def _is(self, *, up: bool) -> None:
        if self.is_up != up:
            self.is_up = up
            for changed in self._on_change:
                changed()


async def _end(running: asyncio.Task[None]) -> None:
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
