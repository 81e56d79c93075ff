"""In a cluster each browser pod carries its leases as the cost of deleting it."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from meshwright.browser.metrics import LEASED
from meshwright.deletion_cost import costs, leases
from meshwright.deletion_cost.run import run_deletion_cost
from meshwright.deletion_cost.settings import DeletionCostSettings
from meshwright.serving.address import Address
from meshwright.serving.metrics import Metrics
from meshwright.serving.metrics_endpoint import served
from meshwright.serving.startup import StartupError
from meshwright.v1.browser_service_pb2 import AcquireLeaseRequest, ReleaseLeaseRequest
from tests.support.browser_pods_api import LIMIT, SERVICE, BrowserPodsApi, browser_pods_api
from tests.support.kubernetes_api import NAMESPACE
from tests.support.mesh_process import clean_environment
from tests.support.scraper import metrics_address
from tests.support.tool_mesh import browser_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
    from pathlib import Path

COMPLAINT, CURED = (
    "browser pods are not all told apart by their leases",
    "browser pods are told apart by their leases again",
)
REFUSAL = "ValidatingAdmissionPolicy denied request: No other annotation may change."
ANYWHERE = Address("127.0.0.1", 0)


@pytest.fixture
async def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[BrowserPodsApi]:
    async with browser_pods_api(tmp_path) as api:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(api.port))
        yield api


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "said"


@contextlib.asynccontextmanager
async def telling(api: BrowserPodsApi, mark: Path) -> AsyncIterator[asyncio.Task[None]]:
    """The process at work."""
    settings = DeletionCostSettings.load(
        deletion_cost_service=f"{NAMESPACE}/{SERVICE}", deletion_cost_interval=0.05, deletion_cost_mark=mark
    )
    task = asyncio.create_task(run_deletion_cost(settings, api.account))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.contextmanager
def pod(api: BrowserPodsApi, name: str, held: int = 0, **conditions: bool) -> Iterator[Any]:
    """A pod that tells its leases as the browser service does; `set` on what it gives changes them."""
    metrics = Metrics()
    gauge = metrics.gauge(LEASED)
    gauge.set(held)
    with served(metrics, ANYWHERE) as address:
        api.add(name, address, **conditions)
        yield gauge


def said(logs: list[MutableMapping[str, Any]], *events: str) -> list[str]:
    """The causes of these events, or the events themselves, in turn."""
    return [it.get("cause", it["event"]) for it in logs if it["event"] in events]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what has nothing to await."""
    async with asyncio.timeout(LIMIT):
        while not condition():  # noqa: ASYNC110  # logs and files just lie there
            await asyncio.sleep(0.005)


async def test_the_leases_of_a_browser_service_are_its_pods_cost(
    api: BrowserPodsApi, mark: Path, tmp_path: Path
) -> None:
    async with browser_server(tmp_path, metrics_address=str(ANYWHERE), browser_capacity=2) as browsers:
        api.add("one", metrics_address())
        api.costs["one"] = "7"
        async with telling(api, mark):
            await api.becomes(one=None)
            lease = (await browsers.AcquireLease(AcquireLeaseRequest())).lease
            await api.becomes(one="1")
            await browsers.ReleaseLease(ReleaseLeaseRequest(lease_id=lease.lease_id))
            await api.becomes(one=None)
            await until(mark.exists)


async def test_each_pod_has_its_own_cost_and_nothing_is_said_twice(api: BrowserPodsApi, mark: Path) -> None:
    with pod(api, "idle"), pod(api, "busy", 3) as busy, pod(api, "full", 8) as full:
        async with telling(api, mark):
            await api.becomes(busy="3", full="8")
            full.set(7)
            await api.looked(3)
            busy.set(0)
            await api.becomes(busy=None)
            await api.looked(3)
    assert api.costs == {"idle": None, "busy": None, "full": "8"}
    assert sorted(api.patches[:3], key=str) == [("busy", "3"), ("full", "8"), ("idle", None)]
    assert api.patches[3:] == [("busy", None)]


async def test_what_others_change_and_another_number_of_leases_are_made_good_later(
    api: BrowserPodsApi, mark: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs, "REPEAT_SECONDS", 0.2)
    with pod(api, "one"), pod(api, "two", 2) as two:
        async with telling(api, mark):
            await api.becomes(two="2")
            api.costs["one"] = "-5"
            two.set(5)
            await api.becomes(one=None, two="5")


async def test_pods_that_are_not_ready_or_about_to_go_are_left_alone(api: BrowserPodsApi, mark: Path) -> None:
    with (
        pod(api, "starting", 1, serving=False),
        pod(api, "leaving", 1, terminating=True),
        pod(api, "serving", 1),
    ):
        async with telling(api, mark):
            await api.becomes(serving="1")
            await api.looked(3)
    assert api.patches == [("serving", "1")]


async def test_a_pod_that_has_just_gone_is_no_news(api: BrowserPodsApi, mark: Path) -> None:
    with capture_logs() as logs, pod(api, "gone", 2), pod(api, "here", 1):
        api.remove("gone", slice_too=False)
        async with telling(api, mark):
            await api.becomes(here="1")
            await api.looked(3)
            await until(mark.exists)
    assert not said(logs, COMPLAINT)


