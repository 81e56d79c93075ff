"""Callers' tokens at the gateway: who passes, what the others are told, and keys that change."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import TYPE_CHECKING, Any

import grpc
import jwt
import pytest
import pytest_asyncio
from aiohttp import web
from grpc_status import rpc_status

from meshwright.gateway.failure import GatewayError
from meshwright.gateway.gateway import Gateway
from meshwright.serving import error_details
from meshwright.serving.authentication.refusals import MESSAGES
from tests.support import grpc_web
from tests.support.certificates import write_certificate
from tests.support.gateway_mesh import TOOLS, GetAgent, running_mesh, upstream_settings
from tests.support.token_issuer import Key, authentication, bearer, claims, jwks, jwks_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.gateway_mesh import Mesh

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMIT = 60.0
FIRST, OTHER = Key("first"), Key("other")
FORGED = Key("first")
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED


def settings_of(folder: Path, **changed: Any) -> dict[str, Any]:
    """The gateway's settings, which has no key of the mesh's own."""
    given = authentication(folder, FIRST) | changed
    del given["mesh_key_file"]
    return given


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    folder = tmp_path_factory.mktemp("mesh")
    async with running_mesh(folder, **settings_of(folder / "keys")) as mesh:
        yield mesh


async def call(mesh: Mesh, token: str | None, method: str = GetAgent) -> bytes:
    multi: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = mesh.channel.unary_unary(method)
    return await multi(b"", timeout=LIMIT, metadata=bearer(token) if token is not None else None)


async def allowed(mesh: Mesh, token: str) -> None:
    """Wait until the token passes."""
    async with asyncio.timeout(LIMIT):
        while True:
            try:
                await call(mesh, token)
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.05)
            else:
                return


REFUSED = {
    "missing": None,
    "malformed": "abc",
    "expired": FIRST.sign(claims(exp=1_000)),
    "not_yet_valid": FIRST.sign(claims(nbf=9_999_999_999)),
    "issuer": FIRST.sign(claims(iss="https://somebody.else/")),
    "audience": FIRST.sign(claims(aud="another-mesh")),
    "unknown_key": OTHER.sign(claims()),
    "signature": FORGED.sign(claims()),
}


@pytest.mark.parametrize("cause", REFUSED)
async def test_a_token_that_does_not_do_is_refused_with_its_cause_in_both_protocols(mesh: Mesh, cause: str) -> None:
    token = REFUSED[cause]
    before = len(mesh.agent.metadata)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(mesh, token)
    headers = dict(bearer(token)) if token is not None else {}
    _, web_status = await grpc_web.call(mesh.http, mesh.gateway.address, GetAgent, headers=headers)

    assert caught.value.code() is UNAUTHENTICATED
    error: Any = caught.value
    native = rpc_status.from_call(error)
    assert web_status.code == UNAUTHENTICATED.value[0]
    assert web_status.message == caught.value.details() == MESSAGES[cause]
    for status in (native, web_status.details):
        assert status is not None
        details = error_details.unpack(status)
        assert (details.reason, details.domain, details.metadata) == ("UNAUTHENTICATED", "meshwright", {"cause": cause})
    assert len(mesh.agent.metadata) == before


@pytest.mark.parametrize(
    "token",
    [
        jwt.encode(claims(), "", "none"),
        jwt.encode(claims(), "a secret that somebody hopes to be taken for a key", "HS256", headers={"kid": "first"}),
    ],
    ids=["unsigned", "signed with a secret"],
)
async def test_an_algorithm_without_a_public_key_is_refused(mesh: Mesh, token: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(mesh, token)
    assert caught.value.code() is UNAUTHENTICATED


@pytest.mark.parametrize("method", [GetAgent, f"{TOOLS}/ListTools"])
async def test_a_good_token_passes_and_goes_on_to_the_service(mesh: Mesh, method: str) -> None:
    token = FIRST.sign(claims())
    await call(mesh, token, method)
    service = mesh.agent if method == GetAgent else mesh.tools
    assert service.metadata[-1]["authorization"] == f"Bearer {token}"


async def test_health_reflection_and_the_page_are_open(mesh: Mesh) -> None:
    await mesh.unary("/grpc.health.v1.Health/Check")
    reflection: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = mesh.channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    )
    stream = reflection(timeout=LIMIT)
    await stream.done_writing()
    assert await stream.code() is grpc.StatusCode.OK
    for path in ("/healthz", "/", "/assets/app.js"):
        async with mesh.http.get(mesh.url + path) as response:
            assert response.status == 200


async def test_a_preflight_of_a_listed_origin_needs_no_token(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, cors_origins="https://app.test", **settings_of(tmp_path)) as mesh:
        headers = {
            "Origin": "https://app.test",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization",
        }
        async with mesh.http.options(mesh.url + GetAgent, headers=headers) as response:
            assert response.headers["access-control-allow-origin"] == "https://app.test"
            assert "authorization" in response.headers["access-control-allow-headers"]
        headers = {"Origin": "https://app.test", **dict(bearer("abc"))}
        _, status = await grpc_web.call(mesh.http, mesh.gateway.address, GetAgent, headers=headers)
        assert (status.code, status.message) == (UNAUTHENTICATED.value[0], MESSAGES["malformed"])


async def test_keys_in_a_file_are_read_again_when_it_changes_and_open_streams_stay(tmp_path: Path) -> None:
    given = settings_of(tmp_path)
    document = tmp_path / "jwks.json"
    async with running_mesh(tmp_path, **given) as mesh:
        watch: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = mesh.channel.unary_stream(
            "/meshwright.v1.AgentService/WatchSession"
        )
        stream = watch(b"", metadata=bearer(FIRST.sign(claims())))
        assert await stream.read() == b"0"
        document.write_text("no keys at all")
        document.write_bytes(jwks(OTHER))
        await allowed(mesh, OTHER.sign(claims()))
        with pytest.raises(grpc.aio.AioRpcError):
            await call(mesh, FIRST.sign(claims()))
        mesh.agent.tick.set()
        async with asyncio.timeout(LIMIT):
            assert await stream.read() == b"1"
        stream.cancel()


async def test_a_file_without_keys_keeps_the_gateway_from_starting(tmp_path: Path) -> None:
    given = settings_of(tmp_path)
    (tmp_path / "jwks.json").write_text("{}")
    with pytest.raises(GatewayError, match=r"MESHWRIGHT_AUTH_JWKS: .*jwks\.json cannot be used"):
        await Gateway(upstream_settings(tmp_path, **given)).__aenter__()


async def test_keys_of_an_address_are_fetched_and_until_then_calls_are_unavailable(tmp_path: Path) -> None:
    async with jwks_server(FIRST) as server:
        server.status = 503
        async with running_mesh(tmp_path, **settings_of(tmp_path, auth_jwks=server.url)) as mesh:
            token = FIRST.sign(claims())
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(mesh, token)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            error: Any = caught.value
            status: Any = rpc_status.from_call(error)
            assert error_details.unpack(status).metadata == {"service": "jwks"}
            server.status = 200
            await allowed(mesh, token)


@pytest.mark.parametrize("trusted", [True, False])
async def test_an_address_over_tls_is_believed_only_with_a_trusted_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    chain, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    write_certificate(chain, key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    if not trusted:
        write_certificate(chain, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=jwks(FIRST))

    app = web.Application()
    app.router.add_get("/jwks", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        port = runner.addresses[0][1]
        url = f"https://localhost:{port}/jwks"
        async with running_mesh(tmp_path, **settings_of(tmp_path, auth_jwks=url)) as mesh:
            token = FIRST.sign(claims())
            if trusted:
                await allowed(mesh, token)
            else:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await call(mesh, token)
                assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    finally:
        await runner.cleanup()


async def test_each_principal_may_start_so_many_calls_a_second(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, gateway_calls_per_second=2, **settings_of(tmp_path)) as mesh:
        alice, bob = FIRST.sign(claims("alice")), FIRST.sign(claims("bob"))
        began = time.monotonic()
        ends = await asyncio.gather(*(call(mesh, alice) for _ in range(40)), return_exceptions=True)
        assert 10 <= ends.count(b"agent") <= 10 + 2 * (time.monotonic() - began + 1)
        error: Any = next(end for end in ends if isinstance(end, grpc.aio.AioRpcError))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        details = error_details.unpack(rpc_status.from_call(error))
        assert (details.reason, details.metadata["quota"]) == ("QUOTA_EXCEEDED", "calls_per_second")
        assert details.retry_after
        assert details.quota is not None
        assert details.quota.limit == 2
        _, status = await grpc_web.call(mesh.http, mesh.gateway.address, GetAgent, headers=dict(bearer(alice)))
        assert status.details is not None
        assert status.details.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
        assert await call(mesh, bob) == b"agent"
        async with mesh.http.get(mesh.url) as response:
            assert response.status == 200


async def test_without_authentication_a_client_is_an_address(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, gateway_calls_per_second=1) as mesh:
        began = time.monotonic()
        ends = await asyncio.gather(*(mesh.unary(GetAgent) for _ in range(20)), return_exceptions=True)
        assert 5 <= ends.count(b"agent") <= 5 + 1 * (time.monotonic() - began + 1)
