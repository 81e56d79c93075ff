"""Envoy's admin interface, over its unix socket."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Admin:
    """The admin interface behind a socket. Methods raise OSError when no answer comes within `timeout` seconds."""

    def __init__(self, path: Path, *, timeout: float = 2.0) -> None:
        self.socket = path
        self._path = str(path)
        self._timeout = timeout

    async def is_ready(self) -> bool:
        """Whether Envoy accepts connections and has its routes."""
        try:
            status, _ = await self._request("GET", "/ready")
        except OSError:
            return False
        return status == http.client.OK

    async def listener_port(self) -> int:
        """The port that is listened on, which matters where port 0 was asked for."""
        _, body = await self._request("GET", "/listeners?format=json")
        listeners = json.loads(body)["listener_statuses"]
        return int(listeners[0]["local_address"]["socket_address"]["port_value"])

    async def stats(self, *names: str) -> dict[str, int]:
        """The given counters and gauges; those that do not exist yet are 0."""
        pattern = "^(" + "|".join(name.replace(".", r"\.") for name in names) + ")$"
        _, body = await self._request("GET", f"/stats?format=json&filter={pattern}")
        found = {stat["name"]: int(stat["value"]) for stat in json.loads(body)["stats"] if "value" in stat}
        return {name: found.get(name, 0) for name in names}

    async def config_dump(self) -> dict[str, Any]:
        """The configuration in force, dynamic routes included."""
        _, body = await self._request("GET", "/config_dump")
        dump: dict[str, Any] = json.loads(body)
        return dump

    async def start_draining(self) -> None:
        """Fail /healthz and ask clients to go elsewhere. What is open goes on, and who still comes is served."""
        await self._request("POST", "/healthcheck/fail")
        await self._request("POST", "/drain_listeners?graceful&skip_exit")

    async def _request(self, method: str, path: str) -> tuple[int, bytes]:
        return await asyncio.to_thread(self._request_blocking, method, path)

    def _request_blocking(self, method: str, path: str) -> tuple[int, bytes]:
        connection = _UnixConnection(self._path, self._timeout)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read()
        except http.client.HTTPException as error:
            raise ConnectionError("the admin interface broke off") from error
        finally:
            connection.close()
