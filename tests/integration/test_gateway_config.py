"""The rendered configuration: Envoy takes every variant of it, and the limits in force are the ones that were meant."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from meshwright.envoy.binary import EnvoyError
from meshwright.envoy.process import validate_config
from meshwright.gateway.settings import GatewaySettings
from meshwright.gateway.writing import write_files
from meshwright.serving.startup import StartupError
from tests.support import grpc_web
from tests.support.gateway_mesh import AGENT, GetAgent, running_mesh
from tests.support.token_issuer import authentication

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ADDRESSES = (
    "127.0.0.1:9001",
    "[::1]:9001",
    "agent.mesh.internal:9001",
    "unix:/run/mesh/agent.sock",
    "127.0.0.1:9001, 127.0.0.2:9001,[::1]:9001",
    "unix:/run/mesh/1.sock,unix:/run/mesh/2.sock,127.0.0.1:9003",
    "agents.mesh.internal:9001,old-agents.mesh.internal:9001,127.0.0.1:9003",
)
COLLECTORS = ("", "http://127.0.0.1:4317", "http://collector:4317", "https://collector.example.com", "https://[::1]:1/")


def variants() -> Iterator[dict[str, object]]:
    """Every value of every setting once, beside the other settings' next values."""
    settings: dict[str, tuple[object, ...]] = {
        "host": ("127.0.0.1", "localhost", "::1", "[::1]", "127.0.0.2"),
        "agent_address": ADDRESSES,
        "tools_address": ADDRESSES[1:],
        "browser_address": ADDRESSES[2:],
        "site_address": ADDRESSES,
        "allowed_hosts": ("localhost", "*", "*.example.com,a.test", "localhost, [::1]"),
        "cors_origins": ("", "https://a.example.com", "http://a.test:3000,https://b.test"),
        "otlp_endpoint": COLLECTORS,
        "gateway_access_log": ("", "stdout", 'FOLDER/odd "name".log'),
        "gateway_drain_seconds": (0, 0.5, 60),
    }
    longest = max(map(len, settings.values()))
    columns = {name: list(itertools.islice(itertools.cycle(values), longest)) for name, values in settings.items()}
    for row in zip(*columns.values(), strict=True):
        yield dict(zip(columns, row, strict=True))


@pytest.mark.parametrize("settings", [{}, *variants()], ids=str)
async def test_envoy_accepts_every_variant(tmp_path: Path, settings: dict[str, Any]) -> None:
    if "gateway_access_log" in settings:
        settings = {**settings, "gateway_access_log": settings["gateway_access_log"].replace("FOLDER", str(tmp_path))}
    files = write_files(GatewaySettings.load(**settings), tmp_path)
    await validate_config(files.candidate)


async def test_a_mistake_in_the_routes_is_found_before_envoy_starts(tmp_path: Path) -> None:
    files = write_files(GatewaySettings.load(), tmp_path)
    files.candidate.write_text(files.candidate.read_text().replace("direct_response:", "direct_respond:"))
    with pytest.raises(EnvoyError, match="direct_respond"):
        await validate_config(files.candidate)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("HOST", "0.0.0.0", "MESHWRIGHT_HOST: 0.0.0.0 would let .* no authentication configured.*ssh -L"),
        ("HOST", "192.168.1.5", "no authentication configured"),
        ("HOST", "::", "no authentication configured"),
        ("HOST", "mesh.example.com", "MESHWRIGHT_HOST"),
        ("PORT", "65536", "MESHWRIGHT_PORT"),
        ("AGENT_ADDRESS", "nowhere", "MESHWRIGHT_AGENT_ADDRESS"),
        ("AGENT_ADDRESS", "127.0.0.1:1,nowhere", "MESHWRIGHT_AGENT_ADDRESS: 'nowhere' is not an address"),
        ("AGENT_ADDRESS", "127.0.0.1:1, 127.0.0.1:1", "MESHWRIGHT_AGENT_ADDRESS: 127.0.0.1:1 is given twice"),
        ("TOOLS_ADDRESS", "unix:/a.sock,tools.test:1", "MESHWRIGHT_TOOLS_ADDRESS: host names and Unix sockets"),
        ("SITE_ADDRESS", ",", "MESHWRIGHT_SITE_ADDRESS: no address is given"),
        ("CORS_ORIGINS", "*", "MESHWRIGHT_CORS_ORIGINS"),
        ("CORS_ORIGINS", "https://a.test/", "MESHWRIGHT_CORS_ORIGINS"),
        ("ALLOWED_HOSTS", "localhost:8080", "MESHWRIGHT_ALLOWED_HOSTS"),
        ("GATEWAY_WORKERS", "0", "MESHWRIGHT_GATEWAY_WORKERS"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, complaint: str) -> None:
    monkeypatch.setenv(f"MESHWRIGHT_{name}", value)
    with pytest.raises(StartupError, match=complaint):
        GatewaySettings.load()


