"""An API of metrics that a test serves to the cluster, as metrics-server and adapters do."""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tests.kubernetes.machine import HOST

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kubernetes.cluster import Cluster

NAMESPACE = "kube-system"
VERSION = "v1beta1"


class MetricsApi:
    """Serves a group of the API. A subclass says which, what is in it, and what is answered."""

    group: str
    resource: dict[str, Any]
    """Its one resource, as discovery tells it."""

    def __init__(self, cluster: Cluster, certificate: Path, key: Path) -> None:
        self._cluster = cluster
        self._server = ThreadingHTTPServer((HOST, 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._serving = threading.Thread(target=self._server.serve_forever, daemon=True)

    def answer(self, namespace: str, selector: str) -> dict[str, Any]:
        """What is read in a namespace about the objects that a selector of labels means."""
        raise NotImplementedError

    def start(self) -> None:
        """Serve, and register with the API server."""
        self._serving.start()
        meta = {"name": self.group.replace(".", "-"), "namespace": NAMESPACE}
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
                "metadata": {"name": f"{VERSION}.{self.group}"},
                "spec": {
                    "group": self.group,
                    "version": VERSION,
                    "groupPriorityMinimum": 100,
                    "versionPriority": 100,
                    "insecureSkipTLSVerify": True,
                    "service": meta,
                },
            },
        )

    def stop(self) -> None:
        """End serving."""
        self._cluster.kubectl("delete", "apiservice", f"{VERSION}.{self.group}")
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(api._answer(self.path)).encode()
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
        version = f"{self.group}/{VERSION}"
        if "namespaces" not in parts:
            resources = [{"singularName": "", "namespaced": True, "verbs": ["get", "list"], **self.resource}]
            return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}
        selector = parse_qs(address.query).get("labelSelector", [""])[0]
        found = self.answer(parts[parts.index("namespaces") + 1], selector)
        return {"apiVersion": version, "metadata": {}, **found}
