"""The command line as such: what it costs to start, its help, its settings, what it checks before anything starts."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from meshwright.agent.settings import AgentSettings
from meshwright.cli.doctor.finding import Verdict
from meshwright.cli.doctor.installation import check_installation
from meshwright.cli.doctor.operation import check_settings
from meshwright.cli.exit_codes import ExitCode
from meshwright.cli.main import app
from meshwright.cli.serve import SERVICES
from meshwright.cli.up import checks
from meshwright.cli.up.checks import CannotStartError, check_packages, check_port, lock_folder
from meshwright.cli.up.plan import Plan, make_runtime_dir
from meshwright.serving.settings import documented
from tests.support.mesh_process import MESHWRIGHT, clean_environment

COMMANDS = ("up", "serve", "run", "chat", "sessions", "traffic", "doctor", "settings", "version")


def meshwright(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [MESHWRIGHT, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=clean_environment(**environment),
    )


@pytest.mark.parametrize("heavy", ["grpc", "google.protobuf", "rich", "pydantic", "asyncio", "meshwright.client"])
def test_help_does_not_wait_for_what_commands_need(heavy: str) -> None:
    check = f"import meshwright.cli.main, sys; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


@pytest.mark.parametrize("heavy", ["typer", "rich", "meshwright.client"])
def test_a_service_does_not_carry_the_command_line_with_it(heavy: str) -> None:
    check = f"import meshwright.cli.serve, sys; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_every_command_explains_itself_and_its_exit_codes() -> None:
    cli = CliRunner()
    listed = cli.invoke(app, ["--help"])
    assert listed.exit_code == 0
    for command in COMMANDS:
        assert f"\n  {command} " in listed.stdout
        told = cli.invoke(app, [command, "--help"], prog_name="meshwright").stdout
        assert "Usage: meshwright" in told
        assert "Exit codes: 0" in told or command in ("settings", "traffic", "version")


def test_the_version_is_the_packages() -> None:
    for asked in ("version", "--version"):
        told = meshwright(asked)
        assert (told.returncode, told.stdout) == (0, f"meshwright {version('meshwright')}\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serve", "kitchen"], "is none of agent, tools, browser, gateway, site"),
        (["settings", "--format", "xml"], "is none of text, markdown, json"),
        (["settings", "kitchen"], "is none of agent"),
        (["up", "--port", "70000"], "--port"),
    ],
)
def test_wrong_words_are_refused_with_the_right_ones(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(app, arguments)
    assert (done.exit_code, said in done.stderr, done.stdout) == (ExitCode.USAGE, True, "")


def test_every_setting_is_listed_with_its_meaning() -> None:
    rows = {row["variable"]: row for row in json.loads(meshwright("settings", "--format", "json").stdout)}
    for setting in documented(AgentSettings):
        row = rows[setting.variable]
        assert "agent" in row["used_by"]
        assert row["description"]
    assert set(SERVICES) == {name for row in rows.values() for name in row["used_by"]}
    assert rows["MESHWRIGHT_PORT"]["default"] == "8080"


def test_what_is_set_is_shown_but_keys_are_not() -> None:
    done = meshwright("settings", MESHWRIGHT_PORT="9000", MESHWRIGHT_OPENAI_API_KEY="sk-secret")
    assert "MESHWRIGHT_PORT  = 9000" in done.stdout
    assert "MESHWRIGHT_OPENAI_API_KEY  = (set)" in done.stdout
    assert "sk-secret" not in done.stdout
    table = meshwright("settings", "browser", "--format", "markdown").stdout.splitlines()
    assert table[1] == "| --- | --- | --- | --- | --- |"
    assert all("browser" in line for line in table[2:])


def test_what_an_installation_lacks_is_told_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    check_packages()
    monkeypatch.setattr(checks, "NEEDED", ("grpc", "not_installed_here"))
    with pytest.raises(CannotStartError, match="not_installed_here") as refusal:
        check_packages()
    assert 'pip install "meshwright[server]"' in str(refusal.value)


def test_what_some_services_need_keeps_no_other_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "NEEDED", ("grpc", "not_installed_here"))
    monkeypatch.setattr(checks, "NEEDED_BY_SOME", {"not_installed_here": ("browser", "gateway")})
    check_packages("agent")
    with pytest.raises(CannotStartError, match="not_installed_here"):
        check_packages("browser")


def test_the_doctor_of_an_image_looks_at_what_its_services_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "NEEDED", ("grpc", "not_installed_here"))
    monkeypatch.setattr(checks, "NEEDED_BY_SOME", {"not_installed_here": ("browser", "gateway")})
    findings = {it.subject: it for it in check_installation(mesh_elsewhere=False)}
    assert list(findings) == ["python", "meshwright", "server", "page"]
    assert findings["server"].verdict is Verdict.NOTE
    assert "the packages of agent, tools, site are installed" in findings["server"].text


def test_the_doctor_asks_for_no_folder_here_when_the_mesh_is_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MESHWRIGHT_DATA_DIR", str(tmp_path / "file" / "data"))
    verdicts = [
        {it.subject: it.verdict for it in check_settings(mesh_elsewhere)}["data"] for mesh_elsewhere in (False, True)
    ]
    assert verdicts == [Verdict.MISSING, Verdict.NOTE]


def test_up_does_not_pretend_to_speak_tls(tmp_path: Path) -> None:
    ended = meshwright("up", "--data-dir", str(tmp_path), MESHWRIGHT_TLS_CERTIFICATE="/etc/tls.crt")
    assert (ended.returncode, "MESHWRIGHT_TLS_CERTIFICATE" in ended.stderr) == (ExitCode.USAGE, True)


def test_traffic_explains_its_commands() -> None:
    for command in ("show", "set", "rollback"):
        assert "Exit codes: 0" in CliRunner().invoke(app, ["traffic", command, "--help"]).stdout


def test_a_port_in_use_is_told_before_anything_starts() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotStartError, match=f"Port {port} is in use") as refusal:
            check_port("127.0.0.1", port)
        assert f"meshwright up --port {port + 1}" in str(refusal.value)
    assert check_port("localhost", port) == port
    assert check_port("127.0.0.1", 0) > 0


def test_an_address_of_another_machine_cannot_be_listened_on() -> None:
    with pytest.raises(CannotStartError, match=r"Cannot listen on 192\.0\.2\.1"):
        check_port("192.0.2.1", 8080)


def test_a_data_folder_belongs_to_one_mesh_at_a_time(tmp_path: Path) -> None:
    with lock_folder(tmp_path), pytest.raises(CannotStartError, match=f"process {os.getpid()}"):
        lock_folder(tmp_path)
    lock_folder(tmp_path).close()


def test_folders_of_dead_meshes_are_swept_and_those_of_living_ones_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    dead, strange = tmp_path / f"meshwright-{ended.pid}-abc", tmp_path / "meshwright-notes"
    for folder in (dead, strange):
        folder.mkdir()
    mine = make_runtime_dir()
    assert mine.parent == tmp_path
    assert mine.stat().st_mode & 0o777 == 0o700
    another = make_runtime_dir()
    assert {path.name for path in tmp_path.iterdir()} == {mine.name, another.name, strange.name}


def test_services_find_each_other_by_sockets_and_only_the_gateway_has_a_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESHWRIGHT_LISTEN", "0.0.0.0:1")
    monkeypatch.setenv("MESHWRIGHT_STOP_GRACE", "9")
    plan = Plan("127.0.0.1", 8080, tmp_path, Path("/run/x"), {"MESHWRIGHT_MODEL": "offline"})
    agent, gateway = plan.environment("agent"), plan.environment("gateway")
    assert agent["MESHWRIGHT_LISTEN"] == "unix:/run/x/agent.sock"
    assert "MESHWRIGHT_LISTEN" not in gateway
    for environment in (agent, gateway):
        assert environment["MESHWRIGHT_TOOLS_ADDRESS"] == "unix:/run/x/tools.sock"
        assert environment["MESHWRIGHT_PORT"] == "8080"
        assert environment["MESHWRIGHT_MODEL"] == "offline"
        assert environment["MESHWRIGHT_STOP_GRACE"] == "9", "what a person has set stays"
        assert environment["MESHWRIGHT_GATEWAY_DRAIN_SECONDS"] == "2"
    assert plan.url == "http://localhost:8080"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:9464", ["127.0.0.1:9464", "127.0.0.1:9465", "127.0.0.1:9466"]),
        ("[::1]:1", ["[::1]:1", "[::1]:2", "[::1]:3"]),
        ("127.0.0.1:0", ["127.0.0.1:0"] * 3),
        ("nonsense", ["nonsense"] * 3),
    ],
)
def test_each_service_has_a_port_of_its_own_for_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, expected: list[str]
) -> None:
    monkeypatch.setenv("MESHWRIGHT_METRICS_ADDRESS", address)
    plan = Plan("127.0.0.1", 8080, tmp_path, Path("/run/x"), {})
    services = ("agent", "tools", "browser")
    assert [plan.environment(service)["MESHWRIGHT_METRICS_ADDRESS"] for service in services] == expected


@pytest.mark.parametrize(
    ("service", "gets"),
    [("agent", {"OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY"}), ("tools", {"AWS_SECRET_ACCESS_KEY"}), ("browser", set())],
)
def test_a_service_gets_only_the_secrets_that_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: str, gets: set[str]
) -> None:
    secrets = {"OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY"}
    for name in secrets:
        monkeypatch.setenv(name, "secret")
    environment = Plan("127.0.0.1", 8080, tmp_path, Path("/run/x"), {}).environment(service)
    assert secrets & set(environment) == gets
