"""What this machine must have for a cluster to be started on it: said at once, and not one after the other.

python -m tests.kubernetes.prerequisites
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

from tests.kubernetes.docker import COMMAND, answers
from tests.kubernetes.node import CNI_PLUGINS
from tests.support.previous_version import PreviousVersionError, previous_version

PROGRAMS = {
    "containerd": "containerd 1.6 or newer (Debian: apt-get install containerd)",
    "ctr": "containerd's command line (Debian: apt-get install containerd)",
    "ip": "iproute2 (Debian: apt-get install iproute2)",
    "iptables": "iptables (Debian: apt-get install iptables)",
    "nft": "nftables (Debian: apt-get install nftables)",
    "git": "git, and the whole history or an origin: the version before this one is built from its commit",
    "go": "Go 1.24 or newer: `make .venv/.dev` brings it",
}
REDIS = ("redis-server", "valkey-server")
PLUGINS = ("ptp", "host-local", "portmap", "loopback")
# Since this version the client builds by a plugin, which Debian and others package by itself.
FIRST_DOCKER_WITH_BUILDX = 23


def missing() -> list[str]:
    """What is missing, each in a sentence that says what to install."""
    found = [f"{name}: install {how}." for name, how in PROGRAMS.items() if shutil.which(name) is None]
    if not any(map(shutil.which, REDIS)):
        found.append("redis-server: install Redis 7 (Debian: apt-get install redis-server), or valkey-server.")
    if sys.platform != "linux" or os.geteuid() != 0:
        found.append(
            "root on Linux: a node starts containers and makes networks. Run it with sudo, or in a virtual machine."
        )
    plugins = [name for name in PLUGINS if not (CNI_PLUGINS / name).exists()]
    if plugins:
        found.append(
            f"CNI plugins {', '.join(plugins)} in {CNI_PLUGINS}: install them (Debian: apt-get install containernetworking-plugins)."
        )
    return [*found, *_missing_of_docker(), *_missing_of_git()]


def _missing_of_docker() -> list[str]:
    if shutil.which(COMMAND) is None:
        return [
            f"{COMMAND}: install Docker (Debian: apt-get install docker.io), or name another: make e2e-k8s DOCKER=..."
        ]
    if not answers() and shutil.which("dockerd") is None:
        return ["dockerd: no Docker daemon answers, and there is none to start. Start yours, or install one."]
    version = subprocess.run([COMMAND, "--version"], check=False, capture_output=True, text=True, timeout=20).stdout
    major = re.search(r"version (\d+)", version)
    plugin = [COMMAND, "buildx", "version"]
    if (
        major
        and int(major[1]) >= FIRST_DOCKER_WITH_BUILDX
        and subprocess.run(plugin, check=False, capture_output=True, timeout=20).returncode
    ):
        return [
            f"{COMMAND} buildx: {version.strip()} builds by it. Install it (Debian: apt-get install docker-buildx)."
        ]
    return []


def _missing_of_git() -> list[str]:
    try:
        previous_version()
    except PreviousVersionError as error:
        return [str(error)]
    return []


def main() -> int:
    """Say what is missing; 1 where something is."""
    found = missing()
    if found:
        print("A cluster cannot be started here. What is missing:", *found, sep="\n  - ", file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
