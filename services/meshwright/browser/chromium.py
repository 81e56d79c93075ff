"""Where the Chromium executable is, and how to get one.

`find` only looks at the disk. `install` tries Playwright's own download and then the system's packages. Run as a
program (`python -m meshwright.browser.chromium`) it installs what is missing and prints the executable's path.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

SETTING = "MESHWRIGHT_CHROMIUM"
SYSTEM_NAMES = (
    "chromium-headless-shell",
    "chromium",
    "google-chrome",
    "google-chrome-stable",
    "chromium-browser",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
# A headless shell draws no text at all on a machine without fonts, and the packages only recommend some.
APT_PACKAGES = ("chromium-headless-shell", "fonts-liberation")
DOWNLOAD_SECONDS = 300.0
APT_SECONDS = 600.0
START_SECONDS = 20.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Chromium:
    """An executable that can serve as the mesh's browser."""

    path: Path
    source: Literal["setting", "playwright", "system"]
    """`setting`: named by MESHWRIGHT_CHROMIUM; `playwright`: downloaded by Playwright; `system`: on the machine."""


class ChromiumMissingError(Exception):
    """No usable Chromium. The message says what was tried and what to do next."""


def find(environment: Mapping[str, str] | None = None) -> Chromium | None:
    """The executable to use, or None. MESHWRIGHT_CHROMIUM first, then Playwright's headless shell, then the system's.

    Raises:
        ChromiumMissingError: MESHWRIGHT_CHROMIUM is set and names no executable file. It is never passed over.
    """
    environment = os.environ if environment is None else environment
    if configured := environment.get(SETTING):
        found = shutil.which(configured, path=environment.get("PATH"))
        if found is None:
            raise ChromiumMissingError(
                f"{SETTING} is {configured!r}, which is not an executable file. Correct it, or unset it to have one "
                "found."
            )
        return Chromium(Path(found), "setting")
    for path in _playwright_executables(environment):
        return Chromium(path, "playwright")
    for name in SYSTEM_NAMES:
        if found := shutil.which(name, path=environment.get("PATH")):
            return Chromium(Path(found), "system")
    return None


def version(chromium: Chromium) -> str | None:
    """What `--version` prints, or None where the executable does not start, for example for want of a library."""
    try:
        done = subprocess.run(
            [chromium.path, "--version"], capture_output=True, text=True, timeout=START_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def install(say: Say) -> Chromium:
    """A Chromium that starts: the one that is there, or else Playwright's download, or else the system's package.

    Blocks for minutes at most. Every step is announced through `say`, a line each.

    Raises:
        ChromiumMissingError: nothing worked.
    """
    found = find()
    if found is not None and (found.source == "setting" or version(found) is not None):
        return found
    tried = []
    for what, command, limit in _recipes():
        say(f"Chromium: {what}")
        failure = _failure(command, limit)
        found = find()
        if failure is None and found is not None and version(found) is not None:
            say(f"Chromium: {found.path}")
            return found
        tried.append(f"  {what}: {failure or 'it does not start'}")
        say(f"Chromium: that did not work ({failure or 'it does not start'})")
    raise ChromiumMissingError(
        "No Chromium could be found or installed. Tried:\n"
        + "\n".join(tried)
        + "\nInstall one by hand (Debian, Ubuntu: `apt-get install chromium`; Fedora: `dnf install chromium-headless`; "
        f"macOS: `brew install --cask google-chrome`), or set {SETTING} to the path of a Chromium or Chrome executable."
    )


def _playwright_executables(environment: Mapping[str, str]) -> Iterator[Path]:
    """Headless shells of the revision that the installed Playwright was built for, where they have been downloaded."""
    spec = find_spec("playwright")
    if spec is None or spec.origin is None:
        return
    package = Path(spec.origin).parent / "driver" / "package"
    try:
        browsers = json.loads((package / "browsers.json").read_text(encoding="utf-8"))["browsers"]
    except (OSError, ValueError, KeyError):
        return
    for browser in browsers:
        if browser.get("name") == "chromium-headless-shell":
            folder = _playwright_cache(environment, package) / f"chromium_headless_shell-{browser['revision']}"
            for name in ("chrome-headless-shell", "headless_shell"):
                yield from (path for path in sorted(folder.glob(f"*/{name}")) if os.access(path, os.X_OK))


def _playwright_cache(environment: Mapping[str, str], package: Path) -> Path:
    """The folder of Playwright's downloads, by Playwright's own rules."""
    configured = environment.get("PLAYWRIGHT_BROWSERS_PATH")
    if configured == "0":
        return package / ".local-browsers"
    if configured:
        return Path(configured).expanduser()
    home = Path(environment.get("HOME") or Path.home())
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "ms-playwright"
    return Path(environment.get("XDG_CACHE_HOME") or home / ".cache") / "ms-playwright"


def _recipes() -> Iterator[tuple[str, Sequence[Sequence[str]], float]]:
    """What to try, in order: a description, the commands and the time that each command may take."""
    playwright = [sys.executable, "-m", "playwright"]
    yield (
        "downloading Playwright's headless shell (about 110 MB)",
        [[*playwright, "install", "chromium-headless-shell"]],
        DOWNLOAD_SECONDS,
    )
    rights = _rights()
    if shutil.which("apt-get") is None or rights is None:
        return
    with_apt = " ".join(["with", *rights, "apt-get"])
    if any(_playwright_executables(os.environ)):
        libraries = [*rights, *playwright, "install-deps", "chromium-headless-shell"]
        yield f"installing the libraries that it needs {with_apt}", [libraries], APT_SECONDS
    apt = [*rights, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]
    commands = [[*apt, "update"], [*apt, "install", "-y", "--no-install-recommends", *APT_PACKAGES]]
    yield f"installing {' and '.join(APT_PACKAGES)} {with_apt}", commands, APT_SECONDS


def _rights() -> list[str] | None:
    """What to put before a command that only root may run; None where there is no way to run it."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        return None
    return ["sudo"] if sys.stdin.isatty() else ["sudo", "-n"]


def _failure(commands: Sequence[Sequence[str]], limit: float) -> str | None:
    """Run the commands in turn, each within `limit` seconds; the last words of the first that fails, or None."""
    for command in commands:
        try:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=limit, check=False
            )
        except OSError as error:
            return str(error)
        except subprocess.TimeoutExpired:
            return f"no answer within {limit:.0f} s"
        if done.returncode != 0:
            lines = [line.strip() for line in done.stdout.splitlines()]
            reasons = [line for line in lines if line.lower().startswith(("error", "e:", "sudo:"))]
            return reasons[0] if reasons else f"exit code {done.returncode}"
    return None


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def main() -> int:
    """Install what is missing; the path on standard output, everything else on standard error."""
    try:
        chromium = install(_say)
    except ChromiumMissingError as error:
        _say(str(error))
        return 1
    sys.stdout.write(f"{chromium.path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
