"""What was measured on the way, printed while the tests run."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.kubernetes.cluster import Cluster

COMPONENT = "app.kubernetes.io/component"


def tell(what: str, seconds: float) -> None:
    """Print how long something took."""
    print(f"\n{what}: {seconds:.1f} s", flush=True)


def tell_of_containers(cluster: Cluster) -> None:
    """Print for each container how long it took from its start until it was ready, and the memory that it uses."""
    summary = json.loads(cluster.kubectl("get", "--raw", "/api/v1/nodes/node-1/proxy/stats/summary"))
    memory = {
        each["podRef"]["name"]: sum(one["memory"]["workingSetBytes"] for one in each["containers"])
        for each in summary["pods"]
        if all("workingSetBytes" in one.get("memory", {}) for one in each["containers"])
    }
    for pod in cluster.get("pods", f"--selector={COMPONENT}")["items"]:
        name = pod["metadata"]["name"]
        used = memory.get(name, 0) / 2**20
        print(f"{pod['metadata']['labels'][COMPONENT]}: ready after {_seconds(pod):.0f} s, {used:.0f} MiB", flush=True)


def _seconds(pod: dict[str, Any]) -> float:
    (status,) = pod["status"]["containerStatuses"]
    (ready,) = [each for each in pod["status"]["conditions"] if each["type"] == "Ready"]
    started = status["state"].get("running", {}).get("startedAt", ready["lastTransitionTime"])
    return (datetime.fromisoformat(ready["lastTransitionTime"]) - datetime.fromisoformat(started)).total_seconds()
