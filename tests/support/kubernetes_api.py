"""A Kubernetes API server as far as pods and operators meet it who follow, change and report weights in ConfigMaps.

TLS, tokens, rights, versions, watches and merge patches are as the real one has them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.support.certificates import write_certificate
from tests.support.ports import reserved_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp.typedefs import Handler

    Rights = frozenset[tuple[str, str, str]]

NAMESPACE, NAME = "agents", "mesh-traffic"
STATE = f"{NAME}-state"
COLLECTION = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
LABELS = {
    "app.kubernetes.io/name": "meshwright",
    "app.kubernetes.io/instance": "mesh",
    "app.kubernetes.io/component": "gateway",
}

# What the chart's Role gives to gateways, and that of docs/traffic.md to operators: verb, resource, name.
GATEWAY: Rights = frozenset(
    {("get", "configmaps", NAME), ("watch", "configmaps", NAME), ("patch", "configmaps", STATE)}
)
OPERATOR: Rights = frozenset(
    {("get", "configmaps", NAME), ("patch", "configmaps", NAME), ("get", "configmaps", STATE), ("list", "pods", "")}
)


class RefusedError(Exception):
    """What the server says no to."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class KubernetesApi:
    """What it serves can be changed by the test; `asked` are the requests it has had."""

    def __init__(self, account: Path, port: int) -> None:
        self.account = account
        """The folder that a pod has its identity in."""
        self.asked: list[str] = []
        self.token = "first"
        """That of the pod."""
        self.rights = GATEWAY
        """What the pod may do."""
        self.operators: dict[str, Rights] = {"operator": OPERATOR}
        """What else may do what, by its token."""
        self.port = port
        self.configmaps: dict[str, dict[str, str]] = {}
        self.pods: list[dict[str, Any]] = []
        self._versions: dict[str, int] = {}
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
        """Listen."""
        app = web.Application(middlewares=[_tell_refusals])
        self.add_routes(app.router)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._tls, reuse_address=True).start()

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """What can be asked for."""
        router.add_get(COLLECTION + "/{name}", self._get)
        router.add_patch(COLLECTION + "/{name}", self._patch)
        router.add_get(COLLECTION, self._watch)
        router.add_get(PODS, self._list)

    async def stop(self) -> None:
        """Be away; connections end."""
        for task in list(self._watching):
            task.cancel()
        if self._runner is not None:
            await self._runner.cleanup()

    async def put(self, data: dict[str, str], name: str = NAME) -> None:
        """Change a ConfigMap, as somebody with the right to does."""
        kind = "MODIFIED" if name in self.configmaps else "ADDED"
        self.configmaps[name] = data
        self._tell(kind, name)

    async def delete(self, name: str = NAME) -> None:
        """Take a ConfigMap away."""
        self._tell("DELETED", name)
        del self.configmaps[name]

    async def forget(self) -> None:
        """Compact: versions of before are gone, and whoever watches from one is told so."""
        self._version += 1
        self._oldest = self._version
        self._announce({"type": "ERROR", "object": _status(410, "too old resource version")})

    def _tell(self, kind: str, name: str) -> None:
        self._version += 1
        self._versions[name] = self._version
        self._announce({"type": kind, "object": self._object(name)})

    def _announce(self, event: dict[str, Any]) -> None:
        self._events.append((self._version, event))
        for news in self._watching.values():
            news.set()

    def _object(self, name: str) -> dict[str, Any]:
        version = str(self._versions[name])
        metadata = {"name": name, "namespace": NAMESPACE, "resourceVersion": version, "labels": LABELS}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": self.configmaps[name]}

    def _check(self, request: web.Request, verb: str, resource: str, name: str = "") -> None:
        self.asked.append(str(request.rel_url))
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        rights = self.rights if token == self.token else self.operators.get(token)
        if rights is None:
            raise RefusedError(401, "Unauthorized")
        if (verb, resource, name) not in rights:
            what = f'{resource} "{name}"' if name else resource
            raise RefusedError(
                403,
                f'{what} is forbidden: User "{token}" cannot {verb} resource "{resource}" in API group "" in the namespace "{NAMESPACE}"',
            )
        if resource == "configmaps" and name and name not in self.configmaps and verb != "watch":
            raise RefusedError(404, f'configmaps "{name}" not found')

    async def _get(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self._check(request, "get", "configmaps", name)
        return answer(self._object(name))

    async def _patch(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self._check(request, "patch", "configmaps", name)
        if request.content_type != "application/merge-patch+json":
            raise RefusedError(415, "the body of the request was in an unknown format")
        patch = await request.json()
        version = patch.get("metadata", {}).get("resourceVersion")
        if version is not None and version != str(self._versions[name]):
            raise RefusedError(
                409, f'Operation cannot be fulfilled on configmaps "{name}": the object has been modified'
            )
        data = {**self.configmaps[name], **patch["data"]}
        await self.put({key: value for key, value in data.items() if value is not None}, name)
        return answer(self._object(name))

    async def _list(self, request: web.Request) -> web.Response:
        self._check(request, "list", "pods")
        wanted = dict(it.split("=") for it in request.query["labelSelector"].split(","))
        found = [pod for pod in self.pods if wanted.items() <= pod["metadata"]["labels"].items()]
        return answer({"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": found})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        # With a Role that names one object, a watch is allowed only if it asks for that one.
        name = request.query.get("fieldSelector", "").removeprefix("metadata.name=")
        self._check(request, "watch" if request.query.get("watch") == "true" else "list", "configmaps", name)
        seen = int(request.query["resourceVersion"])
        if seen < self._oldest:
            raise RefusedError(410, "too old resource version")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        task = asyncio.current_task()
        assert task is not None
        news = self._watching[task] = asyncio.Event()
        try:
            while True:
                news.clear()
                for version, event in self._events:
                    about = event["object"]["metadata"].get("name", name)
                    if version > seen and about == name:
                        seen = version
                        await response.write(json.dumps(event).encode() + b"\n")
                await news.wait()
        finally:
            del self._watching[task]


def answer(content: dict[str, Any], code: int = 200) -> web.Response:
    return web.Response(body=json.dumps(content).encode(), content_type="application/json", status=code)


@web.middleware
async def _tell_refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except RefusedError as refused:
        return answer(_status(refused.code, str(refused)), refused.code)


def _status(code: int, message: str) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message, "metadata": {}}


@contextlib.asynccontextmanager
async def kubernetes_api(folder: Path) -> AsyncIterator[KubernetesApi]:
    """One that listens."""
    with reserved_port() as port:
        api = KubernetesApi(folder / "account", port)
        api.prepare()
        await api.start()
        try:
            yield api
        finally:
            await api.stop()
