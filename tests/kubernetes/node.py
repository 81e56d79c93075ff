"""One real node on this machine: containerd, kubelet, kube-proxy, CoreDNS, and a network of its own, with its policies enforced."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.kubernetes.machine import HOST, PODS, cgroups, mounts_below, namespaces, notes_of_containers, remove_cgroup
from tests.kubernetes.policy_enforcer import in_force, lift
from tests.kubernetes.program import Program, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kubernetes.control_plane import ControlPlane

CNI_PLUGINS = next(
    (path for path in map(Path, ("/usr/lib/cni", "/opt/cni/bin")) if path.is_dir()), Path("/usr/lib/cni")
)
PROFILE = Path(__file__).parents[2] / "images" / "chromium-seccomp.json"
DOMAIN = "cluster.local"
START_SECONDS = 60.0
NAME = "node-1"
PAUSE = "meshwright.test/pause:1"


class Node:
    """A node of a control plane. Its containers live in `folder` and go with it."""

    def __init__(self, tools: Path, folder: Path, control_plane: ControlPlane) -> None:
        self._tools = tools
        self._folder = folder
        self._control_plane = control_plane
        self._programs: list[Program] = []
        self._socket = folder / "containerd.sock"
        self._namespaces = namespaces()
        self._cgroups = cgroups()
        self._notes = notes_of_containers()

    def start(self, pause_image: Path) -> None:
        """Start everything; the node is Ready a moment later."""
        self._start_containerd()
        self.load(pause_image)
        self._start_dns()
        self._install_profile()
        self._start(
            "kubelet",
            [
                "--config",
                self._kubelet_config(),
                "--kubeconfig",
                self._control_plane.kubeconfig,
                "--hostname-override",
                NAME,
                "--node-ip",
                HOST,
                "--root-dir",
                self._folder / "kubelet",
                "--cert-dir",
                self._folder / "kubelet-certificates",
            ],
        )
        self._start("kube-proxy", ["--config", self._proxy_config(), "--hostname-override", NAME])
        self._enforce_policies()

    def load(self, archive: Path) -> None:
        """Make an image known to the node, from an archive as `docker save` writes it."""
        self._ctr("images", "import", str(archive))

    def tag(self, image: str, name: str) -> None:
        """Give an image a second name."""
        self._ctr("images", "tag", image, name)

    @contextmanager
    def without_policies(self) -> Iterator[None]:
        """Let everybody speak to everybody, for as long as the context is entered."""
        enforcer = self._programs.pop()
        enforcer.stop()
        lift()
        try:
            yield
        finally:
            self._enforce_policies()

    def stop(self) -> None:
        """End the node: its pods first, or their processes would outlive it."""
        for program in reversed(self._programs):
            if program.name != "containerd":
                program.stop()
        self._remove_pods()
        for program in self._programs:
            program.stop()
        subprocess.run(["nft", "delete", "table", "ip", "kube-proxy"], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["nft", "delete", "table", "ip6", "kube-proxy"], check=False, stderr=subprocess.DEVNULL)
        lift()

    def _ctr(self, *words: str) -> None:
        command = ["ctr", "--address", str(self._socket), "--namespace", "k8s.io", *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=600)

    def _remove_pods(self) -> None:
        ctr = ["ctr", "--address", str(self._socket), "--namespace", "k8s.io"]
        listed = subprocess.run([*ctr, "tasks", "list", "--quiet"], check=False, capture_output=True, text=True)
        for task in listed.stdout.split():
            kill = [*ctr, "tasks", "kill", "--signal", "SIGKILL", "--all", task]
            # It may have ended meanwhile.
            subprocess.run(kill, check=False, timeout=30, stderr=subprocess.DEVNULL)
        for namespace in namespaces() - self._namespaces:
            subprocess.run(["ip", "netns", "delete", namespace], check=False)
        for mount in reversed(mounts_below(self._folder)):
            subprocess.run(["umount", "--lazy", mount], check=False)
        for cgroup in cgroups() - self._cgroups:
            remove_cgroup(cgroup)
        for note in notes_of_containers() - self._notes:
            note.unlink(missing_ok=True)

    def _start(self, name: str, options: list[object], program: str = "") -> Program:
        command = [program or str(self._tools / name), *map(str, options)]
        started = Program(name, command, self._folder)
        self._programs.append(started)
        return started

    def _start_containerd(self) -> None:
        config = self._folder / "containerd.toml"
        config.write_text(f'''
version = 2
root = "{self._folder}/containerd"
state = "{self._folder}/state"
[grpc]
  address = "{self._socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  disable_apparmor = true
  # Where this machine is itself a guest without CAP_SYS_RESOURCE, nothing may be made less likely to be killed.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_PLUGINS}"
    conf_dir = "{self._folder}/cni"
''')
        self._write_cni()
        containerd = self._start("containerd", ["--config", config], program="containerd")
        ready = ["ctr", "--address", str(self._socket), "version"]
        containerd.wait_until(
            lambda: subprocess.run(ready, check=False, capture_output=True).returncode == 0, START_SECONDS
        )

    def _write_cni(self) -> None:
        """A point-to-point link for each pod: whatever pods say to each other passes this machine, where services are translated."""
        addresses = {
            "type": "host-local",
            "subnet": PODS,
            "dataDir": str(self._folder / "addresses"),
            "routes": [{"dst": "0.0.0.0/0"}],
        }
        config = {
            "cniVersion": "0.4.0",
            "name": "pods",
            "plugins": [
                {"type": "ptp", "ipMasq": False, "ipam": addresses},
                {"type": "portmap", "capabilities": {"portMappings": True}},
            ],
        }
        folder = self._folder / "cni"
        folder.mkdir()
        (folder / "10-pods.conflist").write_text(json.dumps(config))

    def _install_profile(self) -> None:
        """Put the profile that Chromium's sandbox needs where an operator puts it."""
        path = self._folder / "kubelet" / "seccomp" / "meshwright" / "chromium.json"
        path.parent.mkdir(parents=True)
        shutil.copy(PROFILE, path)

    def _start_dns(self) -> None:
        corefile = self._folder / "Corefile"
        corefile.write_text(f"""
.:53 {{
    bind {HOST}
    errors
    kubernetes {DOMAIN} in-addr.arpa {{
        kubeconfig {self._control_plane.kubeconfig}
        ttl 2
    }}
}}
""")
        self._start("coredns", ["-conf", corefile])

    def _enforce_policies(self) -> None:
        words = ["-m", "tests.kubernetes.policy_enforcer", self._control_plane.kubeconfig]
        self._start("policy-enforcer", words, program=sys.executable).wait_until(in_force, START_SECONDS)

    def _kubelet_config(self) -> Path:
        return self._write_config(
            "kubelet",
            "kubelet.config.k8s.io/v1beta1",
            "KubeletConfiguration",
            address=HOST,
            port=free_port(HOST),
            healthzPort=0,
            failCgroupV1=False,
            cgroupDriver="cgroupfs",
            containerRuntimeEndpoint=f"unix://{self._socket}",
            clusterDNS=[HOST],
            clusterDomain=DOMAIN,
            resolvConf="",
            # The API server and kubectl come without certificates, from this machine alone.
            authentication={"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            authorization={"mode": "AlwaysAllow"},
            failSwapOn=False,
            # Fullness of this machine's disk is not what is tried here.
            evictionHard={"memory.available": "100Mi"},
            imageGCHighThresholdPercent=100,
            imageGCLowThresholdPercent=99,
            seccompDefault=True,
            podLogsDir=str(self._folder / "pod-logs"),
            volumePluginDir=str(self._folder / "volume-plugins"),
            shutdownGracePeriod="0s",
        )

    def _proxy_config(self) -> Path:
        return self._write_config(
            "kube-proxy",
            "kubeproxy.config.k8s.io/v1alpha1",
            "KubeProxyConfiguration",
            mode="nftables",
            clusterCIDR=PODS,
            bindAddress=HOST,
            healthzBindAddress="",
            metricsBindAddress=f"{HOST}:{free_port(HOST)}",
            conntrack={"maxPerCore": 0},
            clientConnection={"kubeconfig": str(self._control_plane.kubeconfig)},
        )

    def _write_config(self, name: str, version: str, kind: str, **fields: object) -> Path:
        path = self._folder / f"{name}.json"
        path.write_text(json.dumps({"apiVersion": version, "kind": kind, **fields}))
        return path
