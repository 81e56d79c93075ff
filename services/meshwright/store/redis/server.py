"""A client of one server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from meshwright.store.redis.connection import LOST, PASSING, UNSENT, Client, heeding, insisting

Command = tuple[Any, ...]
"""Its name, and what follows."""


class Server(Redis):
    """Sends again what it could not send, and where it is `patient` also what may have been carried out: reads may be, changes may not."""

    patient = False
    loses_messages = False
    """Whether a channel may lose a message though its connection holds."""

    async def execute_command(self, *command: Any, **options: Any) -> Any:
        """See Redis."""
        return await insisting(
            lambda: super(Server, self).execute_command(*command, **options),  # type: ignore[no-untyped-call]
            PASSING if self.patient else UNSENT,
        )

    async def look(self, commands: Sequence[Command]) -> list[Any]:
        """What reads of one session's keys find at one moment."""
        return await insisting(lambda: self._look(commands), PASSING if self.patient else UNSENT)

    async def send_each(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands once, in their order: for each its answer, or the error that it came to."""
        try:
            return await heeding(self._piped(commands))
        except LOST as failure:
            return [failure] * len(commands)

    async def after_asking(self, command: Command, options: dict[str, Any]) -> Any:
        """The answer to a command about a slot that is on its way here."""
        async with self.pipeline(transaction=False) as pipeline:
            pipeline.execute_command("ASKING")
            pipeline.execute_command(*command, **options)
            _, answer = await heeding(pipeline.execute())
            return answer

    async def listener(self) -> Client:
        """What hears channels, over a connection of its own."""
        return self.pubsub()

    async def listeners(self, channel: str) -> int:
        """How many connections listen to a channel."""
        ((_, count),) = await self.pubsub_numsub(channel)
        return int(count)

    def lane(self, key: str) -> str:
        """Keys of one lane share their fate: they lie at the same server."""
        return ""

    async def _look(self, commands: Sequence[Command]) -> list[Any]:
        async with self.pipeline(transaction=True) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            found: list[Any] = await pipeline.execute()
            return found

    async def _piped(self, commands: Sequence[Command]) -> list[Any]:
        async with self.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            results: list[Any] = await pipeline.execute(raise_on_error=False)
            return results
