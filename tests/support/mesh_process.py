"""A whole mesh, started by `meshwright up` as a person starts it, and the processes it consists of."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import psutil

from tests.support.ports import reserved_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MESHWRIGHT = Path(sys.executable).with_name("meshwright")
"""The command as it is installed."""
SERVICES = ("gateway", "agent", "tools", "browser", "site")
READY_SECONDS = 60.0
STOP_SECONDS = 60.0
READY = re.compile(r"The mesh is ready at http://(localhost:\d+)")
# What a machine needs to work; keys of providers, proxies and settings of the developer's own mesh stay out.
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "LD_LIBRARY_PATH", "TMPDIR", "PLAYWRIGHT_BROWSERS_PATH")
MARK = "MESH_OF_THIS_TEST"
PAGES_OF_TESTS = "127.0.0.1"
"""Where they are, for browsers, which otherwise reach nothing of this machine but the mesh's own port."""


def clean_environment(**settings: str) -> dict[str, str]:
    """The environment of a person who has set nothing up."""
    return {name: os.environ[name] for name in KEPT if name in os.environ} | settings


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for something that has nothing to await; AssertionError when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.02)


class MeshProcess:
    """`meshwright up` on a free port, with its data in `folder`. `settings` are added to a clean environment.

    `temporary` is the system's temporary folder for it; its path is short, because those of sockets are.
    """

    def __init__(self, folder: Path, temporary: Path, **settings: str) -> None:
        self.data_dir = folder / "data"
        self.address = ""
        """`localhost:PORT`, once it is ready."""
        self._temporary = temporary
        self.environment = clean_environment(
            MESHWRIGHT_DATA_DIR=str(self.data_dir),
            MESHWRIGHT_LOG_FORMAT="json",
            TMPDIR=str(temporary),
            **{"MESHWRIGHT_PORT": "0", "MESHWRIGHT_EGRESS_ALLOW": PAGES_OF_TESTS, **settings},
        )
        self.environment[MARK] = self._mark = uuid4().hex
        self._output = folder / "up.txt"
        self._seen: set[psutil.Process] = set()

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://{self.address}"

    @property
    def port(self) -> int:
        """The one port that is open."""
        return int(self.address.partition(":")[2])

    @property
    def output(self) -> str:
        """What `meshwright up` has said so far."""
        return self._output.read_text() if self._output.exists() else ""

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [MESHWRIGHT, "up"], env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        with contextlib.suppress(AssertionError):
            wait_until(self._has_spoken, READY_SECONDS, "the mesh's being ready")
        ready = READY.search(self.output)
        assert ready, f"the mesh did not start:\n{self.output}\n{self.logs()}"
        self.address = ready[1]

    def service(self, name: str) -> psutil.Process:
        """The process of one service, of which there is one."""
        found = [p for p in psutil.Process(self.process.pid).children() if f"serve {name} " in _command(p)]
        assert len(found) == 1, f"{len(found)} processes serve {name}"
        return found[0]

    def kill_chromium(self) -> None:
        """`kill -9` the browser service's Chromium: the main process of each, which takes its children along."""
        family = self.service("browser").children(recursive=True)
        mains = [p for p in family if "--remote-debugging-pipe" in (c := _command(p)) and "--type=" not in c]
        assert mains, "no Chromium runs"
        for process in mains:
            process.kill()

    def kill_services(self, *names: str) -> None:
        """`kill -9` services at once and wait until they are back."""
        before = {name: self._times_ready(name) for name in names}
        for name in names:
            self.service(name).kill()
        for name in names:
            wait_until(lambda: self._times_ready(name) > before[name], READY_SECONDS, f"the restart of {name}")  # noqa: B023  # called at once

    def processes(self) -> list[psutil.Process]:
        """All that run: the descendants, those seen before, and whoever inherited this mesh's environment."""
        with contextlib.suppress(psutil.NoSuchProcess):
            up = psutil.Process(self.process.pid)
            self._seen |= {up, *up.children(recursive=True)}
        self._seen |= {process for process in psutil.process_iter() if self._is_marked(process)}
        return [process for process in self._seen if _runs(process)]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and wait for the end; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    def temporary_files(self) -> list[str]:
        """What it has put into the system's temporary folder."""
        return sorted(path.name for path in self._temporary.rglob("*"))

    def kill_what_is_left(self) -> None:
        """End everything, whatever state it is in."""
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(STOP_SECONDS)

    def log(self, service: str) -> list[dict[str, object]]:
        """The log of a service, line by line."""
        path = self.data_dir / "logs" / f"{service}.log"
        return [json.loads(line) for line in path.read_text().splitlines()]

    def logs(self) -> str:
        """All logs, for people."""
        return "\n".join(path.read_text(errors="replace") for path in (self.data_dir / "logs").glob("*.log"))

    def _has_spoken(self) -> bool:
        return "Ctrl-C stops it." in self.output or self.process.poll() is not None

    def _times_ready(self, name: str) -> int:
        return len(re.findall(rf"^{name} +ready", self.output, re.MULTILINE))

    def _is_marked(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(MARK) == self._mark
        except psutil.Error:
            return False


@contextlib.contextmanager
def mesh_process(folder: Path, **settings: str) -> Iterator[MeshProcess]:
    """A mesh that is ready. At the end nothing of it is left, and no service has logged an exception."""
    with tempfile.TemporaryDirectory(prefix="mw-") as temporary, reserved_port() as port:
        mesh = MeshProcess(folder, Path(temporary), **{"MESHWRIGHT_PORT": str(port), **settings})
        try:
            mesh.start()
            yield mesh
            if mesh.process.poll() is None:
                mesh.stop()
            defects = [line for line in mesh.logs().splitlines() if '"exception"' in line or "Traceback" in line]
            assert not defects, "\n".join(defects)
        finally:
            mesh.kill_what_is_left()


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
