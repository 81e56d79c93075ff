"""What is checked before anything starts."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# One module of each extra package without which a service does not even import.
NEEDED = (
    "aiohttp",
    "envoy",
    "grpc_health",
    "lightkube",
    "msgspec",
    "obstore",
    "playwright",
    "pydantic_settings",
    "re2",
    "starlette",
    "uvicorn",
    "uvloop",
)

# Of these, what some services alone import; an image without them does not have it.
NEEDED_BY_SOME = {
    "envoy": ("gateway", "browser"),
    "lightkube": ("gateway", "deletion-cost"),
    "obstore": ("agent", "tools"),
    "playwright": ("browser",),
    "re2": ("tools",),
    "starlette": ("site",),
    "uvicorn": ("site",),
}


SERVICES = ("agent", "tools", "browser", "gateway", "site")


class CannotStartError(Exception):
    """The mesh cannot start. The message says why and what to do."""


def check_packages(service: str | None = None) -> None:
    """Raise CannotStartError where only the SDK is installed, or what else the service, or all of them, cannot do without is missing."""
    missing = missing_packages(service)
    if missing:
        raise CannotStartError(
            'This installation has the SDK only. To run a mesh: pip install "meshwright[server]"\n'
            f"(missing: {', '.join(missing)})"
        )


def missing_packages(service: str | None = None) -> list[str]:
    """What the service, or all of them, need and is not installed."""
    needed = (name for name in NEEDED if service is None or service in NEEDED_BY_SOME.get(name, (service,)))
    return [name for name in needed if find_spec(name) is None]


def services_that_can_start() -> list[str]:
    """The services that have all packages that they need; an image has some of them."""
    return [service for service in SERVICES if not missing_packages(service)]


def check_clear_text() -> None:
    """Raise CannotStartError where the gateway should speak TLS: what starts and watches it here speaks to it in clear text."""
    if os.environ.get("MESHWRIGHT_TLS_CERTIFICATE"):
        raise CannotStartError(
            "`meshwright up` serves this machine without TLS. Unset MESHWRIGHT_TLS_CERTIFICATE and put a proxy that ends TLS before it, "
            "or run the services one by one: meshwright serve gateway"
        )


async def check_store() -> None:
    """Raise CannotStartError where the shared store of the settings does not answer: the agent would wait, and nobody would see why."""
    url = os.environ.get("MESHWRIGHT_STORE_URL")
    if not url:
        return
    # Imported here: a mesh with a file for its store should not wait for a client library.
    from meshwright.store.redis.store import RedisStore
    from meshwright.store.refusals import StoreUnusableError

    try:
        store = await RedisStore.open(url)
        try:
            problem = await store.problem()
        finally:
            await store.close()
    except StoreUnusableError as error:
        raise CannotStartError(str(error)) from error
    if problem:
        raise CannotStartError(
            f"The mesh would wait for {problem}.\nStart it, or correct MESHWRIGHT_STORE_URL; without it the store is a file."
        )


def check_port(host: str, port: int) -> int:
    """The port, or a free one for 0. Raises CannotStartError where it cannot be listened on."""
    address = "127.0.0.1" if host == "localhost" else host
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
            probe.listen()
            return int(probe.getsockname()[1])
    except OSError as error:
        raise CannotStartError(_complaint(error, host, port)) from error


def _complaint(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} is in use.\n"
            "Perhaps by a mesh that runs already: `meshwright doctor` tells. Stop what uses it, or choose another port: "
            f"meshwright up --port {port + 1 if port < 65535 else port - 1}"
        )
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights than this user has. Choose one from 1024 up: meshwright up --port 8080"
    return f"Cannot listen on {host}: {os.strerror(error.errno or 0)}. Choose an address of this machine with --host."


def lock_folder(folder: Path) -> IO[str]:
    """Keep other meshes out of a data folder for as long as the file is open. Raises CannotStartError."""
    lock = (folder / "up.lock").open("a+", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        owner = lock.read().strip() or "unknown"
        lock.close()
        raise CannotStartError(
            f"A mesh that runs already (process {owner}) uses the data folder {folder}.\n"
            "Stop it, or choose another folder: meshwright up --data-dir FOLDER"
        ) from error
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock
