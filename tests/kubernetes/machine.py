"""What a node changes of this machine, and how it is undone: its network, and what containers leave behind."""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path

HOST = "10.245.0.1"
"""The node's address: of this machine alone, no other network reaches it."""
PODS = "10.244.0.0/16"
PUBLIC = "25.244.0.1"
"""Stands for the internet: an address like any other of it, but of this machine alone as long as the node is there."""
LINK = "mwnode0"
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


def network_up() -> None:
    """Give this machine the node's address, and let packets of pods pass."""
    network_down()
    _ip("link", "add", LINK, "type", "bridge")
    for address in (HOST, PUBLIC):
        _ip("address", "add", f"{address}/32", "dev", LINK)
    _ip("link", "set", LINK, "up")
    FORWARDING.write_text("1")
    for option in ("-s", "-d"):
        _iptables("-I", option)


def network_down() -> None:
    """Undo it, and remove what is left of pods; nothing happens where it was not done."""
    routes = subprocess.run(["ip", "-json", "route", "show", "root", PODS], check=True, capture_output=True).stdout
    for link in (LINK, *(route["dev"] for route in json.loads(routes or "[]"))):
        subprocess.run(["ip", "link", "delete", link], check=False, stderr=subprocess.DEVNULL)
    for option in ("-s", "-d"):
        _iptables("-D", option)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def _iptables(action: str, option: str) -> None:
    command = ["iptables", action, "FORWARD", option, PODS, "-j", "ACCEPT"]
    subprocess.run(command, check=action == "-I", stderr=subprocess.DEVNULL)


def namespaces() -> set[str]:
    """Network namespaces with a name, such as those of pods."""
    folder = Path("/run/netns")
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def cgroups() -> set[Path]:
    """What kubelets made: one for each controller with cgroup v1, one in all with v2."""
    root = Path("/sys/fs/cgroup")
    return {*root.glob("kubepods"), *root.glob("*/kubepods")}


def remove_cgroup(cgroup: Path) -> None:
    """Remove an empty one with all below it; what is still in use stays."""
    with contextlib.suppress(OSError):
        for folder in sorted((path for path in cgroup.rglob("*") if path.is_dir()), reverse=True):
            folder.rmdir()
        cgroup.rmdir()


def notes_of_containers() -> set[Path]:
    """What the network's plugins and the kubelet write down outside of the node's folder."""
    folders = map(Path, ("/var/lib/cni/results", "/var/log/containers", "/var/lib/kubelet/device-plugins"))
    return {path for folder in folders if folder.is_dir() for path in folder.iterdir()}


def mounts_below(folder: Path) -> list[str]:
    """What is mounted in a folder, in the order of mounting."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [line.split()[1] for line in lines if line.split()[1].startswith(str(folder))]