async def test_a_pod_that_does_not_answer_keeps_its_cost_and_keeps_nobody_else_from_theirs(
    api: BrowserPodsApi, mark: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "ANSWER_SECONDS", 0.2)
    async with in_silence() as silent:
        api.add("silent", silent)
        api.costs["silent"] = "4"
        with capture_logs() as logs, pod(api, "other", 2):
            async with telling(api, mark):
                await api.becomes(other="2", silent="4")
                await until(lambda: bool(said(logs, COMPLAINT)) and not mark.exists())
                await api.looked(3)
                api.remove("silent")
                await until(mark.exists)
    (complaint, cured) = said(logs, COMPLAINT, CURED)
    assert complaint == "pods do not say how many leases they hold, and keep the cost that they have: silent"
    assert cured == CURED


@contextlib.asynccontextmanager
async def in_silence() -> AsyncIterator[Address]:
    """Somebody who listens and never answers."""

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(LIMIT)
        writer.close()

    async with raw(hold) as address:
        yield address


@contextlib.asynccontextmanager
async def raw(handler: Any) -> AsyncIterator[Address]:
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(handler(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield Address("127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


FIGURE = b"meshwright_browser_leased 3\n"
OK = b"HTTP/1.1 200 OK\r\n\r\n"
ENDLESS = OK + b"# nothing\n" * 1000
LATE = OK + b"# nothing\n" * 2000 + FIGURE
PACKED = OK.replace(b"OK\r\n", b"OK\r\nContent-Encoding: gzip\r\n") + gzip.compress(FIGURE)
MISSING = b"HTTP/1.1 404 Not Found\r\n\r\n" + FIGURE
ELSEWHERE = b"HTTP/1.1 302 Found\r\nLocation: http://%s/metrics\r\n\r\n"
ODD = {
    "endless": ENDLESS,
    "late": LATE,
    "packed": PACKED,
    "missing": MISSING,
    "elsewhere": ELSEWHERE,
    "nonsense": b"?\r\n\r\n",
}


@pytest.mark.parametrize("answer", ODD.values(), ids=ODD.keys())
async def test_a_pod_that_answers_something_else_is_not_believed(
    api: BrowserPodsApi, mark: Path, answer: bytes
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            writer.write(answer.replace(b"%s", str(api.address_of("other")).encode()))
            while answer is ENDLESS:
                writer.write(answer)
                await writer.drain()
        writer.close()

    async with raw(talk) as address:
        with capture_logs() as logs, pod(api, "other", 2):
            api.add("odd", address)
            async with telling(api, mark):
                await api.becomes(other="2")
                await until(lambda: bool(said(logs, COMPLAINT)))
    assert [name for name, _ in api.patches] == ["other"]


async def test_an_api_server_that_is_away_is_told_of_once_and_asked_again(api: BrowserPodsApi, mark: Path) -> None:
    with capture_logs() as logs, pod(api, "one", 1) as one:
        async with telling(api, mark):
            await api.becomes(one="1")
            await api.stop()
            await until(lambda: bool(said(logs, COMPLAINT)) and not mark.exists())
            one.set(0)
            await api.start()
            await api.becomes(one=None)
            await until(mark.exists)
    (complaint, cured) = said(logs, COMPLAINT, CURED)
    assert complaint.startswith("the pods are not known: ")
    assert cured == CURED


async def test_what_the_policy_refuses_is_told_once_in_its_words_and_tried_again(
    api: BrowserPodsApi, mark: Path
) -> None:
    api.refusal = REFUSAL
    with capture_logs() as logs, pod(api, "one", 1), pod(api, "two"):
        async with telling(api, mark):
            await api.patched(6)
            await until(lambda: not mark.exists())
            api.refusal = ""
            await api.becomes(one="1")
            await until(mark.exists)
    assert said(logs, COMPLAINT) == [f"pods cannot be given a cost: {REFUSAL}"]


async def test_a_token_that_the_kubelet_renews_is_taken_up(api: BrowserPodsApi, mark: Path) -> None:
    with pod(api, "one", 1) as one:
        async with telling(api, mark):
            await api.becomes(one="1")
            api.rotate("second")
            one.set(0)
            await api.becomes(one=None)


async def test_told_to_stop_it_stops_and_leaves_the_costs(api: BrowserPodsApi, mark: Path) -> None:
    with pod(api, "one", 1):
        async with telling(api, mark) as process:
            await api.becomes(one="1")
            os.kill(os.getpid(), signal.SIGTERM)
            async with asyncio.timeout(LIMIT):
                await process
    assert api.costs == {"one": "1"}


async def test_without_a_service_it_says_what_to_set() -> None:
    with pytest.raises(StartupError, match=r"MESHWRIGHT_DELETION_COST_SERVICE.*browser\.deletionCost\.enabled=true"):
        await run_deletion_cost(DeletionCostSettings.load())


async def test_outside_of_a_pod_it_does_not_start() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "meshwright.cli.serve", "deletion-cost"),
        env=clean_environment(MESHWRIGHT_DELETION_COST_SERVICE=f"{NAMESPACE}/{SERVICE}"),
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(LIMIT):
        _, error = await process.communicate()
    assert (process.returncode, b"from a pod of their cluster only" in error) == (2, True)
