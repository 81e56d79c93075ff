"""`external.metrics.k8s.io`, as an adapter of Prometheus serves it: real figures of the pods behind a service, summed."""

from __future__ import annotations

import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.kubernetes.metrics_api import MetricsApi

METRIC = "meshwright_browser_utilization_ratio"
PORT = 9464
SECONDS = 2.0


def figure(address: str, name: str) -> float:
    """A figure without labels of the pod at an address; 0 where it does not answer any more."""
    try:
        with urllib.request.urlopen(f"http://{address}:{PORT}/metrics", timeout=SECONDS) as answer:
            text = answer.read().decode()
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return 0.0
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return sum(sample.value for sample in samples if sample.name == name)


class ExternalMetrics(MetricsApi):
    """Serves METRIC for the service that its label `service` names."""

    group = "external.metrics.k8s.io"
    resource = {"name": METRIC, "kind": "ExternalMetricValueList"}

    def answer(self, namespace: str, selector: str) -> dict[str, Any]:
        """The sum over all pods of the service."""
        labels = dict(label.split("=") for label in selector.split(","))
        assert labels["namespace"] == namespace
        slices = self._cluster.get(
            "endpointslices", f"--namespace={namespace}", f"--selector=kubernetes.io/service-name={labels['service']}"
        )["items"]
        addresses = [address for each in slices for pod in each["endpoints"] or [] for address in pod["addresses"]]
        value = sum(figure(address, METRIC) for address in addresses)
        time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        item = {"metricName": METRIC, "metricLabels": labels, "timestamp": time, "value": f"{round(1000 * value)}m"}
        return {"kind": "ExternalMetricValueList", "items": [item]}
