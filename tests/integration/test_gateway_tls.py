"""TLS on the gateway's port, and where it may be left out."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import TYPE_CHECKING

import grpc
import pytest
from cryptography import x509

from meshwright.gateway.failure import GatewayError
from meshwright.gateway.gateway import Gateway
from meshwright.gateway.settings import GatewaySettings
from meshwright.serving.startup import StartupError
from tests.support.certificates import write_certificate
from tests.support.gateway_mesh import GetAgent, running_mesh, unary, upstream_settings, watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.gateway_mesh import Mesh

LIMIT = 60.0


class Pair:
    """A certificate and its key in files."""

    def __init__(self, folder: Path) -> None:
        self.chain, self.key = folder / "tls.crt", folder / "tls.key"
        self.serial = write_certificate(self.chain, self.key)

    @contextlib.asynccontextmanager
    async def channel(self, mesh: Mesh) -> AsyncIterator[grpc.aio.Channel]:
        credentials = grpc.ssl_channel_credentials(self.chain.read_bytes())
        port = mesh.gateway.address.rpartition(":")[2]
        async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
            yield channel


def served(mesh: Mesh) -> tuple[int, str]:
    """Serial number of the certificate that a new connection is shown, and the protocol that both sides agree on."""
    host, port = mesh.gateway.address.split(":")
    context = ssl._create_unverified_context()  # noqa: S323  # it is looked at, not trusted
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection((host, int(port))) as plain, context.wrap_socket(plain) as connection:
        shown = connection.getpeercert(binary_form=True)
        assert shown is not None
        return x509.load_der_x509_certificate(shown).serial_number, connection.selected_alpn_protocol() or ""


async def serves(mesh: Mesh, serial: int) -> None:
    """Wait until new connections are shown the certificate."""
    async with asyncio.timeout(LIMIT):
        while (await asyncio.to_thread(served, mesh))[0] != serial:  # noqa: ASYNC110  # nothing to await
            await asyncio.sleep(0.05)


async def test_grpc_and_the_page_over_tls_and_nothing_in_clear_text(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    async with running_mesh(tmp_path, tls_certificate=pair.chain, tls_key=pair.key) as mesh:
        async with pair.channel(mesh) as channel:
            assert await unary(channel, GetAgent) == b"agent"
        context = ssl.create_default_context(cafile=pair.chain)
        async with mesh.http.get(f"https://{mesh.gateway.address}/healthz", ssl=context) as response:
            assert response.status == 200
        with pytest.raises(grpc.aio.AioRpcError):
            await mesh.unary(GetAgent, timeout=2)
        assert (await asyncio.to_thread(served, mesh))[1] == "h2"


@pytest.mark.parametrize("how", ["written over", "moved over"])
async def test_a_new_certificate_serves_new_connections_and_open_streams_stay(tmp_path: Path, how: str) -> None:
    pair = Pair(tmp_path)
    async with running_mesh(tmp_path, tls_certificate=pair.chain, tls_key=pair.key) as mesh, pair.channel(mesh) as old:
        stream = watch(old)
        assert await stream.read() == b"0"
        if how == "written over":
            pair.serial = write_certificate(pair.chain, pair.key)
        else:
            chain, key = tmp_path / "new.crt", tmp_path / "new.key"
            pair.serial = write_certificate(chain, key)
            chain.replace(pair.chain)
            key.replace(pair.key)
        await serves(mesh, pair.serial)
        async with pair.channel(mesh) as channel:
            assert await unary(channel, GetAgent) == b"agent"
        mesh.agent.tick.set()
        async with asyncio.timeout(LIMIT):
            assert await stream.read() == b"1"


async def test_a_key_that_does_not_fit_leaves_the_former_certificate_until_the_right_one_is_there(
    tmp_path: Path,
) -> None:
    pair = Pair(tmp_path)
    async with running_mesh(tmp_path, tls_certificate=pair.chain, tls_key=pair.key) as mesh:
        former, right_key = pair.serial, tmp_path / "right.key"
        pair.serial = write_certificate(pair.chain, right_key)
        # Long enough for the gateway to have looked, and no harm if it has not.
        await asyncio.sleep(1.2)
        assert (await asyncio.to_thread(served, mesh))[0] == former
        right_key.replace(pair.key)
        await serves(mesh, pair.serial)


@pytest.mark.parametrize("broken", ["tls.crt", "tls.key"])
async def test_a_broken_pair_keeps_the_gateway_from_starting(tmp_path: Path, broken: str) -> None:
    pair = Pair(tmp_path)
    (tmp_path / broken).write_text("neither")
    settings = upstream_settings(tmp_path, tls_certificate=pair.chain, tls_key=pair.key)
    with pytest.raises(GatewayError, match=r"MESHWRIGHT_TLS_CERTIFICATE and MESHWRIGHT_TLS_KEY: .*cannot be used"):
        await Gateway(settings).__aenter__()
    (tmp_path / broken).unlink()
    with pytest.raises(GatewayError, match=r"MESHWRIGHT_TLS_CERTIFICATE and MESHWRIGHT_TLS_KEY: .*cannot be read"):
        await Gateway(settings).__aenter__()


AUTH = {"auth_jwks": "/etc/jwks.json", "auth_issuer": "https://issuer.test/", "auth_audience": "mesh"}
TLS = {"tls_certificate": "/etc/tls.crt", "tls_key": "/etc/tls.key"}


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({}, "MESHWRIGHT_HOST: 0.0.0.0 would let .* no authentication configured: set MESHWRIGHT_AUTH_JWKS"),
        (TLS, "no authentication configured"),
        (AUTH, "in clear text: set MESHWRIGHT_TLS_CERTIFICATE .* MESHWRIGHT_TLS_ENDS_BEFORE=true"),
        ({"tls_ends_before": True}, "no authentication configured"),
        ({**AUTH, **TLS}, ""),
        ({**AUTH, "tls_ends_before": True}, ""),
        ({"trusted_network": True}, ""),
        ({"tls_certificate": "/etc/tls.crt", "host": "127.0.0.1"}, "MESHWRIGHT_TLS_KEY: is needed"),
        ({"tls_key": "/etc/tls.key", "host": "127.0.0.1"}, "MESHWRIGHT_TLS_KEY: has no effect"),
    ],
)
def test_other_addresses_than_loopback_need_authentication_and_tls(given: dict[str, object], complaint: str) -> None:
    given = {"host": "0.0.0.0", **given}
    if not complaint:
        assert GatewaySettings.load(**given).host == "0.0.0.0"
        return
    with pytest.raises(StartupError, match=complaint):
        GatewaySettings.load(**given)
