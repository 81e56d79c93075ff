"""Files beneath a folder: no race leads out of it."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

from meshwright.serving.errors import MeshError
from meshwright.tools.file_root import FileRoot
from meshwright.tools.workspace_quota import WorkspaceQuota

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ATTEMPTS = 3000
PATIENCE = 60.0


def race(folder: Path, attempt: Callable[[], None], enough: Callable[[], bool] = lambda: True) -> None:
    """Makes the attempt again and again, until it is enough, while `inside/d` is swapped for a link to `outside` and back."""
    inside, outside = folder / "inside", folder / "outside"
    real, link, swapped = inside / "real", inside / "link", inside / "d"
    (real / "below").mkdir(parents=True)
    (real / "below/f").write_text("own")
    (outside / "below").mkdir(parents=True)
    (outside / "below/f").write_text("secret")
    done = threading.Event()

    def swap() -> None:
        for number in count():
            if done.is_set():
                return
            # A write may have made a folder of its own here; it is put aside.
            with suppress(OSError):
                link.symlink_to(outside)
                link.replace(swapped)
            with suppress(OSError):
                swapped.unlink()
                real.rename(swapped)
                swapped.rename(real)
            if swapped.exists():
                swapped.rename(inside / f"aside{number}")
            link.unlink(missing_ok=True)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        for _ in range(ATTEMPTS):
            attempt()
        deadline = time.monotonic() + PATIENCE
        while not enough() and time.monotonic() < deadline:
            attempt()
    finally:
        done.set()
        swapping.join()


def test_a_folder_swapped_for_a_link_in_the_middle_of_a_read_shows_nothing_of_what_it_leads_to(tmp_path: Path) -> None:
    root = FileRoot(tmp_path / "inside")
    seen = set()

    def read() -> None:
        try:
            seen.add(root.read(("d", "below", "f"), 100))
        except MeshError as error:
            seen.add(error.reason_name.encode())

    race(tmp_path, read, lambda: len(seen) > 1)
    assert seen <= {b"own", b"FILE_NOT_FOUND", b"PATH_OUTSIDE_WORKSPACE"}
    assert len(seen) > 1


def test_a_folder_swapped_for_a_link_in_the_middle_of_a_write_leaves_what_it_leads_to_alone(tmp_path: Path) -> None:
    root = FileRoot(tmp_path / "inside", quota=WorkspaceQuota(10**9, 10**6))
    answers: set[str] = set()

    def write() -> None:
        try:
            root.write(("d", "below", "g"), b"mine")
            answers.add("")
        except MeshError as error:
            answers.add(error.reason_name)

    (tmp_path / "inside").mkdir()
    race(tmp_path, write)
    assert answers <= {"", "FILE_NOT_FOUND", "PATH_OUTSIDE_WORKSPACE"}
    assert [file.name for file in (tmp_path / "outside").rglob("*")] == ["below", "f"]


def test_a_walk_shows_nothing_of_what_a_link_leads_to(tmp_path: Path) -> None:
    root = FileRoot(tmp_path / "inside")
    seen: set[str] = set()

    def walk() -> None:
        seen.update("/".join(entry.parts) for entry in root.entries((), recursive=True) if entry.size == len("secret"))

    race(tmp_path, walk)
    assert seen == set()
