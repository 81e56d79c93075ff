"""The chart, installed in the cluster with what it needs around it: a Redis, a volume and a scripted model on the machine itself."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.kubernetes.docker import ROOT
from tests.kubernetes.node import HOST
from tests.kubernetes.program import Program, free_port

if TYPE_CHECKING:
    from tests.kubernetes.cluster import Cluster

CHART = ROOT / "helm" / "meshwright"
VALUES = Path(__file__).with_name("values.yaml")
NAME = "mesh"
SECONDS = "240s"


class Release:
    """One release of the chart, at the address `address` once it is installed."""

    def __init__(self, cluster: Cluster, folder: Path, tag: str) -> None:
        self.cluster = cluster
        self.address = ""
        self.model_port = free_port(HOST)
        self._tag = tag
        self._folder = folder
        self._redis: Program | None = None
        self._redis_port = free_port(HOST)

    def prepare(self) -> None:
        """Make what the chart leaves to the cluster: the volume's storage, Redis, the secret of the model's key."""
        command = ["redis-server", "--bind", HOST, "--port", str(self._redis_port), "--protected-mode", "no"]
        self._redis = Program("redis", [*command, "--dir", str(self._folder)], self._folder)
        files = self._folder / "files"
        files.mkdir()
        files.chmod(0o777)
        self.cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": "files"},
                "spec": {
                    "capacity": {"storage": "10Gi"},
                    "accessModes": ["ReadWriteMany"],
                    "hostPath": {"path": str(files)},
                    "storageClassName": "",
                },
            },
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "model-keys"},
                "stringData": {"OPENAI_API_KEY": "scripted"},
            },
        )

    def close(self) -> None:
        """End what `prepare` started."""
        if self._redis is not None:
            self._redis.stop()

    def install(self) -> float:
        """`helm install`; how many seconds it took until everything was ready."""
        return self._helm("install", NAME, str(CHART), *self._values(self._tag))

    def upgrade(self, tag: str, *words: str) -> float:
        """`helm upgrade` to images with this tag; how many seconds it took."""
        return self._helm("upgrade", NAME, str(CHART), *self._values(tag), *words)

    def rollback(self) -> float:
        """`helm rollback`; how many seconds it took."""
        return self._helm("rollback", NAME)

    def uninstall(self) -> float:
        """`helm uninstall`; how many seconds it took."""
        return self._helm("uninstall", NAME)

    def pods(self, component: str) -> list[dict[str, Any]]:
        """The pods of a component that are not about to go."""
        found = self.cluster.get("pods", f"--selector=app.kubernetes.io/component={component}")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The command line of this checkout, with the release as its mesh."""
        command = [str(ROOT / ".venv/bin/meshwright"), *words, "--address", self.address]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)

    def _values(self, tag: str) -> list[str]:
        sets = {
            "image.tag": tag,
            "browser.image.tag": tag,
            "redis.url": f"redis://{HOST}:{self._redis_port}/0",
            "redis.port": self._redis_port,
            "model.openaiBaseUrl": f"http://{HOST}:{self.model_port}/v1",
        }
        return [f"--values={VALUES}", *(f"--set-json={key}={json.dumps(value)}" for key, value in sets.items())]

    def _helm(self, *words: str) -> float:
        began = time.monotonic()
        self.cluster.helm(*words, "--wait", f"--timeout={SECONDS}")
        if words[0] == "install":
            service = self.cluster.get("service", f"{NAME}-gateway")["spec"]
            self.address = f"{service['clusterIP']}:{service['ports'][0]['port']}"
        return time.monotonic() - began
