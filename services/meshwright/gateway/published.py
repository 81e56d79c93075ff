"""Files that Envoy watches: all of a folder's files change at once, by one rename."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CURRENT = "current"


def current_file(directory: Path, name: str) -> Path:
    """The path under which Envoy reads the file of a watched directory."""
    return directory / CURRENT / name


def publish(directory: Path, name: str, text: str, links: Mapping[str, Path] | None = None) -> None:
    """Put `text` into force for an Envoy that watches `directory`, together with links to files elsewhere.

    Envoy reacts to the rename of the link `current`, within milliseconds. It checks the file itself: one that it
    refuses leaves the former one in force.
    """
    current = directory / CURRENT
    former = current.resolve() if current.is_symlink() else None
    number = int(former.name) + 1 if former else 1
    generation = directory / f"{number:06}"
    generation.mkdir(parents=True)
    (generation / name).write_text(text, encoding="utf-8")
    for link_name, target in (links or {}).items():
        (generation / link_name).symlink_to(target.absolute())
    link = directory / f"{CURRENT}.next"
    link.symlink_to(generation.name)
    os.replace(link, current)  # noqa: PTH105  # says better what matters here: one atomic step
    if former:
        shutil.rmtree(former)


def next_generation(directory: Path) -> Path:
    """The folder that the files published next will be in."""
    current = directory / CURRENT
    number = int(current.resolve().name) + 1 if current.is_symlink() else 1
    return directory / f"{number:06}"
