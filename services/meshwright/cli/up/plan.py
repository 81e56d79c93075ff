"""Where everything of a mesh is: addresses, folders, environments."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICES = ("gateway", "agent", "tools", "browser", "site")
METERED = ("agent", "tools", "browser")
"""The services that have metrics, in the order of their ports."""
HERE = ("127.0.0.1", "localhost", "::1", "0.0.0.0", "::")  # noqa: S104 (listened on by who says so; reached by this name)
PREFIX = "meshwright-"
SHOP_PATH = "/demo"
"""Of the demo shop at the mesh's port."""
PROVIDER_KEY = re.compile(r"_API_KEY$")
AUTHENTICATING = ("agent", "tools", "browser")
"""The services that check callers' tokens, and that vouch for their callers among themselves."""
OWN_SECRETS = {
    "MESHWRIGHT_MESH_KEY_FILE": AUTHENTICATING,
    "MESHWRIGHT_TLS_KEY": ("gateway",),
    # Of whoever calls a mesh, not of the mesh.
    "MESHWRIGHT_TOKEN": (),
    "MESHWRIGHT_TOKEN_FILE": (),
}
"""Secrets of Meshwright's own, or where they are, and who gets them."""
ANY_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL")
# Somebody waits at the terminal: streams are told to go at once, and nobody needs long to end.
STOP_SETTINGS = {"MESHWRIGHT_STOP_GRACE": "2", "MESHWRIGHT_GATEWAY_DRAIN_SECONDS": "2"}


@dataclass(frozen=True, slots=True)
class Plan:
    """A mesh to be started."""

    host: str
    port: int
    data_dir: Path
    runtime_dir: Path
    """Private folder of the sockets; gone when the mesh is."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What the command line set, for all services."""

    @property
    def authenticates(self) -> bool:
        """Callers show tokens."""
        return bool(os.environ.get("MESHWRIGHT_AUTH_JWKS"))

    @property
    def address(self) -> str:
        """Where clients of this machine connect."""
        host = "localhost" if self.host in HERE else self.host
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The page."""
        return f"http://{self.address}"

    @property
    def mesh_key(self) -> Path:
        """The secret of this mesh's services, unless another file was named."""
        return self.runtime_dir / "mesh.key"

    @property
    def logs(self) -> Path:
        """Folder of the services' logs."""
        return self.data_dir / "logs"

    def socket(self, service: str) -> Path:
        """Socket on which an inner service listens."""
        return self.runtime_dir / f"{service}.sock"

    def environment(self, service: str) -> dict[str, str]:
        """Environment of a service's process."""
        inner = [name for name in SERVICES if name != "gateway"]
        environment = {**STOP_SETTINGS, **_for_service(service), **self.settings}
        environment |= {f"MESHWRIGHT_{name.upper()}_ADDRESS": f"unix:{self.socket(name)}" for name in inner}
        environment |= {
            "MESHWRIGHT_HOST": self.host,
            "MESHWRIGHT_PORT": str(self.port),
            "MESHWRIGHT_DATA_DIR": str(self.data_dir),
            "MESHWRIGHT_RUNTIME_DIR": str(self.runtime_dir),
        }
        if service == "browser":
            # The demo shop is on this machine, where browsers otherwise reach nothing. The mesh's page at the same port stays out of reach:
            # an agent that was talked into it could press there what its user can.
            allowed = environment.get("MESHWRIGHT_EGRESS_ALLOW", "")
            environment["MESHWRIGHT_EGRESS_ALLOW"] = f"{allowed},{self.address}{SHOP_PATH}".lstrip(",")
        if service in METERED and (address := environment.get("MESHWRIGHT_METRICS_ADDRESS")):
            environment["MESHWRIGHT_METRICS_ADDRESS"] = _own_port(address, METERED.index(service))
        if service in AUTHENTICATING and environment.get("MESHWRIGHT_AUTH_JWKS"):
            environment.setdefault("MESHWRIGHT_MESH_KEY_FILE", str(self.mesh_key))
        # Of another mesh, perhaps; a service here listens on its socket.
        environment.pop("MESHWRIGHT_LISTEN", None)
        if service in inner:
            environment["MESHWRIGHT_LISTEN"] = f"unix:{self.socket(service)}"
        return environment


def _own_port(address: str, place: int) -> str:
    """The address with a port of the service's own. One that makes no sense, or 0, stays: the service says what it thinks of it."""
    host, colon, port = address.rpartition(":")
    return f"{host}{colon}{int(port) + place}" if port.isdecimal() and int(port) else address


def _for_service(service: str) -> dict[str, str]:
    """The environment of whoever started the mesh, without the secrets that are none of the service's business.

    The agent speaks to model providers and the tools may speak to an object store. What runs pages of others gets none.
    """
    return {name: value for name, value in os.environ.items() if _is_for(service, name)}


def _is_for(service: str, variable: str) -> bool:
    if variable in OWN_SECRETS:
        return service in OWN_SECRETS[variable]
    if service == "agent":
        return True
    return not (PROVIDER_KEY if service == "tools" else ANY_SECRET).search(variable)


def make_mesh_key(file: Path) -> None:
    """A new secret, for nobody else's eyes."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as opened:
        opened.write(f"{secrets.token_urlsafe(32)}\n")


def make_runtime_dir() -> Path:
    """A private folder with a short path, since the path of a socket has about 100 bytes. Removes those of dead meshes."""
    configured = os.environ.get("XDG_RUNTIME_DIR", "")
    base = Path(configured if configured and os.access(configured, os.W_OK | os.X_OK) else tempfile.gettempdir())
    for left in base.glob(f"{PREFIX}[0-9]*-*"):
        _remove_if_dead(left)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=base))


def _remove_if_dead(folder: Path) -> None:
    pid = folder.name.removeprefix(PREFIX).partition("-")[0]
    try:
        mine = folder.stat().st_uid == os.geteuid()
        os.kill(int(pid), 0)
    except ProcessLookupError:
        if mine:
            shutil.rmtree(folder, ignore_errors=True)
    except (OSError, ValueError):
        return
