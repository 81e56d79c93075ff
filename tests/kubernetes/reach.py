"""Which addresses a pod reaches: connections that are tried inside of it."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from tests.kubernetes.cluster import Cluster

Address: TypeAlias = tuple[str, int]
SECONDS = 2.0
"""After which nobody has answered: what a policy forbids is dropped, without a word."""
STRANGER_PORT = 8000
TRY = """
import asyncio, json, sys

async def reached(host, port):
    try:
        async with asyncio.timeout(float(sys.argv[1])):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True

async def main():
    targets = json.loads(sys.argv[2])
    answers = await asyncio.gather(*(reached(*address) for address in targets.values()))
    print(json.dumps([name for name, answer in zip(targets, answers) if answer]))

asyncio.run(main())
"""


async def reached(cluster: Cluster, pod: str, namespace: str, targets: Mapping[str, Address]) -> set[str]:
    """Those of the targets that a pod with Python can open a connection to."""
    words = ["exec", pod, f"--namespace={namespace}", "--", "python", "-c", TRY, str(SECONDS), json.dumps(targets)]
    return set(json.loads(await asyncio.to_thread(cluster.kubectl, *words)))


def stranger(name: str, namespace: str, image: str) -> dict[str, Any]:
    """A pod that no policy of the mesh knows, and that listens on STRANGER_PORT."""
    command = ["python", "-m", "http.server", str(STRANGER_PORT), "--directory", "/tmp"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "containers": [{"name": "stranger", "image": image, "command": command}],
        },
    }


@asynccontextmanager
async def listening(*addresses: Address) -> AsyncIterator[None]:
    """Have somebody on this machine who takes connections and says nothing, for as long as the context is entered."""

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    servers = [await asyncio.start_server(hang_up, *address) for address in addresses]
    try:
        yield
    finally:
        for server in servers:
            server.close()
            await server.wait_closed()
