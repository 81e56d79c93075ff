"""A real cluster of three Redis or Valkey servers of a test's own, on loopback ports."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from redis import Redis

from tests.support.ports import reserved_ports
from tests.support.redis_server import RedisServer

NODES = 3
SLOTS = 16384
READY_SECONDS = 60.0


class RedisCluster:
    """Each node has a third of the slots and no replica. Runs while the context is entered."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self._folder = folder
        self._durable = durable
        self._stack = ExitStack()
        self.ports = self._stack.enter_context(reserved_ports(2 * NODES))
        self.url = f"redis+cluster://127.0.0.1:{self.ports[0]}"
        self.nodes: list[RedisServer] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.nodes = [stack.enter_context(self._node(number)) for number in range(NODES)]
            self._join()
            self._stack.push(stack.pop_all())
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _node(self, number: int) -> RedisServer:
        port, bus = self.ports[number], self.ports[NODES + number]
        folder = self._folder / f"node_{number}"
        folder.mkdir()
        listen = ["--bind", "127.0.0.1", "--port", str(port), "--cluster-port", str(bus)]
        cluster = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]
        return RedisServer(folder, durable=self._durable, arguments=[*listen, *cluster])

    def _join(self) -> None:
        """Share the slots out and wait until every node knows of all."""
        nodes: list[Any] = [Redis(port=port) for port in self.ports[:NODES]]
        for number, node in enumerate(nodes):
            first, behind = SLOTS * number // NODES, SLOTS * (number + 1) // NODES
            node.execute_command("CLUSTER", "ADDSLOTSRANGE", first, behind - 1)
            node.execute_command("CLUSTER", "MEET", "127.0.0.1", self.ports[0], self.ports[NODES])
        deadline = time.monotonic() + READY_SECONDS
        while not all(_is_whole(node) for node in nodes):
            assert time.monotonic() < deadline, "the cluster does not come together"
            time.sleep(0.02)
        for node in nodes:
            node.close()


def _is_whole(node: Any) -> bool:
    info = node.execute_command("CLUSTER INFO")
    return str(info["cluster_state"]) == "ok" and int(info["cluster_known_nodes"]) == NODES
