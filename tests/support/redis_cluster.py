"""A real cluster of Redis or Valkey servers of a test's own, on loopback ports."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from redis import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError

from tests.support.ports import reserved_ports
from tests.support.redis_server import RedisServer

NODES = 3
SLOTS = 16384
READY_SECONDS = 60.0
MIGRATE_MILLISECONDS = 5000


class RedisCluster:
    """Three nodes have a third of the slots each; `replicas` more follow the first of them, `spare` more have nothing yet.

    Runs while the context is entered.
    """

    def __init__(self, folder: Path, *, durable: bool = False, replicas: int = 0, spare: int = 0) -> None:
        self._folder = folder
        self._durable = durable
        self._replicas = replicas
        self._size = NODES + replicas + spare
        self._stack = ExitStack()
        self.ports = self._stack.enter_context(reserved_ports(2 * self._size))
        self.url = f"redis+cluster://127.0.0.1:{self.ports[0]}"
        self.nodes: list[RedisServer] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.nodes = [stack.enter_context(self._node(number)) for number in range(self._size)]
            self._join()
            self._stack.push(stack.pop_all())
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def ask(self, number: int, *command: object) -> Any:
        """What a node answers."""
        with Redis(port=self.ports[number], decode_responses=True) as node:
            return node.execute_command(*command)

    def id_of(self, number: int) -> str:
        """What the nodes call this one."""
        return str(self.ask(number, "CLUSTER", "MYID"))

    def begin_move(self, slot: int, source: int, target: int) -> None:
        """Have a slot on its way from one node to another."""
        self.ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", self.id_of(source))
        self.ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", self.id_of(target))

    def carry(self, keys: list[str], source: int, target: int) -> None:
        """Bring keys of a slot that is on its way to their new node."""
        if keys:
            place = ("127.0.0.1", self.ports[target], "", 0, MIGRATE_MILLISECONDS)
            self.ask(source, "MIGRATE", *place, "KEYS", *keys)

    def end_move(self, slot: int, source: int, target: int) -> None:
        """Bring what is left, and have everybody know whose the slot is."""
        while keys := self.ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 100):
            self.carry(keys, source, target)
        for node in (target, source, *(n for n in range(NODES) if n not in (source, target))):
            self.ask(node, "CLUSTER", "SETSLOT", slot, "NODE", self.id_of(target))

    def move(self, slot: int, source: int, target: int) -> None:
        """Move a slot as `redis-cli --cluster reshard` does."""
        self.begin_move(slot, source, target)
        self.end_move(slot, source, target)

    def leads(self, number: int) -> bool:
        """Whether a node is a primary."""
        return bool(self.ask(number, "ROLE")[0] == "master")

    def primaries(self) -> list[int]:
        """The nodes that have slots."""
        return [number for number in range(self._size) if self.leads(number) and self.ask(number, "CLUSTER", "SLOTS")]

    def is_well(self, number: int) -> bool:
        """Whether a node takes commands."""
        return str(self.ask(number, "CLUSTER INFO")["cluster_state"]) == "ok"

    def wait(self, seconds: float) -> None:
        """Have a change take so long."""
        time.sleep(seconds)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Until it is so; nodes may be away meanwhile."""
        deadline = time.monotonic() + READY_SECONDS
        while not _is_so(condition):
            assert time.monotonic() < deadline, "the cluster does not come together"
            time.sleep(0.02)

    def _node(self, number: int) -> RedisServer:
        port, bus = self.ports[number], self.ports[self._size + number]
        folder = self._folder / f"node_{number}"
        folder.mkdir()
        listen = ["--bind", "127.0.0.1", "--port", str(port), "--cluster-port", str(bus)]
        cluster = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0"]
        return RedisServer(folder, durable=self._durable, arguments=[*listen, *cluster])

    def _join(self) -> None:
        """Share the slots out and wait until every node knows of all."""
        for number in range(self._size):
            if number < NODES:
                begin, end = SLOTS * number // NODES, SLOTS * (number + 1) // NODES
                self.ask(number, "CLUSTER", "ADDSLOTSRANGE", begin, end - 1)
            self.ask(number, "CLUSTER", "MEET", "127.0.0.1", self.ports[0], self.ports[self._size])
        self.wait_for(lambda: all(self._is_whole(number) for number in range(self._size)))
        first = self.id_of(0)
        for number in range(NODES, NODES + self._replicas):
            self.ask(number, "CLUSTER", "REPLICATE", first)
        self.wait_for(lambda: all(self._has_followed(n) for n in range(NODES, NODES + self._replicas)))
        self.wait_for(
            lambda: all(len(self.ask(n, "CLUSTER", "REPLICAS", first)) == self._replicas for n in range(self._size))
        )

    def _is_whole(self, number: int) -> bool:
        return self.is_well(number) and int(self.ask(number, "CLUSTER INFO")["cluster_known_nodes"]) == self._size

    def _has_followed(self, number: int) -> bool:
        return bool(self.ask(number, "INFO", "replication")["master_link_status"] == "up")


def slot_of(key: str) -> int:
    """The slot in which a key lies."""
    return int(key_slot(key.encode()))


def _is_so(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except RedisError:
        return False
