"""What the images and compose.yaml are made of: everything named is there, hardened, and known to the services."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from importlib.metadata import distributions, packages_distributions, requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from meshwright.agent.settings import AgentSettings
from meshwright.browser.settings import BrowserSettings
from meshwright.cli.up.checks import NEEDED_BY_SOME, SERVICES
from meshwright.gateway.settings import GatewaySettings
from meshwright.serving.settings import MeshSettings, documented
from meshwright.site.settings import SiteSettings
from meshwright.tools.settings import ToolSettings

ROOT = Path(__file__).parents[2]
SERVICES_FOLDER = ROOT / "services/meshwright"
DOCKERFILE = (ROOT / "images/Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SETTINGS: dict[str, type[MeshSettings]] = {
    "agent": AgentSettings,
    "tools": ToolSettings,
    "browser": BrowserSettings,
    "gateway": GatewaySettings,
    "site": SiteSettings,
}
NEEDED_BY_CHROMIUMS_SANDBOX = {"chroot", "clone", "clone3", "setns", "unshare", "seccomp", "prctl"}
NEVER = {"bpf", "delete_module", "init_module", "io_uring_setup", "kexec_load", "keyctl", "mount", "move_mount"} | {
    *("open_by_handle_at", "perf_event_open", "pivot_root", "process_vm_writev", "ptrace", "reboot", "request_key"),
    *("settimeofday", "swapon", "syslog", "umount2", "userfaultfd"),
}


def copied() -> set[str]:
    """What the build takes from the checkout."""
    instructions = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    return {source for instruction in instructions for source in instruction.split()[:-1]}


def test_everything_that_the_build_takes_is_there_and_let_through() -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    passed = [rule.removeprefix("!/") for rule in rules if rule.startswith("!/")]
    for source in copied():
        assert (ROOT / source).exists(), source
        assert any(source == it or source.startswith(f"{it}/") for it in passed), source


def test_the_build_sees_nothing_but_what_it_takes() -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in rules
    for it in (rule.removeprefix("!/") for rule in rules if rule.startswith("!/")):
        assert any(source == it or source.startswith(f"{it}/") for source in copied()), it


def test_images_run_as_nobody_in_particular() -> None:
    for stage in re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]:
        name = stage.split()[2]
        users = re.findall(r"^USER (\S+)", stage, re.MULTILINE)
        if name in ("runtime", "browser"):
            assert users[-1] == "10001:10001"
        if name in ("mesh", "shared"):
            assert stage.split()[0] == {"mesh": "shared", "shared": "runtime"}[name]
            assert not users


def test_every_package_from_a_registry_is_held_to_its_hash() -> None:
    assert DOCKERFILE.count("--require-hashes") == len(re.findall(r"pip install(?!.*--no-deps)", DOCKERFILE))
    assert "npm --prefix web ci" in DOCKERFILE


def left_out_of(image: str) -> set[str]:
    return set((ROOT / f"images/not-in-{image}.txt").read_text().split("\n", 1)[1].split())


def locked() -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements/server.txt").read_text(), re.MULTILINE))


def needed_by(package: str) -> set[str]:
    """What the package asks for, of what is locked."""
    asked = (Requirement(line) for line in requires(package) or ())
    plain = (it for it in asked if it.marker is None or it.marker.evaluate({"extra": ""}))
    return {str(canonicalize_name(it.name)) for it in plain} & locked()


@pytest.mark.parametrize("image", ["browser", "mesh"])
def test_what_is_left_out_of_an_image_is_not_asked_for_by_what_is_in_it(image: str) -> None:
    left_out = left_out_of(image)
    assert left_out <= locked()
    for package in installed() - left_out:
        assert not needed_by(package) & left_out, package


def test_what_only_left_out_packages_ask_for_is_left_out_of_the_browser_image_too() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    named = {
        canonicalize_name(Requirement(line).name)
        for line in (*project["dependencies"], *extras["server"], *extras["models"])
    }
    asked_for = set[str]().union(*(needed_by(package) for package in installed() - left_out_of("browser")))
    # Extras that the project names bring what no plain requirement does.
    assert installed() - left_out_of("browser") - asked_for - named <= {"cryptography"}


def installed() -> set[str]:
    """What is locked, for this machine."""
    there = {canonicalize_name(it.metadata["Name"]) for it in distributions()}
    return locked() & there


def test_the_browser_service_imports_nothing_that_its_image_leaves_out() -> None:
    left_out = left_out_of("browser")
    modules = {
        name
        for name, packages in packages_distributions().items()
        if {canonicalize_name(it) for it in packages} <= left_out
    }
    waiting = list((SERVICES_FOLDER / "browser").rglob("*.py"))
    seen: set[Path] = set()
    while waiting:
        if (file := waiting.pop()) in seen:
            continue
        seen.add(file)
        names = imported(file)
        assert not {name.partition(".")[0] for name in names} & modules, file
        ours = (SERVICES_FOLDER.parent / name.replace(".", "/") for name in names if name.startswith("meshwright."))
        waiting += [
            it for path in ours if (it := path.with_suffix(".py")).exists() or (it := path / "__init__.py").exists()
        ]


def imported(file: Path) -> set[str]:
    """The modules that a module imports at any time, but for its types."""
    tree = ast.parse(file.read_text())
    typing = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    names: set[str] = set()
    for node in set(ast.walk(tree)) - typing:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_an_image_tells_which_services_it_cannot_start() -> None:
    """By packages that the services ask for and `meshwright serve` looks for."""
    assert {"browser"} == {it for name in NEEDED_BY_SOME if name in left_out_of("mesh") for it in NEEDED_BY_SOME[name]}
    missing = {"lightkube", "obstore", "starlette", "uvicorn"} & left_out_of("browser")
    assert {it for name in missing for it in NEEDED_BY_SOME[name]} >= set(SERVICES) - {"browser"}
    assert not any("browser" in NEEDED_BY_SOME[name] for name in missing)


def test_the_seccomp_profile_lets_chromium_build_its_sandbox_and_little_else() -> None:
    profile = json.loads((ROOT / "images/chromium-seccomp.json").read_text())
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    allowed = {name for rule in profile["syscalls"] for name in rule["names"]}
    assert {rule["action"] for rule in profile["syscalls"]} == {"SCMP_ACT_ALLOW"}
    assert allowed >= NEEDED_BY_CHROMIUMS_SANDBOX
    assert not NEVER & allowed
    (sockets,) = (rule for rule in profile["syscalls"] if "socket" in rule["names"])
    assert sockets["args"] == [{"index": 0, "value": 40, "op": "SCMP_CMP_NE"}]


@pytest.mark.parametrize("service", SETTINGS)
def test_compose_runs_each_service_hardened_and_with_settings_that_it_knows(service: str) -> None:
    it = COMPOSE["services"][service]
    assert it["command"] == ["serve", service]
    assert it["read_only"] is True
    assert it["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in it["security_opt"]
    known = {row.variable for row in documented(SETTINGS[service])}
    assert {name for name in it["environment"] if name.startswith("MESHWRIGHT_")} <= known


def test_compose_gives_gateway_and_browser_a_network_that_neither_takes_away() -> None:
    services = COMPOSE["services"]
    sharing = {name for name, it in services.items() if it.get("network_mode") == "service:network"}
    assert sharing == {"gateway", "browser"}
    assert set(services["network"]["networks"]["default"]["aliases"]) == sharing
    assert services["network"]["cap_drop"] == ["ALL"]
    assert services["network"]["entrypoint"] == ["tini", "--", "sleep", "infinity"]


def test_compose_publishes_the_gateway_alone_and_on_this_machine_only() -> None:
    published = {name: it["ports"] for name, it in COMPOSE["services"].items() if "ports" in it}
    assert published == {"network": ["127.0.0.1:${MESHWRIGHT_PORT:-8080}:8080"]}


def test_compose_builds_what_the_project_is_called() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    for service in SETTINGS:
        image = COMPOSE["services"][service]["image"]
        assert image.endswith(f":${{MESHWRIGHT_TAG:-{version[1]}}}")
        assert COMPOSE["services"][service]["build"]["target"] == ("browser" if service == "browser" else "mesh")
