"""A Kubernetes API server as far as a pod that follows one ConfigMap meets it: TLS, tokens, rights, versions and watches."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.support.certificates import write_certificate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NAMESPACE, NAME = "agents", "mesh-traffic"
COLLECTION = f"/api/v1/namespaces/{NAMESPACE}/configmaps"


class KubernetesApi:
    """What it serves can be changed by the test; `asked` are the requests it has had."""

    def __init__(self, account: Path) -> None:
        self.account = account
        """The folder that a pod has its identity in."""
        self.asked: list[str] = []
        self.token = "first"
        self.port = 0
        self.data: dict[str, str] | None = None
        self._version = 100
        self._events: list[tuple[int, dict[str, Any]]] = []
        self._oldest = 0
        self._watching: dict[asyncio.Task[Any], asyncio.Event] = {}
        self._runner: web.AppRunner | None = None
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def prepare(self) -> None:
        """Write the pod's identity: token, authority and namespace."""
        self.account.mkdir()
        write_certificate(self.account / "ca.crt", self.account / "server.key")
        self._tls.load_cert_chain(self.account / "ca.crt", self.account / "server.key")
        (self.account / "namespace").write_text(NAMESPACE)
        self.rotate(self.token)

    def rotate(self, token: str) -> None:
        """Take another token from now on, which the kubelet has put into the pod."""
        self.token = token
        (self.account / "token").write_text(token)

    async def start(self) -> None:
        """Listen, on the port of before."""
        app = web.Application()
        app.router.add_get(f"{COLLECTION}/{NAME}", self._get)
        app.router.add_get(COLLECTION, self._watch)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._tls, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Be away; connections end."""
        for task in list(self._watching):
            task.cancel()
        if self._runner is not None:
            await self._runner.cleanup()

    async def put(self, data: dict[str, str]) -> None:
        """Change the ConfigMap, as somebody with the right to does."""
        kind = "ADDED" if self.data is None else "MODIFIED"
        self.data = data
        await self._tell(kind)

    async def delete(self) -> None:
        """Take the ConfigMap away."""
        await self._tell("DELETED")
        self.data = None

    async def forget(self) -> None:
        """Compact: versions of before are gone, and whoever watches from one is told so."""
        self._version += 1
        self._oldest = self._version
        self._events.append((self._version, {"type": "ERROR", "object": _status(410, "too old resource version")}))
        for news in self._watching.values():
            news.set()

    async def _tell(self, kind: str) -> None:
        self._version += 1
        self._events.append((self._version, {"type": kind, "object": self._object()}))
        for news in self._watching.values():
            news.set()

    def _object(self) -> dict[str, Any]:
        metadata = {"name": NAME, "namespace": NAMESPACE, "resourceVersion": str(self._version)}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": self.data}

    def _refusal(self, request: web.Request) -> web.Response | None:
        self.asked.append(str(request.rel_url))
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return _answer(_status(401, "Unauthorized"), 401)
        return None

    async def _get(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return refusal
        if self.data is None:
            return _answer(_status(404, f'configmaps "{NAME}" not found'), 404)
        return _answer(self._object())

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._refusal(request):
            return refusal
        # With a Role that names one object, a watch is allowed only if it asks for that one.
        if request.query.get("watch") != "true" or request.query.get("fieldSelector") != f"metadata.name={NAME}":
            return _answer(_status(403, "configmaps is forbidden"), 403)
        seen = int(request.query["resourceVersion"])
        if seen < self._oldest:
            return _answer(_status(410, "too old resource version"), 410)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        task = asyncio.current_task()
        assert task is not None
        news = self._watching[task] = asyncio.Event()
        try:
            while True:
                news.clear()
                for version, event in self._events:
                    if version > seen:
                        seen = version
                        await response.write(json.dumps(event).encode() + b"\n")
                await news.wait()
        finally:
            del self._watching[task]


def _answer(content: dict[str, Any], code: int = 200) -> web.Response:
    return web.Response(body=json.dumps(content).encode(), content_type="application/json", status=code)


def _status(code: int, message: str) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message, "metadata": {}}


@contextlib.asynccontextmanager
async def kubernetes_api(folder: Path) -> AsyncIterator[KubernetesApi]:
    """One that listens."""
    api = KubernetesApi(folder / "account")
    api.prepare()
    await api.start()
    try:
        yield api
    finally:
        await api.stop()
