"""What a server has to know of its callers before it listens where others can reach it."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshwright.serving.listening import refuse_exposure
from meshwright.serving.settings import ServerSettings
from meshwright.serving.startup import StartupError
from tests.support.token_issuer import authentication


def test_other_addresses_need_authentication(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="MESHWRIGHT_AUTH_JWKS"):
        refuse_exposure(ServerSettings.load(listen="0.0.0.0:0"))
    refuse_exposure(ServerSettings.load(listen="0.0.0.0:0", **authentication(tmp_path)))
    refuse_exposure(ServerSettings.load(listen="0.0.0.0:0", trusted_network=True))


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"auth_jwks": "/keys"}, ["AUTH_ISSUER", "AUTH_AUDIENCE", "MESH_KEY_FILE"]),
        ({"auth_issuer": "a"}, ["AUTH_ISSUER"]),
        ({"auth_audience": "a"}, ["AUTH_AUDIENCE"]),
        ({"mesh_key_file": "/a"}, ["MESH_KEY_FILE"]),
        ({"auth_jwks": "ftp://keys", "auth_issuer": "a", "auth_audience": "b", "mesh_key_file": "/a"}, ["AUTH_JWKS"]),
    ],
)
def test_half_a_configuration_is_refused(given: dict[str, str], named: list[str]) -> None:
    with pytest.raises(StartupError) as caught:
        ServerSettings.load(**given)
    lines = str(caught.value).splitlines()[1:]
    assert [line.strip().partition(":")[0] for line in lines] == [f"MESHWRIGHT_{name}" for name in named]
