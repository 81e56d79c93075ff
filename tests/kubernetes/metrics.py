"""The metrics API of a cluster, whose figures the test sets: what the autoscaler believes of the pods' work."""

from __future__ import annotations

import json
import ssl
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tests.kubernetes.node import HOST

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kubernetes.cluster import Cluster

GROUP = "metrics.k8s.io"
NAMESPACE = "kube-system"
RESOURCES = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": f"{GROUP}/v1beta1",
    "resources": [
        {"name": "pods", "singularName": "", "namespaced": True, "kind": "PodMetrics", "verbs": ["get", "list"]}
    ],
}


class Metrics:
    """Serves `metrics.k8s.io` to the cluster: every pod uses `share` of the CPU that it asked for."""

    def __init__(self, cluster: Cluster, certificate: Path, key: Path) -> None:
        self.share = 0.0
        self._cluster = cluster
        self._server = ThreadingHTTPServer((HOST, 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._serving = threading.Thread(target=self._server.serve_forever, daemon=True)

    def start(self) -> None:
        """Serve, and register with the API server."""
        self._serving.start()
        meta = {"name": "metrics", "namespace": NAMESPACE}
        port = self._server.server_address[1]
        self._cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": meta,
                "spec": {"ports": [{"port": 443, "targetPort": port}]},
            },
            {
                "apiVersion": "v1",
                "kind": "Endpoints",
                "metadata": meta,
                "subsets": [{"addresses": [{"ip": HOST}], "ports": [{"port": port}]}],
            },
            {
                "apiVersion": "apiregistration.k8s.io/v1",
                "kind": "APIService",
                "metadata": {"name": f"v1beta1.{GROUP}"},
                "spec": {
                    "group": GROUP,
                    "version": "v1beta1",
                    "groupPriorityMinimum": 100,
                    "versionPriority": 100,
                    "insecureSkipTLSVerify": True,
                    "service": meta,
                },
            },
        )

    def stop(self) -> None:
        """End serving."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        metrics = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(metrics._answer(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def _answer(self, path: str) -> dict[str, Any]:
        address = urlsplit(path)
        parts = address.path.strip("/").split("/")
        if "namespaces" not in parts:
            return RESOURCES
        selector = parse_qs(address.query).get("labelSelector", [""])[0]
        pods = self._cluster.get(
            "pods", f"--namespace={parts[parts.index('namespaces') + 1]}", f"--selector={selector}"
        )
        return {
            "kind": "PodMetricsList",
            "apiVersion": f"{GROUP}/v1beta1",
            "metadata": {},
            "items": [self._usage(pod) for pod in pods["items"]],
        }

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
