"""A whole cluster of one real node, made from nothing and removed without a trace."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.image import image_of
from tests.kubernetes.machine import FORWARDING, HOST, network_down, network_up
from tests.kubernetes.node import NAME, PAUSE, Node
from tests.kubernetes.tools import TOOLS, build

if TYPE_CHECKING:
    from collections.abc import Callable

COMMAND_SECONDS = 300.0
READY_SECONDS = 90.0
TAIL = 20
"""Lines of each pod that a failed test tells."""


class Cluster:
    """Runs while the context is entered."""

    def __init__(self) -> None:
        self._tools = {tool.name: build(tool) for tool in TOOLS}
        self._forwarded = FORWARDING.read_text()
        # Not in that of the run, which the next one may remove: file systems are mounted here.
        self._folder = Path(tempfile.mkdtemp(prefix="mw-cluster-", dir="/tmp"))
        folder = next(iter(self._tools.values())).parent
        self.control_plane = ControlPlane(folder, self._folder, HOST)
        self.node = Node(folder, self._folder, self.control_plane)

    def __enter__(self) -> Self:
        try:
            network_up()
            self.control_plane.start()
            self.node.start(image_of(self._tools["pause"], PAUSE, self._folder / "pause.tar"))
            self.wait_until(self._node_ready, READY_SECONDS, "the node is Ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.node.stop()
        self.control_plane.stop()
        network_down()
        FORWARDING.write_text(self._forwarded)
        shutil.rmtree(self._folder, ignore_errors=True)

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """Run kubectl; what it printed."""
        return self._run("kubectl", *words, stdin=stdin)

    def helm(self, *words: str) -> str:
        """Run helm; what it printed."""
        return self._run("helm", *words)

    def get(self, kind: str, *words: str) -> Any:
        """Objects of the API, as kubectl's JSON."""
        return json.loads(self.kubectl("get", kind, *words, "--output=json"))

    def story(self) -> str:
        """What became of the pods: their states, what happened to them, and the last lines of each."""
        listed = self.kubectl("get", "pods", "--output=wide")
        events = self.kubectl("get", "events", "--sort-by=.lastTimestamp").splitlines()[-30:]
        logs = [
            self.kubectl("logs", pod["metadata"]["name"], "--all-containers", "--prefix", f"--tail={TAIL}")
            for pod in self.get("pods")["items"]
            if any(status.get("started") for status in pod["status"].get("containerStatuses", []))
        ]
        return "\n".join([listed, *events, *logs])

    def may(self, who: str, verb: str, what: str, part: str = "") -> str:
        """Whether somebody may do something: `yes` or `no`. `what` is a kind or an object, `part` a part of it as `exec` is of pods."""
        # It exits with 1 where the answer is no.
        asked = self._call("kubectl", "auth", "can-i", verb, what, f"--subresource={part}", f"--as={who}", stdin=None)
        return asked.stdout.strip()

    def apply(self, *objects: dict[str, Any]) -> None:
        """Make or change objects."""
        self.kubectl("apply", "--filename=-", stdin="\n".join(json.dumps(each) for each in objects))

    def wait_until(self, condition: Callable[[], bool], seconds: float, what: str) -> float:
        """Wait until something is so; how many seconds it took."""
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < seconds, f"not after {seconds:g} s: {what}"
            time.sleep(0.2)
        return time.monotonic() - began

    def _run(self, program: str, *words: str, stdin: str | None = None) -> str:
        done = self._call(program, *words, stdin=stdin)
        assert done.returncode == 0, f"{program} {' '.join(words)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _call(self, program: str, *words: str, stdin: str | None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._tools[program], f"--kubeconfig={self.control_plane.kubeconfig}", *words],
            check=False,
            capture_output=True,
            text=True,
            input=stdin,
            timeout=COMMAND_SECONDS,
            env={"HOME": str(self._folder), "PATH": "/usr/bin:/bin"},
        )

    def _node_ready(self) -> bool:
        nodes = self.get("nodes")["items"]
        return any(
            node["metadata"]["name"] == NAME
            and any(each["type"] == "Ready" and each["status"] == "True" for each in node["status"]["conditions"])
            for node in nodes
        )
