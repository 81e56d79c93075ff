"""The two versions of the mesh that are installed, each with images and a chart: this checkout's, and the one released before it."""

from __future__ import annotations

import subprocess
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

from tests.kubernetes.docker import COMMAND, docker
from tests.support.previous_version import ROOT, previous_version

NAMES = ("mesh", "browser")
VALUES = Path(__file__).with_name("values.yaml")
VALUES_OF_PRESENT = Path(__file__).with_name("values-of-present.yaml")
"""What the chart of the version before does not know."""
BUILD_SECONDS = 3600


@dataclass(frozen=True)
class Version:
    """A version by the tree that it is built from."""

    tag: str
    """Of its images, and what its programs call themselves."""
    sources: Path
    values: tuple[Path, ...]
    """Files of values for the tests, of which a later one wins."""

    @property
    def chart(self) -> Path:
        """The chart that came with it."""
        return self.sources / "helm" / "meshwright"

    @property
    def images(self) -> list[str]:
        """Its images, as Docker calls them."""
        return [f"meshwright/{name}:{self.tag}" for name in NAMES]

    def build(self) -> None:
        """Build its images. Docker keeps every step, so one that is there already takes seconds."""
        began = time.monotonic()
        print(f"\n==> Building the images of {self.tag}", flush=True)
        command = ["make", "-C", str(self.sources), "images", f"DOCKER={COMMAND}", f"TAG={self.tag}"]
        subprocess.run(command, check=True, timeout=BUILD_SECONDS)
        sizes = docker("image", "inspect", "--format={{index .RepoTags 0}} {{.Size}}", *self.images).split("\n")
        print(f"    {time.monotonic() - began:.0f} s; {', '.join(map(_in_megabytes, filter(None, sizes)))}", flush=True)


def present() -> Version:
    """The version of this checkout."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return Version(str(tomllib.load(file)["project"]["version"]), ROOT, (VALUES, VALUES_OF_PRESENT))


def previous() -> Version:
    """The version before it, from its release's commit."""
    release = previous_version()
    return Version(release.version, release.sources, (VALUES,))


def archive(versions: list[Version], path: Path) -> Path:
    """Their images as one archive for a node."""
    docker("save", "--output", str(path), *(image for version in versions for image in version.images))
    return path


def _in_megabytes(image: str) -> str:
    name, size = image.split()
    return f"{name} {int(size) / 1e6:.0f} MB"
