"""etcd, kube-apiserver, kube-controller-manager and kube-scheduler: real ones, quick to react."""

from __future__ import annotations

import json
import secrets
import ssl
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.kubernetes.program import Program, free_port

if TYPE_CHECKING:
    from pathlib import Path

START_SECONDS = 120.0
SERVICES = "10.96.0.0/16"
SERVICE = "10.96.0.1"
"""Of the API itself, as Kubernetes gives it the first one."""
PORT = 6443
"""That of most clusters: policies see it, and not the Service's."""


class ControlPlane:
    """A control plane that listens on `host`, an address of this machine that is not loopback: services refuse those as endpoints."""

    def __init__(self, tools: Path, folder: Path, host: str) -> None:
        self._tools = tools
        self._folder = folder
        self._host = host
        self._programs: list[Program] = []
        self._token = secrets.token_urlsafe(24)
        self.url = ""
        self.kubeconfig = folder / "kubeconfig.json"

    def start(self) -> None:
        """Start all and wait until the API answers and the default service account is there."""
        self.url = f"https://{self._host}:{PORT}"
        self._write_files()
        etcd = f"http://127.0.0.1:{free_port('127.0.0.1')}"
        peer = f"http://127.0.0.1:{free_port('127.0.0.1')}"
        self._run(
            "etcd",
            data_dir=self._folder / "etcd",
            listen_client_urls=etcd,
            advertise_client_urls=etcd,
            listen_peer_urls=peer,
            initial_advertise_peer_urls=peer,
            initial_cluster=f"default={peer}",
            unsafe_no_fsync="true",
        )
        server = self._run(
            "kube-apiserver",
            etcd_servers=etcd,
            bind_address=self._host,
            advertise_address=self._host,
            secure_port=PORT,
            cert_dir=self._folder / "certificates",
            service_cluster_ip_range=SERVICES,
            service_account_issuer="https://kubernetes.default.svc",
            service_account_key_file=self._folder / "accounts.key",
            service_account_signing_key_file=self._folder / "accounts.key",
            authorization_mode="RBAC",
            token_auth_file=self._folder / "tokens.csv",
            allow_privileged="true",
            enable_aggregator_routing="true",
            kubelet_preferred_address_types="InternalIP",
        )
        server.wait_until(self._ready, START_SECONDS)
        self._run(
            "kube-controller-manager",
            kubeconfig=self.kubeconfig,
            service_account_private_key_file=self._folder / "accounts.key",
            root_ca_file=self._folder / "certificates" / "apiserver.crt",
            leader_elect="false",
            # Scaling that takes minutes for good reasons takes seconds here.
            horizontal_pod_autoscaler_sync_period="2s",
            horizontal_pod_autoscaler_downscale_stabilization="5s",
            horizontal_pod_autoscaler_initial_readiness_delay="1s",
            horizontal_pod_autoscaler_cpu_initialization_period="1s",
            bind_address="127.0.0.1",
            secure_port=free_port("127.0.0.1"),
        )
        self._run(
            "kube-scheduler",
            kubeconfig=self.kubeconfig,
            leader_elect="false",
            bind_address="127.0.0.1",
            secure_port=free_port("127.0.0.1"),
        )

    def stop(self) -> None:
        """End all, the last first."""
        for program in reversed(self._programs):
            program.stop()

    def _run(self, name: str, **flags: object) -> Program:
        options = [f"--{flag.replace('_', '-')}={value}" for flag, value in flags.items()]
        program = Program(name, [str(self._tools / name), *options], self._folder)
        self._programs.append(program)
        return program

    def _ready(self) -> bool:
        request = urllib.request.Request(f"{self.url}/readyz", headers={"Authorization": f"Bearer {self._token}"})
        unverified = ssl._create_unverified_context()  # noqa: S323  # the server has just signed its certificate itself
        try:
            with urllib.request.urlopen(request, timeout=2, context=unverified) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return False

    def _write_files(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        (self._folder / "accounts.key").write_bytes(pem)
        (self._folder / "tokens.csv").write_text(f'{self._token},admin,admin,"system:masters"\n')
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": self.url, "insecure-skip-tls-verify": True}}],
            "users": [{"name": "admin", "user": {"token": self._token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        }
        self.kubeconfig.write_text(json.dumps(config))
