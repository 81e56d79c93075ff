"""One Chromium process together with the Playwright driver that speaks to it over a pipe."""

from __future__ import annotations

import asyncio
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil
import structlog

from meshwright.browser.driver import DRIVER_ERRORS, Driver
from meshwright.browser.exit_watch import ExitWatch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.async_api import Browser, CDPSession

START_SECONDS = 30.0
STOP_SECONDS = 5.0
PULSE_SECONDS = 5.0
PULSE_TIMEOUT_SECONDS = 15.0
# Playwright passes the usual ones itself, such as no background networking and no component updates.
ARGUMENTS = (
    "--disable-gpu",
    # No packet of a page goes around the proxy: neither UDP of WebRTC ...
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    # ... nor of HTTP/3.
    "--disable-quic",
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """How to start a browser."""

    executable: Path
    sandbox: bool
    proxy: str
    """The one way to the network, as in `http://127.0.0.1:41234`."""

    @property
    def arguments(self) -> list[str]:
        """Chromium's, beside those of Playwright's own."""
        # What would go around the proxy after all finds no address to go to.
        return [*ARGUMENTS, f"--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE {urlsplit(self.proxy).hostname}"]


class BrowserProcess:
    """A running Chromium. It ends for good: nothing restarts it, the pool makes another."""

    def __init__(self, driver: Driver, browser: Browser, cdp: CDPSession, pid: int, folder: Path) -> None:
        self.browser = browser
        """Playwright's browser."""
        self.pid = pid
        """Of Chromium's main process."""
        self.started = time.monotonic()
        self.gone = asyncio.Event()
        """Set once the browser or its driver has ended, for whatever cause."""
        self.sandboxed = False
        """Chromium's own sandbox is on."""
        self.proxy = ""
        """Through which its pages reach the network."""
        self.draining = False
        """The pool makes no more contexts in it and stops it when its last one goes."""
        self.isolates = 0
        """Contexts in it: warm, leased or closing."""
        self.granted = 0
        """Leases that it has carried."""
        self._driver = driver
        self._cdp = cdp
        self._folder = folder
        self._process = psutil.Process(pid)
        self._stopping = False
        self._on_gone: Callable[[BrowserProcess], None] = lambda _process: None
        browser.on("disconnected", lambda _browser: self._ended())
        self._watch = ExitWatch(driver.process.pid, self._ended) if driver.process else None
        self._pulse = asyncio.create_task(self._keep_watch())

    @classmethod
    async def start(cls, plan: LaunchPlan, folder: Path) -> BrowserProcess:
        """Start one whose temporary files are all in `folder`, which goes with it.

        Raises what is in DRIVER_ERRORS, TimeoutError or OSError when it does not start.
        """
        async with asyncio.timeout(START_SECONDS):
            driver = await Driver.start(folder)
            try:
                browser = await driver.playwright.chromium.launch(
                    executable_path=plan.executable,
                    chromium_sandbox=plan.sandbox,
                    args=plan.arguments,
                    # The proxy is asked for loopback too, whatever the environment tells Playwright.
                    proxy={"server": plan.proxy, "bypass": "<-loopback>"},
                    handle_sigint=False,
                    handle_sigterm=False,
                    handle_sighup=False,
                )
                cdp = await browser.new_browser_cdp_session()
                info = await cdp.send("SystemInfo.getProcessInfo")
                pid = next(each["id"] for each in info["processInfo"] if each["type"] == "browser")
                process = cls(driver, browser, cdp, pid, folder)
            except BaseException:
                # The driver takes its browser with it.
                await asyncio.shield(driver.stop())
                raise
        process.sandboxed, process.proxy = plan.sandbox, plan.proxy
        return process

    @property
    def version(self) -> str:
        """Version of the browser, such as `156.0.8078.79`."""
        return self.browser.version

    @property
    def is_gone(self) -> bool:
        """It has ended."""
        return self.gone.is_set()

    def on_gone(self, callback: Callable[[BrowserProcess], None]) -> None:
        """Call back once when it ends, unless `stop` ended it."""
        self._on_gone = callback

    async def stop(self) -> None:
        """End it, gently at first, and delete its files. Takes at most a few seconds and never raises."""
        self._stopping = True
        self._pulse.cancel()
        with suppress(*DRIVER_ERRORS, TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                if not self.is_gone:
                    await self.browser.close()
        await self._driver.stop()
        self.kill()
        self._ended()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def kill(self) -> None:
        """End it at once. What belongs to it notices by itself, because its pipes close."""
        with suppress(psutil.Error):
            self._process.kill()
        self._driver.kill()

    async def _keep_watch(self) -> None:
        """A browser or driver that hangs is as gone as one that crashed."""
        while True:
            await asyncio.sleep(PULSE_SECONDS)
            try:
                async with asyncio.timeout(PULSE_TIMEOUT_SECONDS):
                    await self._cdp.send("Browser.getVersion")
            except (*DRIVER_ERRORS, TimeoutError):
                log.warning("browser_hangs", pid=self.pid)
                self.kill()
                self._ended()
                return

    def _ended(self) -> None:
        if self.gone.is_set():
            return
        self.gone.set()
        if self._watch is not None:
            self._watch.close()
        if not self._stopping:
            log.warning("browser_gone", pid=self.pid)
            self._on_gone(self)
