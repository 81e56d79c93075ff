"""The real grpcurl, as `make grpcurl` builds it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

from tests.support.commands import run

if TYPE_CHECKING:
    from tests.support.commands import Finished

M = TypeVar("M", bound=Message)

GRPCURL = Path(__file__).parents[2] / ".make" / "bin" / "grpcurl"


class Grpcurl:
    """Calls without our own code on the client's side: grpcurl asks the mesh by reflection what there is."""

    def __init__(self, address: str) -> None:
        assert GRPCURL.exists(), "grpcurl is not built: make grpcurl"
        self._address = address

    async def say(self, *arguments: str) -> str:
        """What a command such as `list` prints."""
        done = await run(GRPCURL, "-plaintext", self._address, *arguments)
        assert done.code == 0, done
        return done.out

    async def call(self, method: str, answer: type[M], *messages: dict[str, Any]) -> list[M]:
        """Send messages to a method and give the answers; the call must succeed."""
        done = await self.attempt(method, *messages)
        assert done.code == 0, done
        return [json_format.ParseDict(parsed, answer()) for parsed in _objects(done.out)]

    async def attempt(self, method: str, *messages: dict[str, Any]) -> Finished:
        """Send messages, one after the other, on standard input, however that ends."""
        data = "\n".join(json.dumps(message) for message in messages)
        return await run(GRPCURL, "-plaintext", "-d", "@", self._address, method, stdin=data)


def _objects(text: str) -> list[dict[str, Any]]:
    decoder = json.JSONDecoder()
    objects: list[dict[str, Any]] = []
    while text := text.lstrip():
        parsed, end = decoder.raw_decode(text)
        objects.append(parsed)
        text = text[end:]
    return objects
