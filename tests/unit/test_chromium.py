"""Finding and installing Chromium: the order of the search, Playwright's real installer, a stand-in for apt-get."""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import playwright
import pytest

from meshwright.browser.chromium import ChromiumMissingError, find

ARCHIVED = (
    "chrome-headless-shell-linux64/chrome-headless-shell",
    "chrome-headless-shell-mac-arm64/chrome-headless-shell",
    "chrome-linux/headless_shell",
    "ffmpeg-linux",
    "ffmpeg-mac",
)
NOWHERE = "http://127.0.0.1:9"
SCRIPT = "#!/bin/sh\necho Chromium 1.2.3\n"


def executable(path: Path, text: str = SCRIPT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def revision() -> str:
    browsers = json.loads((Path(playwright.__file__).parent / "driver/package/browsers.json").read_text())["browsers"]
    return next(str(browser["revision"]) for browser in browsers if browser["name"] == "chromium-headless-shell")


def downloaded(cache: Path, of: str) -> Path:
    return executable(cache / f"chromium_headless_shell-{of}/chrome-headless-shell-linux64/chrome-headless-shell")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An empty machine: no program on PATH, nothing downloaded."""
    return {
        "HOME": str(tmp_path / "home"),
        "PATH": str(tmp_path / "bin"),
        "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path / "cache"),
    }


def test_an_empty_machine_has_none(environment: dict[str, str]) -> None:
    assert find(environment) is None


def test_the_setting_wins_over_everything(environment: dict[str, str], tmp_path: Path) -> None:
    mine = executable(tmp_path / "mine" / "chrome")
    executable(tmp_path / "bin" / "chromium")
    downloaded(tmp_path / "cache", revision())
    found = find({**environment, "MESHWRIGHT_CHROMIUM": str(mine)})
    assert found is not None
    assert (found.path, found.source) == (mine, "setting")


@pytest.mark.parametrize("mode", [None, 0o644])
def test_a_setting_that_names_no_executable_is_an_error(
    environment: dict[str, str], tmp_path: Path, mode: int | None
) -> None:
    path = tmp_path / "chrome"
    if mode is not None:
        executable(path).chmod(mode)
    executable(tmp_path / "bin" / "chromium")
    with pytest.raises(ChromiumMissingError, match=r"MESHWRIGHT_CHROMIUM is .*chrome"):
        find({**environment, "MESHWRIGHT_CHROMIUM": str(path)})


def test_playwrights_own_comes_before_the_systems(environment: dict[str, str], tmp_path: Path) -> None:
    executable(tmp_path / "bin" / "chromium")
    own = downloaded(tmp_path / "cache", revision())
    found = find(environment)
    assert found is not None
    assert (found.path, found.source) == (own, "playwright")


def test_a_download_for_another_playwright_is_passed_over(environment: dict[str, str], tmp_path: Path) -> None:
    downloaded(tmp_path / "cache", "1")
    assert find(environment) is None


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        (["chromium", "chromium-headless-shell", "google-chrome"], "chromium-headless-shell"),
        (["google-chrome", "chromium"], "chromium"),
        (["google-chrome"], "google-chrome"),
    ],
)
def test_the_lightest_of_the_systems_is_taken(
    environment: dict[str, str], tmp_path: Path, present: list[str], expected: str
) -> None:
    for name in present:
        executable(tmp_path / "bin" / name)
    found = find(environment)
    assert found is not None
    assert (found.path, found.source) == (tmp_path / "bin" / expected, "system")


class DownloadHost(http.server.ThreadingHTTPServer):
    """Answers every path with an archive of one script under the names that Playwright expects."""

    def __init__(self, script: str) -> None:
        super().__init__(("127.0.0.1", 0), DownloadHandler)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name in ARCHIVED:
                member = zipfile.ZipInfo(name)
                member.external_attr = 0o100755 << 16
                archive.writestr(member, script)
        self.archive = buffer.getvalue()


class DownloadHandler(http.server.BaseHTTPRequestHandler):
    server: DownloadHost

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.archive)))
        self.end_headers()
        self.wfile.write(self.server.archive)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002, the base class's name
        pass


@contextlib.contextmanager
def download_host(script: str = SCRIPT) -> Iterator[str]:
    with DownloadHost(script) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def packages(bin_folder: Path, log: Path, effect: str) -> None:
    """A stand-in for apt-get that logs its arguments and has `effect` on install, and one for sudo."""
    executable(bin_folder / "apt-get", f'#!/bin/sh\necho "$@" >> {log}\ncase "$*" in *install*) {effect};; esac\n')
    executable(bin_folder / "sudo", '#!/bin/sh\n[ "$1" = -n ] && shift\nexec "$@"\n')
    for name in ("env", "cp", "sh", "touch"):
        (bin_folder / name).symlink_to(shutil.which(name) or name)


def install(environment: dict[str, str], **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "meshwright.browser.chromium"]
    return subprocess.run(
        command, env={**environment, **more}, capture_output=True, text=True, timeout=120, check=False
    )


def test_installs_playwrights_download_and_finds_it_again(environment: dict[str, str], tmp_path: Path) -> None:
    with download_host() as host:
        done = install(environment, PLAYWRIGHT_DOWNLOAD_HOST=host)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(tmp_path / "cache" / f"chromium_headless_shell-{revision()}")
    again = install(environment, PLAYWRIGHT_DOWNLOAD_HOST=NOWHERE)
    assert (again.stdout, again.stderr) == (done.stdout, "")


def test_installs_the_libraries_that_the_download_lacks(environment: dict[str, str], tmp_path: Path) -> None:
    libraries = tmp_path / "libraries"
    packages(tmp_path / "bin", tmp_path / "apt.log", f"touch {libraries}")
    with download_host(f"#!/bin/sh\n[ -e {libraries} ]\n") as host:
        done = install(environment, PLAYWRIGHT_DOWNLOAD_HOST=host)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(tmp_path / "cache")
    assert "installing the libraries" in done.stderr


def test_falls_back_to_the_systems_packages(environment: dict[str, str], tmp_path: Path) -> None:
    bin_folder, log = tmp_path / "bin", tmp_path / "apt.log"
    shell = executable(bin_folder / "shell")
    packages(bin_folder, log, f"cp {shell} {bin_folder}/chromium")
    done = install(environment, PLAYWRIGHT_DOWNLOAD_HOST=NOWHERE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(bin_folder / "chromium")
    update, package = log.read_text().splitlines()
    assert update.endswith("update")
    assert "chromium-headless-shell" in package
    assert "that did not work" in done.stderr


def test_says_what_was_tried_and_what_to_do_when_nothing_works(environment: dict[str, str]) -> None:
    done = install(environment, PLAYWRIGHT_DOWNLOAD_HOST=NOWHERE)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "downloading Playwright's headless shell" in done.stderr
    assert "set MESHWRIGHT_CHROMIUM" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_executable_that_does_not_start_is_not_accepted(environment: dict[str, str], tmp_path: Path) -> None:
    executable(tmp_path / "bin" / "chromium", "#!/bin/sh\nexit 127\n")
    done = install(environment, PLAYWRIGHT_DOWNLOAD_HOST=NOWHERE)
    assert done.returncode == 1


def test_the_real_one_on_this_machine_starts() -> None:
    done = install(dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert os.access(done.stdout.strip(), os.X_OK)
