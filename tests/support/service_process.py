"""One service as a process of its own, as an operator runs it: what it says of its health, what it logs, how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from meshwright.serving.health import LIVE
from tests.support.mesh_process import clean_environment
from tests.support.own_words import while_it_runs, within

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator
    from pathlib import Path

LIMIT = 60.0


class ServiceProcess:
    """A running service on a Unix socket."""

    def __init__(self, process: Process, address: str, log: Path) -> None:
        self.process = process
        self.address = address
        self._log = log

    @property
    def said(self) -> str:
        """Everything that it printed."""
        return self._log.read_text()

    async def says(self, text: str) -> None:
        """Wait until it has printed this."""
        async with within(LIMIT, lambda: self.said):
            while text not in self.said:
                assert self.process.returncode is None, self.said
                await asyncio.sleep(0.01)

    async def reports(self, *, serving: bool, service: str = "") -> None:
        """Wait until it says so of its health."""
        wanted = HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING
        await while_it_runs(self.process, self._reports(wanted, service), LIMIT, lambda: self.said)

    async def _reports(self, wanted: int, service: str) -> None:
        async with grpc.aio.insecure_channel(self.address) as channel:
            watch = HealthStub(channel).Watch(HealthCheckRequest(service=service), wait_for_ready=True)  # type: ignore[attr-defined]  # not in types-grpcio-health-checking
            async for answer in watch:
                if answer.status == wanted:
                    watch.cancel()
                    return

    async def lives(self) -> bool:
        """What a probe that ends stuck processes is told."""
        async with grpc.aio.insecure_channel(self.address) as channel:
            answer = await HealthStub(channel).Check(HealthCheckRequest(service=LIVE), timeout=LIMIT)  # type: ignore[attr-defined]  # not in types-grpcio-health-checking
        return bool(answer.status == HealthCheckResponse.SERVING)

    async def end(self) -> int:
        """Wait until it ends by itself; its exit code."""
        async with within(LIMIT, lambda: self.said):
            return await self.process.wait()


@contextlib.asynccontextmanager
async def service_process(service: str, folder: Path, **settings: str) -> AsyncIterator[ServiceProcess]:
    """The service, started and not waited for; it is told to stop at the end, if it still runs."""
    socket, log = folder / f"{service}.sock", folder / f"{service}.log"
    environment = clean_environment(
        MESHWRIGHT_DATA_DIR=str(folder / "data"),
        MESHWRIGHT_LISTEN=f"unix:{socket}",
        MESHWRIGHT_STOP_GRACE="0.2",
        MESHWRIGHT_MODEL="offline",
        **{
            f"MESHWRIGHT_{it.upper()}_ADDRESS": f"unix:{folder / it}.sock"
            for it in ("agent", "tools", "browser", "site")
        },
        MESHWRIGHT_PORT="0",
        **settings,
    )
    with log.open("wb") as printed:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "meshwright.cli.serve", service), env=environment, stdout=printed, stderr=printed
        )
    try:
        yield ServiceProcess(process, f"unix:{socket}", log)
    finally:
        if process.returncode is None:
            process.terminate()
            async with asyncio.timeout(LIMIT):
                await process.wait()
