"""The chart, installed in the cluster with what it needs around it: a Redis, a volume and a scripted model on the machine itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.kubernetes.machine import HOST
from tests.kubernetes.program import Program, free_port
from tests.support.previous_version import ROOT

if TYPE_CHECKING:
    from tests.kubernetes.cluster import Cluster
    from tests.kubernetes.versions import Version

NAME = "mesh"
SECONDS = "240s"
GONE_SECONDS = 120.0
KINDS = (
    "deployments,statefulsets,replicasets,pods,services,endpointslices,horizontalpodautoscalers,poddisruptionbudgets,networkpolicies,"
    "configmaps,secrets,serviceaccounts,roles,rolebindings,persistentvolumeclaims,validatingadmissionpolicies,"
    "validatingadmissionpolicybindings"
)


def redis_program() -> Path:
    """This machine's Redis or Valkey."""
    return Path(shutil.which("redis-server") or shutil.which("valkey-server") or "redis-server")


class Release:
    """One release of the chart, at the address `address` once it is installed."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.address = ""
        self.model_port = free_port(HOST)
        self._folder = folder
        self._redis: Program | None = None
        self.redis_port = free_port(HOST)

    def prepare(self) -> None:
        """Make what the chart leaves to the cluster: the volume's storage, Redis, the secret of the model's key."""
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
        command = [str(redis_program()), "--bind", HOST, "--port", str(self.redis_port), "--protected-mode", "no"]
        self._redis = Program("redis", [*command, "--dir", str(self._folder)], self._folder)

    def close(self) -> None:
        """End what `prepare` started."""
        if self._redis is not None:
            self._redis.stop()

    def install(self, version: Version, *words: str) -> float:
        """`helm install`; how many seconds it took until everything was ready."""
        seconds = self._helm("install", NAME, str(version.chart), *self._values(version), *words)
        service = self.cluster.get("service", f"{NAME}-gateway")["spec"]
        self.address = f"{service['clusterIP']}:{service['ports'][0]['port']}"
        return seconds

    def upgrade(self, version: Version, *words: str) -> float:
        """`helm upgrade` to the chart and the images of a version; how many seconds it took."""
        return self._helm("upgrade", NAME, str(version.chart), *self._values(version), *words)

    def rollback(self) -> float:
        """`helm rollback` to the revision before; how many seconds it took."""
        return self._helm("rollback", NAME)

    def uninstall(self) -> float:
        """`helm uninstall`; how many seconds it took until nothing was left but people's files and the pod of `helm test` with its log."""
        began = time.monotonic()
        self._helm("uninstall", NAME)
        kept = {f"PersistentVolumeClaim/{NAME}-files", f"Pod/{NAME}-test"}
        what = "nothing of the release is left but its files"
        self.cluster.wait_until(lambda: set(self.objects()) <= kept, GONE_SECONDS, what)
        return time.monotonic() - began

    def objects(self) -> list[str]:
        """All objects of the release, and what Kubernetes made of them."""
        found = self.cluster.get(KINDS, f"--selector=app.kubernetes.io/instance={NAME}")["items"]
        found += self.cluster.get("secrets", "--selector=owner=helm")["items"]
        return [f"{each['kind']}/{each['metadata']['name']}" for each in found]

    def pods(self, component: str) -> list[dict[str, Any]]:
        """The pods of a component that are not about to go."""
        found = self.cluster.get("pods", f"--selector=app.kubernetes.io/component={component}")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def ready(self, component: str) -> int:
        """How many of them are ready."""
        conditions = [each for pod in self.pods(component) for each in pod["status"].get("conditions", [])]
        return sum(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    def names(self, *components: str) -> set[str]:
        """The pods of components by name."""
        return {pod["metadata"]["name"] for component in components for pod in self.pods(component)}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The command line of this checkout, with the release as its mesh."""
        return self.command(*words, "--address", self.address)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The command line of this checkout, with the rights of an operator of the cluster."""
        return subprocess.run(
            [str(ROOT / ".venv/bin/meshwright"), *words],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            env=os.environ | {"KUBECONFIG": str(self.cluster.control_plane.kubeconfig)},
        )

    def _values(self, version: Version) -> list[str]:
        sets = {
            "image.tag": version.tag,
            "browser.image.tag": version.tag,
            "redis.url": f"redis://{HOST}:{self.redis_port}/0",
            "redis.port": self.redis_port,
            "model.openaiBaseUrl": f"http://{HOST}:{self.model_port}/v1",
        }
        files = [f"--values={file}" for file in version.values]
        return [*files, *(f"--set-json={key}={json.dumps(value)}" for key, value in sets.items())]

    def _helm(self, *words: str) -> float:
        began = time.monotonic()
        self.cluster.helm(*words, "--wait", f"--timeout={SECONDS}")
        return time.monotonic() - began
