"""The sync SDK offers what the asynchronous one does, under the same names and with the same arguments."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import meshwright.client as asynchronous
from meshwright.client import sync

# Leaving a stream, and the shortcut for many events, are what iterators and `with` do without await.
NOT_NEEDED = {"aclose", "batch"}


def surface(cls: type) -> dict[str, list[str]]:
    members = inspect.getmembers(cls, lambda member: callable(member) or isinstance(member, property))
    return {
        name: list(inspect.signature(member).parameters) if callable(member) else []
        for name, member in members
        if not name.startswith("_") and name not in NOT_NEEDED
    }


@pytest.mark.parametrize("name", sync.__all__)
def test_nothing_is_missing_and_nothing_differs(name: str) -> None:
    assert surface(getattr(sync, name)) == surface(getattr(asynchronous, name))


@pytest.mark.parametrize("heavy", ["grpc", "google.protobuf", "asyncio", "rich", "typer"])
def test_importing_the_package_costs_nothing(heavy: str) -> None:
    check = f"import meshwright, sys; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_the_sdk_needs_no_part_of_the_server() -> None:
    extras = ("pydantic", "structlog", "uvloop", "msgspec", "aiohttp", "opentelemetry", "playwright", "rich", "typer")
    check = f"import meshwright.client.sync, sys; sys.exit(' '.join(set({extras!r}) & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
