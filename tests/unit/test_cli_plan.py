"""What `meshwright up` tells each service, and which secrets it keeps from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshwright.browser.settings import BrowserSettings
from meshwright.cli.up.plan import SERVICES, Plan, make_mesh_key

SECRETS = {
    "OPENAI_API_KEY": {"agent"},
    "AWS_SECRET_ACCESS_KEY": {"agent", "tools"},
    "MESHWRIGHT_MESH_KEY_FILE": {"agent", "tools", "browser"},
    "MESHWRIGHT_TLS_KEY": {"gateway"},
    "MESHWRIGHT_TOKEN": set(),
    "MESHWRIGHT_TOKEN_FILE": set(),
    "MESHWRIGHT_AUTH_JWKS": set(SERVICES),
}


def plan(folder: Path, host: str = "127.0.0.1") -> Plan:
    return Plan(host, 8080, folder / "data", folder / "run")


@pytest.mark.parametrize("variable", SECRETS)
def test_a_secret_goes_to_those_who_need_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "something")
    told = {service for service in SERVICES if plan(tmp_path).environment(service).get(variable) == "something"}
    assert told == SECRETS[variable]


def test_with_authentication_the_services_share_a_secret_that_nobody_else_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESHWRIGHT_AUTH_JWKS", "/keys")
    monkeypatch.delenv("MESHWRIGHT_MESH_KEY_FILE", raising=False)
    made = plan(tmp_path)
    made.runtime_dir.mkdir()
    make_mesh_key(made.mesh_key)
    assert made.mesh_key.stat().st_mode & 0o777 == 0o600
    assert len(made.mesh_key.read_text().strip()) >= 32
    files = {service: made.environment(service).get("MESHWRIGHT_MESH_KEY_FILE") for service in SERVICES}
    shared = str(made.mesh_key)
    assert files == {"gateway": None, "site": None, "agent": shared, "tools": shared, "browser": shared}


def test_without_authentication_there_is_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("MESHWRIGHT_AUTH_JWKS", "MESHWRIGHT_MESH_KEY_FILE"):
        monkeypatch.delenv(variable, raising=False)
    assert not any("MESHWRIGHT_MESH_KEY_FILE" in plan(tmp_path).environment(service) for service in SERVICES)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "localhost:8080"),
        ("0.0.0.0", "localhost:8080"),
        ("::", "localhost:8080"),
        ("192.0.2.7", "192.0.2.7:8080"),
        ("2001:db8::7", "[2001:db8::7]:8080"),
    ],
)
def test_the_address_is_one_that_this_machine_can_use(tmp_path: Path, host: str, address: str) -> None:
    assert plan(tmp_path, host).address == address


@pytest.mark.parametrize(
    ("set_before", "host", "allowed"),
    [
        (None, "127.0.0.1", "localhost:8080/demo"),
        ("wiki.example.com,10.1.0.0/16", "127.0.0.1", "wiki.example.com,10.1.0.0/16,localhost:8080/demo"),
        (None, "192.0.2.7", "192.0.2.7:8080/demo"),
    ],
)
def test_browsers_may_reach_the_demo_shop_and_what_was_named_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, set_before: str | None, host: str, allowed: str
) -> None:
    monkeypatch.delenv("MESHWRIGHT_EGRESS_ALLOW", raising=False)
    if set_before is not None:
        monkeypatch.setenv("MESHWRIGHT_EGRESS_ALLOW", set_before)
    settings = BrowserSettings.load(egress_allow=plan(tmp_path, host).environment("browser")["MESHWRIGHT_EGRESS_ALLOW"])
    assert ",".join(map(str, settings.egress_allow)) == allowed
