"""Addresses of meshes, as people write them."""

from __future__ import annotations

import pytest

from meshwright import Mesh
from meshwright.client.target import Target


@pytest.fixture(autouse=True)
def no_address_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MESHWRIGHT_ADDRESS", raising=False)


@pytest.mark.parametrize(
    ("address", "name", "endpoint", "secure", "local"),
    [
        ("localhost:8080", "localhost:8080", "localhost:8080", False, True),
        ("localhost", "localhost:8080", "localhost:8080", False, True),
        ("http://127.0.0.1:9000/", "127.0.0.1:9000", "127.0.0.1:9000", False, True),
        ("[::1]:9000", "[::1]:9000", "[::1]:9000", False, True),
        ("::1", "[::1]:8080", "[::1]:8080", False, True),
        ("mesh.example.com:80", "mesh.example.com:80", "mesh.example.com:80", False, False),
        ("https://mesh.example.com", "https://mesh.example.com:443", "mesh.example.com:443", True, False),
        ("https://mesh.example.com:8443/", "https://mesh.example.com:8443", "mesh.example.com:8443", True, False),
        ("unix:/run/mesh.sock", "unix:/run/mesh.sock", "unix:/run/mesh.sock", False, True),
        ("unix:///run/mesh.sock", "unix:/run/mesh.sock", "unix:/run/mesh.sock", False, True),
    ],
)
def test_an_address_is_understood(address: str, name: str, endpoint: str, secure: bool, local: bool) -> None:
    assert Target.parse(address) == Target(name, endpoint, secure, local)


@pytest.mark.parametrize(
    "address",
    ["ftp://localhost", "localhost:0", "localhost:99999", "localhost:http", ":8080", "a/b", "unix:relative", "a@b:1"],
)
def test_what_is_no_address_is_refused_with_what_to_write(address: str) -> None:
    with pytest.raises(ValueError, match=r"is not an address of a mesh: .+"):
        Mesh(address)


def test_the_environment_names_the_mesh_unless_the_program_does(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Mesh().address == "localhost:8080"
    monkeypatch.setenv("MESHWRIGHT_ADDRESS", "mesh:1")
    assert Mesh().address == "mesh:1"
    assert Mesh("other:2").address == "other:2"


def test_a_token_does_not_travel_in_clear_text() -> None:
    with pytest.raises(ValueError, match=r"write https://mesh\.example\.com:80"):
        Mesh("mesh.example.com:80", token="secret")
    for safe in ("https://mesh.example.com", "localhost:8080", "unix:/run/mesh.sock"):
        Mesh(safe, token="secret")
