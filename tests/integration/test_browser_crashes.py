"""Browsers, drivers and the service itself killed at the worst moment: what callers see, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from playwright.async_api import async_playwright

from meshwright.browser import process
from meshwright.serving.address import Address
from meshwright.serving.channel import open_channel
from meshwright.v1 import browser_pb2 as pb
from meshwright.v1.browser_service_pb2_grpc import BrowserServiceStub
from tests.support.browser_client import (
    BrowserClient,
    Driving,
    Site,
    browser_client,
    command_line,
    eventually,
    fails,
)
from tests.support.service_process import service_process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from meshwright.serving.server import Server
    from tests.support.service_process import ServiceProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service() -> AsyncIterator[tuple[BrowserClient, Server[Any]]]:
    async with browser_client() as both:
        yield both


@pytest.fixture(scope="module")
def browser(service: tuple[BrowserClient, Server[Any]]) -> BrowserClient:
    return service[0]


def chromium(parent: psutil.Process) -> psutil.Process:
    """The main process of the one Chromium, which a distribution may have wrapped in a shell script."""
    for each in parent.children(recursive=True):
        command = command_line(each)
        if "--remote-debugging-pipe" in command and Path(command[0]).name != "sh" and len(each.children()) > 1:
            return each
    raise AssertionError("there is no Chromium")


def driver(parent: psutil.Process) -> psutil.Process:
    """The one driver of Playwright."""
    return next(each for each in parent.children() if "run-driver" in command_line(each))


@pytest.mark.parametrize("victim", [chromium, driver])
async def test_a_killed_browser_is_typed_and_replaced(browser: BrowserClient, site: Site, victim: Any) -> None:
    url = site.page("/page", "<h1>Page</h1>", title="Page")
    before = (await browser.pool_when(lambda pool: pool.warm == 2)).crashes
    driving = Driving(browser.stub)
    await driving.start()
    await driving.goto(url)
    commands = [await driving.send(wait=pb.Wait(text="never")), await driving.send(snapshot=pb.Snapshot())]
    listed = await driving.send(list_tabs=pb.ListTabs())
    await listed
    victim(psutil.Process()).kill()
    killed = time.monotonic()
    for each in (*commands, driving.ended):
        error = await fails(each)
        assert (error.reason_name, error.code.name) == ("BROWSER_CRASHED", "UNAVAILABLE")
        assert error.metadata == {"lease_id": driving.lease.lease_id}
        assert error.retry_after
    assert time.monotonic() - killed < process.PULSE_TIMEOUT_SECONDS
    async with browser.drive() as next_one:
        assert (await next_one.goto(url)).tab.title == "Page"
    pool = await browser.pool_when(lambda pool: pool.warm == 2)
    assert (pool.crashes, pool.leased) == (before + 1, 0)


async def test_a_browser_that_dies_idle_is_replaced(browser: BrowserClient, site: Site) -> None:
    before = (await browser.pool_when(lambda pool: pool.warm == 2)).crashes
    chromium(psutil.Process()).kill()
    await browser.pool_when(lambda pool: pool.crashes == before + 1 and pool.warm == 2)
    async with browser.drive() as driving:
        assert (await driving.goto(site.page("/idle", "<h1>Idle</h1>"))).navigation.http_status == 200


class DeadDriver:
    """Playwright's driver, as the library tells of one that ends at once."""

    words = (RuntimeError("the handler is closed"), Exception("Connection closed while reading from the driver"))
    ends = iter(words)

    async def start(self) -> None:
        raise next(self.ends)


