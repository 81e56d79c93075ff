"""`metrics.k8s.io`, whose figures the test sets: what the autoscaler believes of the pods' work."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.kubernetes.metrics_api import MetricsApi


class PodMetrics(MetricsApi):
    """Every pod uses `share` of the CPU that it asked for."""

    group = "metrics.k8s.io"
    resource = {"name": "pods", "kind": "PodMetrics"}
    share = 0.0

    def answer(self, namespace: str, selector: str) -> dict[str, Any]:
        """The use of the pods."""
        pods = self._cluster.get("pods", f"--namespace={namespace}", f"--selector={selector}")
        return {"kind": "PodMetricsList", "items": [self._usage(pod) for pod in pods["items"]]}

    def _usage(self, pod: dict[str, Any]) -> dict[str, Any]:
        containers = [
            {"name": each["name"], "usage": {"cpu": f"{self._nanocores(each)}n", "memory": "64Mi"}}
            for each in pod["spec"]["containers"]
        ]
        time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"metadata": pod["metadata"], "timestamp": time, "window": "10s", "containers": containers}

    def _nanocores(self, container: dict[str, Any]) -> int:
        asked = container.get("resources", {}).get("requests", {}).get("cpu", "0")
        cores = float(asked[:-1]) / 1000 if asked.endswith("m") else float(asked)
        return int(cores * self.share * 1e9)
