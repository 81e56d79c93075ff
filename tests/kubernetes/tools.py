"""The programs of a cluster, built once from the Go module proxy into an ignored folder.

Each folder of tools/ is a module of ours that pins one of them; k8s.io/kubernetes names its staging modules v0.0.0, which that
module maps to their releases.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

SOURCES = Path(__file__).with_name("tools")
BUILT = Path(__file__).parents[2] / ".make" / "kubernetes" / "bin"
KUBERNETES = "1.34.4"
VERSION = f"k8s.io/component-base/version.gitVersion=v{KUBERNETES}"
BUILD_SECONDS = 3600


class Tool(NamedTuple):
    """One program."""

    name: str
    module: str
    """Its folder in tools/."""
    package: str
    """Its Go package."""
    flags: str = ""
    """For the linker."""


KUBERNETES_TOOLS = tuple(
    Tool(name, "kubernetes", f"k8s.io/kubernetes/cmd/{name}", f"-X {VERSION}")
    for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
)
TOOLS = (
    *KUBERNETES_TOOLS,
    Tool("etcd", "etcd", "go.etcd.io/etcd/server/v3"),
    Tool("coredns", "coredns", "."),
    Tool("pause", "pause", "."),
    Tool("helm", "helm", "helm.sh/helm/v3/cmd/helm"),
)


def build(tool: Tool) -> Path:
    """The program, built when its pins are newer than it is."""
    program = BUILT / tool.name
    pins = [path for path in (SOURCES / tool.module).iterdir() if path.suffix in (".mod", ".sum", ".go")]
    if program.exists() and program.stat().st_mtime >= max(path.stat().st_mtime for path in pins):
        return program
    BUILT.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    print(f"==> Building {tool.name}", flush=True)
    subprocess.run(
        [
            "go",
            "-C",
            SOURCES / tool.module,
            "build",
            "-trimpath",
            f"-ldflags=-s -w {tool.flags}",
            "-o",
            program,
            tool.package,
        ],
        check=True,
        env=os.environ | {"CGO_ENABLED": "0"},
        timeout=BUILD_SECONDS,
    )
    os.utime(program)
    print(f"    {time.monotonic() - began:.0f} s, {program.stat().st_size / 1e6:.0f} MB", flush=True)
    return program


if __name__ == "__main__":
    if not all((BUILT / each.name).exists() for each in TOOLS):
        print(
            f"The programs of a cluster are built once, into {BUILT}: about 10 minutes on two cores, 15 with nothing downloaded yet."
        )
    for each in TOOLS:
        build(each)
