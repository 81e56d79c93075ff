"""The page, the demo shop, /healthz and /readyz, on the port of gRPC."""

from __future__ import annotations

import asyncio
import http.client
from typing import TYPE_CHECKING

import aiohttp
import pytest
import pytest_asyncio

from tests.support.gateway_mesh import GetAgent, running_mesh

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.gateway_mesh import Mesh, Upstream


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    async with running_mesh(tmp_path_factory.mktemp("mesh")) as mesh:
        yield mesh


async def says(mesh: Mesh, path: str, status: int) -> None:
    """Wait until the gateway answers so, under whatever name it is asked."""
    async with asyncio.timeout(30):
        while True:
            async with mesh.http.get(mesh.url + path, headers={"host": "10.0.0.1:8080"}) as response:
                if response.status == status:
                    return
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("path", ["/", "/demo/", "/assets/index.js", "/sessions/ses_1"])
async def test_everything_that_is_not_grpc_is_the_sites(mesh: Mesh, path: str) -> None:
    async with mesh.http.get(mesh.url + path) as response:
        assert response.status == 200
        assert await response.text() == f"<title>GET {path} at {mesh.gateway.address}</title>"


async def test_the_own_forms_are_posted(mesh: Mesh) -> None:
    async with mesh.http.post(f"{mesh.url}/demo/login", headers={"origin": mesh.url}) as response:
        assert response.status == 200


async def test_pages_carry_security_headers_and_do_not_name_the_servers_behind(mesh: Mesh) -> None:
    async with mesh.http.get(mesh.url) as response:
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "SAMEORIGIN"
        assert response.headers["cross-origin-resource-policy"] == "same-origin"
        assert response.headers["server"] == "meshwright"
        assert not [name for name in response.headers if name.lower().startswith("x-envoy")]


async def test_a_service_path_without_grpc_is_not_a_page(mesh: Mesh) -> None:
    async with mesh.http.get(mesh.url + GetAgent) as response:
        assert response.status == 415


@pytest.mark.parametrize(
    ("sent", "seen"),
    [("/a/../b", 200), ("//demo//x", 200), ("/%2e%2e/etc", 200), ("/demo/..%2f..%2fetc", 400), ("/a%5cb", 400)],
)
async def test_tricky_paths_are_normalised_or_refused(mesh: Mesh, sent: str, seen: int) -> None:
    host, port = mesh.gateway.address.split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)

    def get() -> tuple[int, str]:
        connection.request("GET", sent)  # A client library would normalise the path itself.
        response = connection.getresponse()
        return response.status, response.read().decode()

    status, text = await asyncio.to_thread(get)
    connection.close()
    assert status == seen
    assert ".." not in text
    assert "//" not in text


async def test_headers_with_underscores_are_refused(mesh: Mesh) -> None:
    """Servers behind may take x_request_id for x-request-id."""
    async with mesh.http.get(mesh.url, headers={"x_request_id": "1"}) as response:
        assert response.status == 400


async def test_healthz_tells_whether_the_agent_service_can_be_reached(mesh: Mesh) -> None:
    await says(mesh, "/healthz", 200)
    await mesh.agent.stop()
    await says(mesh, "/healthz", 503)
    await mesh.agent.start()
    await says(mesh, "/healthz", 200)


@pytest.mark.parametrize("name", ["agent", "tools", "browser"])
async def test_readyz_tells_whether_every_service_can_be_reached(mesh: Mesh, name: str) -> None:
    service: Upstream = getattr(mesh, name)
    await says(mesh, "/readyz", 200)
    await service.stop()
    await says(mesh, "/readyz", 503)
    if name != "agent":
        await says(mesh, "/healthz", 200)
    await service.start()
    await says(mesh, "/readyz", 200)


async def test_a_site_that_is_down_is_a_quick_503(mesh: Mesh) -> None:
    await mesh.site.stop()
    try:
        async with mesh.http.get(mesh.url, timeout=aiohttp.ClientTimeout(total=3)) as response:
            assert response.status == 503
    finally:
        await mesh.site.start()
