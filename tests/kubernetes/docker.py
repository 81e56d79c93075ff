"""The mesh's images, from Docker: built where they are missing, by a daemon that is started where none runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from tests.kubernetes.program import Program

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
NAMES = ("mesh", "browser")
NEXT = "next"
"""Tag under which the same images stand for a later version."""
START_SECONDS = 60.0


def version() -> str:
    """The version of the checkout, which is the tag of its images."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])


def daemon(folder: Path) -> Iterator[None]:
    """Have a Docker daemon, for as long as the generator is held."""
    assert shutil.which("docker"), "Docker is needed to build the images: apt-get install docker.io"
    if _answers():
        yield
        return
    assert os.geteuid() == 0, "Start Docker; only root can do so here"
    program = Program("dockerd", ["dockerd"], folder)
    try:
        program.wait_until(_answers, START_SECONDS)
        yield
    finally:
        program.stop()


def reference(name: str, tag: str) -> str:
    """An image as nodes know it."""
    return f"docker.io/meshwright/{name}:{tag}"


def archive(path: Path) -> Path:
    """Both images as one archive for a node; they are built first unless they are there."""
    built = version()
    if any(_inspect(name, built) != 0 for name in NAMES):
        subprocess.run(["make", "images"], cwd=ROOT, check=True, timeout=3600)
    _docker("save", "--output", str(path), *(f"meshwright/{name}:{built}" for name in NAMES))
    return path


def _inspect(name: str, tag: str) -> int:
    command = ["docker", "image", "inspect", f"meshwright/{name}:{tag}"]
    return subprocess.run(command, check=False, capture_output=True).returncode


def _answers() -> bool:
    return subprocess.run(["docker", "info"], check=False, capture_output=True).returncode == 0


def _docker(*words: str) -> None:
    subprocess.run(["docker", *words], check=True, stdout=subprocess.DEVNULL, timeout=600)
