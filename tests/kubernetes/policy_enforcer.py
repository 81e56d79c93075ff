"""Enforces NetworkPolicies on the node, as plugins of a cluster's network do: follows the API, and has nftables drop what is not allowed.

python -m tests.kubernetes.policy_enforcer /path/of/kubeconfig
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import httpx2
from lightkube import AsyncClient, KubeConfig
from lightkube.resources.core_v1 import Namespace
from lightkube.resources.core_v1 import Pod as PodResource
from lightkube.resources.networking_v1 import NetworkPolicy

from tests.kubernetes.policy_rules import TABLE, Pod, Rules

ALL = {"namespace": "*"}
KINDS: dict[type[Any], dict[str, Any]] = {PodResource: ALL, NetworkPolicy: ALL, Namespace: {}}
"""What is followed, and where."""
GATHER_SECONDS = 0.02
"""Changes of the same moment are put in force together."""
PAUSE_SECONDS = 0.5
NFT_SECONDS = 10.0


class Enforcer:
    """What the API said last, and the task of putting it in force."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._found: dict[type[Any], dict[str, Any]] = {}
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as tasks:
            for kind, where in KINDS.items():
                tasks.create_task(self._follow(kind, where))
            tasks.create_task(self._apply())

    async def _follow(self, kind: type[Any], where: dict[str, Any]) -> None:
        while True:
            try:
                listed = self._client.list(kind, **where)
                self._found[kind] = {_key(each): each async for each in listed}
                self._changed.set()
                changes = self._client.watch(kind, resource_version=listed.resourceVersion, **where)
                async for what, each in changes:
                    if what == "DELETED":
                        self._found[kind].pop(_key(each), None)
                    else:
                        self._found[kind][_key(each)] = each
                    self._changed.set()
            except httpx2.HTTPError as error:
                # Too much has changed meanwhile, or the connection is lost: from the beginning.
                print(f"{kind.__name__}: {error}", flush=True)
                await asyncio.sleep(PAUSE_SECONDS)

    async def _apply(self) -> None:
        before = ""
        while True:
            await self._changed.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._changed.clear()
            if len(self._found) == len(KINDS) and (table := self._table()) != before:
                await asyncio.to_thread(put_in_force, table)
                before = table

    def _table(self) -> str:
        pods = [pod for each in self._found[PodResource].values() if (pod := _pod(each))]
        namespaces = {each.metadata.name: each.metadata.labels or {} for each in self._found[Namespace].values()}
        return Rules(pods, namespaces).table(self._found[NetworkPolicy].values())


def put_in_force(table: str) -> None:
    """All at once, or nothing of it."""
    subprocess.run(["nft", "-f", "-"], input=table, text=True, check=True, timeout=NFT_SECONDS)


def lift() -> None:
    """Take away whatever is in force."""
    subprocess.run(["nft", "delete", "table", "ip", TABLE], check=False, stderr=subprocess.DEVNULL, timeout=NFT_SECONDS)


def in_force() -> bool:
    """Whether anything is."""
    asked = ["nft", "list", "chain", "ip", TABLE, "forward"]
    return subprocess.run(asked, check=False, capture_output=True, timeout=NFT_SECONDS).returncode == 0


def _key(found: Any) -> str:
    return f"{found.metadata.namespace}/{found.metadata.name}"


def _pod(found: PodResource) -> Pod | None:
    """None where it has no address of its own, or has ended."""
    metadata, spec, status = found.metadata, found.spec, found.status
    if not (metadata and spec and status and status.podIP) or spec.hostNetwork:
        return None
    if status.phase in ("Succeeded", "Failed"):
        return None
    ports = [port for container in spec.containers for port in container.ports or []]
    numbers = {(port.protocol or "TCP", port.name): port.containerPort for port in ports if port.name}
    return Pod(str(metadata.namespace), dict(metadata.labels or {}), status.podIP, numbers)


async def main(kubeconfig: str) -> None:
    """Enforce until the process is ended."""
    config = KubeConfig.from_file(kubeconfig)
    await Enforcer(AsyncClient(config=config)).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
