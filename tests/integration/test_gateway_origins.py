"""Who may call: a page of another origin must not drive the mesh of whoever visits it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from meshwright.serving.errors import MeshError
from tests.support import grpc_web
from tests.support.gateway_mesh import CreateSession, GetAgent, running_mesh

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from tests.support.gateway_mesh import Mesh

LISTED = "https://app.example.com"
PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "content-type,x-grpc-web"}
OK, PERMISSION_DENIED = 0, 7


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    async with running_mesh(
        tmp_path_factory.mktemp("mesh"), cors_origins=LISTED, allowed_hosts="localhost,127.0.0.1,*.mesh.test"
    ) as mesh:
        yield mesh


async def web_status(mesh: Mesh, headers: Mapping[str, str]) -> int:
    _, status = await grpc_web.call(mesh.http, mesh.gateway.address, GetAgent, headers=headers)
    return status.code


@pytest.mark.parametrize(
    "origin",
    [
        "http://attacker.example",
        "https://app.example.com.attacker.example",
        "https://app.example.com:444",
        "http://localhost",
        "http://127.0.0.1:1",
        "null",
    ],
)
async def test_a_call_from_a_foreign_page_is_refused_before_the_service(mesh: Mesh, origin: str) -> None:
    before = len(mesh.agent.metadata)
    _, status = await grpc_web.call(mesh.http, mesh.gateway.address, GetAgent, headers={"origin": origin})
    assert status.code == PERMISSION_DENIED
    assert status.details is not None
    error = MeshError.from_status(status.details)
    assert (error.reason_name, error.message) == ("ORIGIN_NOT_ALLOWED", status.message)
    assert "MESHWRIGHT_CORS_ORIGINS" in status.message
    assert len(mesh.agent.metadata) == before


async def test_calls_from_the_own_page_a_listed_page_and_a_program_pass(mesh: Mesh) -> None:
    assert await web_status(mesh, {"origin": mesh.url}) == OK
    assert await web_status(mesh, {"origin": LISTED}) == OK
    assert await web_status(mesh, {}) == OK


async def test_the_own_page_works_behind_a_forwarded_port(mesh: Mesh) -> None:
    headers = {"host": "localhost:9999", "origin": "http://localhost:9999"}
    assert await web_status(mesh, headers) == OK


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_a_request_that_browsers_send_without_asking_never_reaches_a_service(
    mesh: Mesh, content_type: str
) -> None:
    async with mesh.http.post(
        mesh.url + CreateSession, data=grpc_web.frame(b""), headers={"content-type": content_type}
    ) as response:
        assert response.status == 415


async def test_no_websocket_is_opened_for_which_browsers_ask_nobody(mesh: Mesh) -> None:
    headers = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    async with mesh.http.get(mesh.url, headers=headers) as response:
        assert response.status == 403


async def test_a_foreign_page_cannot_post_to_the_site_either(mesh: Mesh) -> None:
    async with mesh.http.post(f"{mesh.url}/demo/cart", headers={"origin": "http://attacker.example"}) as response:
        assert response.status == 403


@pytest.mark.parametrize("origin", ["http://attacker.example", "null", "http://app.example.com"])
async def test_a_preflight_of_a_foreign_page_gets_no_grant(mesh: Mesh, origin: str) -> None:
    async with mesh.http.options(mesh.url + GetAgent, headers={"origin": origin, **PREFLIGHT}) as response:
        assert "access-control-allow-origin" not in response.headers


async def test_a_preflight_of_a_listed_page_is_granted_and_it_may_read_the_status(mesh: Mesh) -> None:
    headers = {"origin": LISTED, "access-control-request-private-network": "true", **PREFLIGHT}
    async with mesh.http.options(mesh.url + GetAgent, headers=headers) as response:
        assert response.status == 200
        assert response.headers["access-control-allow-origin"] == LISTED
        assert "x-grpc-web" in response.headers["access-control-allow-headers"]
        assert response.headers["access-control-allow-private-network"] == "true"
    async with grpc_web.start(mesh.http, mesh.gateway.address, GetAgent, headers={"origin": LISTED}) as answer:
        assert answer.response.headers["access-control-allow-origin"] == LISTED
        assert "grpc-status-details-bin" in answer.response.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    "host", ["attacker.example", "localhost.attacker.example", "127.0.0.1.attacker.example:80", "mesh.test", "[::1]"]
)
async def test_a_host_name_that_is_not_listed_is_refused(mesh: Mesh, host: str) -> None:
    """Its DNS may point here (rebinding), which would make the attacker's page same-origin with the mesh."""
    assert await web_status(mesh, {"host": host, "origin": f"http://{host}"}) == PERMISSION_DENIED
    async with mesh.http.get(mesh.url, headers={"host": host}) as response:
        assert response.status == 403
        assert "MESHWRIGHT_ALLOWED_HOSTS" in await response.text()


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "any.mesh.test:443"])
async def test_a_listed_host_name_passes_with_any_port(mesh: Mesh, host: str) -> None:
    assert await web_status(mesh, {"host": host}) == OK


async def test_every_host_name_passes_where_a_star_is_listed(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, allowed_hosts="*") as mesh:
        assert await web_status(mesh, {"host": "anything.example"}) == OK