async def test_a_driver_that_ends_as_it_starts_is_started_again(
    browser: BrowserClient, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (await browser.pool_when(lambda pool: pool.warm == 2)).crashes
    chosen = chain((DeadDriver for _ in DeadDriver.words), repeat(async_playwright))
    monkeypatch.setattr("meshwright.browser.driver.async_playwright", lambda: next(chosen)())
    chromium(psutil.Process()).kill()
    await browser.pool_when(lambda pool: pool.crashes == before + 1 and pool.warm == 2)
    assert next(DeadDriver.ends, None) is None
    async with browser.drive() as driving:
        assert (await driving.goto(site.page("/again", "<h1>Again</h1>"))).navigation.http_status == 200


def family(root: psutil.Process) -> list[psutil.Process]:
    return [root, *root.children(recursive=True)]


async def test_a_browser_that_hangs_is_replaced(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PULSE_SECONDS", 0.3)
    url = site.page("/hang", "<h1>Hang</h1>", title="Hang")
    async with browser_client(browser_warm=1) as (browser, server):
        driving = Driving(browser.stub)
        await driving.start()
        (hung,) = server.servicer._pool.fleet._processes
        os.kill(hung.pid, signal.SIGSTOP)
        # Not before: a busy machine may take as long for the answer of a browser that is well.
        monkeypatch.setattr(process, "PULSE_TIMEOUT_SECONDS", 0.7)
        late = await fails(await driving.send(timeout=0.1, navigate=pb.Navigate(url=url)))
        assert late.reason_name == "DEADLINE_EXCEEDED"
        for each in (await driving.send(navigate=pb.Navigate(url=url)), driving.ended):
            assert (await fails(each)).reason_name == "BROWSER_CRASHED"
        monkeypatch.undo()
        async with browser.drive(wait=Duration(seconds=30)) as next_one:
            assert (await next_one.goto(url)).tab.title == "Hang"


def has_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@contextlib.asynccontextmanager
async def serving(folder: Path, temporary: Path) -> AsyncIterator[ServiceProcess]:
    """A browser service as a process of its own, which serves."""
    settings = {"MESHWRIGHT_BROWSER_WARM": "1", "MESHWRIGHT_EGRESS_ALLOW": "127.0.0.1", "TMPDIR": str(temporary)}
    async with service_process("browser", folder, **settings) as running:
        await running.reports(serving=True)
        yield running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
async def test_no_process_and_no_file_outlives_the_service(tmp_path: Path, site: Site, number: signal.Signals) -> None:
    url = site.page("/outlive", "<script>setTimeout(() => { while (true); }, 100)</script>")
    temporary = tmp_path / "t"
    temporary.mkdir()
    async with serving(tmp_path, temporary) as running, open_channel(Address.parse(running.address)) as channel:
        driving = Driving(BrowserServiceStub(channel))
        await driving.start()
        await driving.goto(url)
        await driving.send(snapshot=pb.Snapshot())
        everyone = family(psutil.Process(running.process.pid))
        assert len(everyone) > 4
        running.process.send_signal(number)
        assert await running.end() == (-number if number == signal.SIGKILL else 0)
        await eventually(lambda: all(map(has_ended, everyone)))
    left = list(temporary.iterdir())
    if number == signal.SIGKILL:
        # Only a killed service leaves its folder, and the next one removes it.
        assert left
        async with serving(tmp_path, temporary) as again:
            await eventually(lambda: not any(path.exists() for path in left))
            again.process.terminate()
            assert await again.end() == 0
    assert list(temporary.iterdir()) == []


def begun(service: psutil.Process, temporary: Path, moment: str) -> bool:
    """Whether its start has come so far."""
    commands = [" ".join(command_line(each)) for each in service.children(recursive=True)]
    return any(temporary.iterdir()) if moment == "a folder" else any(moment in command for command in commands)


@pytest.mark.parametrize("moment", ["a folder", "run-driver", "--remote-debugging-pipe"])
async def test_nothing_outlives_a_service_that_is_stopped_while_it_starts(tmp_path: Path, moment: str) -> None:
    temporary = tmp_path / "t"
    temporary.mkdir()
    async with service_process("browser", tmp_path, TMPDIR=str(temporary)) as running:
        service = psutil.Process(running.process.pid)
        await eventually(lambda: begun(service, temporary, moment))
        everyone = family(service)
        running.process.terminate()
        assert await running.end() == 0, running.said
    await eventually(lambda: all(map(has_ended, everyone)))
    assert list(temporary.iterdir()) == []


def told_to_go(driving: Driving) -> bool:
    return any(frame.HasField("going_away") for frame in driving.frames)


async def test_a_service_that_drains_tells_its_streams(site: Site) -> None:
    async with browser_client(stop_grace=2.0) as (browser, server):
        going, staying = Driving(browser.stub), Driving(browser.stub)
        for driving in (going, staying):
            await driving.start()
        stopping = asyncio.create_task(server.stop())
        await eventually(lambda: all(told_to_go(driving) for driving in (going, staying)))
        assert (await going.goto(site.page("/drain", "<h1>Still</h1>"))).navigation.http_status == 200
        await going.close()
        error = await fails(staying.ended)
        assert (error.reason_name, error.metadata) == ("UNAVAILABLE", {"service": "meshwright.v1.BrowserService"})
        await stopping


async def test_a_browser_that_does_not_start_is_said_so(tmp_path: Path) -> None:
    broken = tmp_path / "chrome"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    for path, expected in ((str(broken), "does not start"), (str(tmp_path / "none"), "MESHWRIGHT_CHROMIUM")):
        with pytest.raises(Exception, match=expected) as raised:
            async with browser_client(chromium=path):
                pass
        assert type(raised.value).__name__ == "StartupError"