def test_a_network_that_keeps_others_out_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESHWRIGHT_TRUSTED_NETWORK", "true")
    assert GatewaySettings.load(host="0.0.0.0").bind_address == "0.0.0.0"


def section(dump: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = [config for config in dump["configs"] if config["@type"].endswith(name)]
    return found


def connection_manager(dump: dict[str, Any]) -> dict[str, Any]:
    listener = section(dump, ".ListenersConfigDump")["static_listeners"][0]["listener"]
    manager: dict[str, Any] = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return manager


async def test_streams_have_no_timeout_but_the_idle_one(tmp_path: Path) -> None:
    async with running_mesh(tmp_path) as mesh:
        dump = await mesh.gateway.admin.config_dump()
    manager = connection_manager(dump)
    assert manager["stream_idle_timeout"] == "300s"
    assert manager["request_timeout"] == "0s"
    assert "max_stream_duration" not in manager["common_http_protocol_options"]

    (virtual_host, _) = section(dump, ".RoutesConfigDump")["dynamic_route_configs"][0]["route_config"]["virtual_hosts"]
    to_services = [route for route in virtual_host["routes"] if "weighted_clusters" in route.get("route", {})]
    assert {route["name"] for route in to_services} >= {"agent", "tools", "browser", "health", "reflection"}
    for route in to_services:
        assert route["route"]["timeout"] == "0s"
        assert "max_stream_duration" not in route["route"]


async def test_the_filters_stand_in_the_order_that_browsers_need(tmp_path: Path) -> None:
    async with running_mesh(tmp_path) as mesh:
        assert filters(await mesh.gateway.admin.config_dump()) == [*BEFORE, *AFTER]


async def test_tokens_are_checked_before_calls_are_counted(tmp_path: Path) -> None:
    given = authentication(tmp_path)
    del given["mesh_key_file"]
    async with running_mesh(tmp_path, gateway_calls_per_second=1, **given) as mesh:
        assert filters(await mesh.gateway.admin.config_dump()) == [*BEFORE, "token_check", "local_ratelimit", *AFTER]


BEFORE = ("health_check", "ready", "grpc_web", "cors", "csrf")
AFTER = ("grpc_stats", "router")


def filters(dump: dict[str, Any]) -> list[str]:
    return [entry["name"].rpartition(".")[2] for entry in connection_manager(dump)["http_filters"]]


async def test_the_access_log_has_a_line_for_each_request(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    async with running_mesh(tmp_path, gateway_access_log=str(path)) as mesh:
        await mesh.unary(GetAgent)
        with pytest.raises(grpc.aio.AioRpcError):
            await mesh.unary(f"{AGENT}/NoSuchMethod")
        await grpc_web.call(mesh.http, mesh.gateway.address, GetAgent)
        await (await mesh.http.get(mesh.url)).read()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["path"], line["upstream"]) for line in lines] == [
        (GetAgent, "agent"),
        (f"{AGENT}/NoSuchMethod", "agent"),
        (GetAgent, "agent"),
        ("/", "site"),
    ]
    assert [line["grpc_status"] for line in lines[:2]] == ["OK", "Unimplemented"]
    assert all(line["request_id"] and line["status"] == 200 for line in lines)
