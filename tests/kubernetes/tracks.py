"""Which track answers in the cluster, by the versions that agents say they are; and shifts as people do them by kubectl."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import grpc

from meshwright.v1.agent_service_pb2 import GetAgentRequest
from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub

if TYPE_CHECKING:
    from tests.kubernetes.cluster import Cluster
    from tests.kubernetes.release import Release
    from tests.kubernetes.versions import Version

CALLS = 1000
POINTS = 4.0
"""How far the split may be from the weight: the sessions of the calls are few, and hashed."""
SHIFT_SECONDS = 10.0
SECONDS = 120.0


async def answering(release: Release, calls: int, *metadata: tuple[str, str]) -> list[str]:
    """The versions that answered calls about so many sessions."""
    async with grpc.aio.insecure_channel(release.address) as channel:
        stub = AgentServiceStub(channel)
        asked = [
            stub.GetAgent(
                GetAgentRequest(), timeout=SECONDS, metadata=(("x-meshwright-session", f"ses_{number}"), *metadata)
            )
            for number in range(calls)
        ]
        return [(await each).agent.version for each in asked]


async def share(release: Release, version: Version) -> float:
    """Percent of many sessions that a version answers."""
    answers = await answering(release, CALLS)
    return 100 * answers.count(version.tag) / len(answers)


async def shift(release: Release, version: Version, weight: int) -> float:
    """Patch the ConfigMap; how many seconds later the sessions were shared out so."""
    weights = json.dumps({"data": {"traffic.json": json.dumps({"canary_weight": weight})}})
    release.cluster.kubectl("patch", "configmap", "mesh-traffic", "--type=merge", f"--patch={weights}")
    began = time.monotonic()
    while abs((now := await share(release, version)) - weight) > POINTS:
        assert time.monotonic() - began < SHIFT_SECONDS, f"{now:.1f} % instead of {weight} %"
    return time.monotonic() - began


def weight_of(cluster: Cluster) -> int:
    """The canary's weight that is asked for."""
    (found,) = cluster.get("configmaps", "--field-selector=metadata.name=mesh-traffic")["items"]
    return int(json.loads(found["data"]["traffic.json"])["canary_weight"])
