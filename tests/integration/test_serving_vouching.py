"""Tokens with which the mesh's services vouch for a principal among themselves."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import jwt
import pytest

from meshwright.serving.authentication.authenticator import open_authenticator
from meshwright.serving.calls import Call, entered
from meshwright.serving.channel import forward
from meshwright.serving.settings import ServerSettings
from meshwright.serving.startup import StartupError
from tests.serving_echo import Echo, EchoStub, echo_request
from tests.support.authenticated_echo import LIMIT, authenticated_echo, refused
from tests.support.token_issuer import authentication


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[Echo, EchoStub]]:
    async with authenticated_echo(tmp_path) as (echo, stub, _):
        yield echo, stub


async def test_a_service_vouches_for_the_principal_on_whose_behalf_it_calls(served: tuple[Echo, EchoStub]) -> None:
    echo, stub = served
    for principal in ("alice", "bøb@example.com", "local", "x" * 255):
        with entered(Call("/a.B/C", "r", principal=principal)):
            await stub.send("Unary", echo_request(), **forward(LIMIT))
        assert echo.calls[-1].principal == principal
    await stub.send("Unary", echo_request(), **forward(LIMIT))
    assert echo.calls[-1].principal == "meshwright"


async def test_services_with_another_key_do_not_vouch_here(tmp_path: Path) -> None:
    async with authenticated_echo(tmp_path / "one") as (_, stub, _), authenticated_echo(tmp_path / "two"):
        # The second server has signed last in this process.
        error = await refused(stub, forward(LIMIT)["metadata"])
        assert error.metadata == {"cause": "signature"}


async def test_a_mesh_key_can_be_exchanged_without_a_break(tmp_path: Path) -> None:
    given = authentication(tmp_path)
    old = given["mesh_key_file"].read_text()
    both = tmp_path / "both.key"
    both.write_text(f"{'n' * 32}\n{old}\n")
    async with authenticated_echo(tmp_path, mesh_key_file=both) as (echo, stub, _):
        async with authenticated_echo(tmp_path):
            await stub.send("Unary", echo_request(), **forward(LIMIT))
        await stub.send("Unary", echo_request(), **forward(LIMIT))
        assert [call.principal for call in echo.calls] == ["meshwright", "meshwright"]


async def test_a_voucher_is_signed_anew_before_it_expires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with authenticated_echo(tmp_path):
        first = dict(forward(LIMIT)["metadata"])["authorization"]
        assert dict(forward(LIMIT)["metadata"])["authorization"] == first
        later = time.time() + 200
        monkeypatch.setattr("meshwright.serving.authentication.mesh_key.time", SimpleNamespace(time=lambda: later))
        second = dict(forward(LIMIT)["metadata"])["authorization"]
        assert second != first
        says = jwt.decode(second.removeprefix("Bearer "), options={"verify_signature": False})
        assert 0 < says["exp"] - later <= 300


@pytest.mark.parametrize("content", [None, b"", b"too short", b"\xff" * 40, b"x" * 32 + b"\nshort"])
async def test_a_server_does_not_start_on_a_bad_mesh_key(tmp_path: Path, content: bytes | None) -> None:
    given = authentication(tmp_path)
    if content is None:
        given["mesh_key_file"].unlink()
    else:
        given["mesh_key_file"].write_bytes(content)
    with pytest.raises(StartupError, match="MESHWRIGHT_MESH_KEY_FILE"):
        async with open_authenticator(ServerSettings.load(**given)):
            pass
