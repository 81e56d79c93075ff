"""Reading a response that must not fall silent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp


class SilentError(Exception):
    """Nothing came for as long as the limit allows."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class BodyReader:
    """Reads the body of a response as it comes, and closes the connection when it says nothing for too long.

    A timeout around each read would cost more than decoding what was read (6 us against 1 us), so one timer serves
    the whole answer: it looks, when it fires, since when a read has been waiting. Only waiting counts: a slow
    consumer is not the provider's silence.
    """

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        *,
        first: float,
        between: float,
        let_end: Callable[[aiohttp.ClientResponse], None],
    ) -> None:
        self._response = response
        self._content = response.content
        self._let_end = let_end
        self._loop = asyncio.get_running_loop()
        self._limit = first
        self._between = between
        self._waiting_since: float | None = None
        self._silent = False
        self._answered = False
        self._timer = self._loop.call_later(first, self._look)

    async def read(self) -> bytes:
        """What has come since the last read, at least one byte; empty at the end of the body.

        Raises:
            SilentError: The limit is over: `first` seconds for the first read, `between` for each later one.
            aiohttp.ClientError: The connection broke.
        """
        self._waiting_since = self._loop.time()
        try:
            data = await self._content.readany()
        except (aiohttp.ClientError, RuntimeError) as error:
            # aiohttp's own RuntimeError: the session was closed and the stream has not yet been told.
            if isinstance(error, RuntimeError):
                raise aiohttp.ClientConnectionError from error
            if self._silent:
                raise SilentError(self._limit) from error
            raise
        finally:
            self._waiting_since = None
        if self._limit is not self._between:
            self._limit = self._between
            self._rearm(self._between)
        return data

    def answered(self) -> None:
        """Say that the answer is whole: what remains of the body is its end, and the connection can serve again."""
        self._answered = True

    def close(self) -> None:
        """Stop watching, and close the connection unless the answer is whole."""
        self._timer.cancel()
        if self._answered:
            self._let_end(self._response)
        else:
            self._response.close()

    def _rearm(self, seconds: float) -> None:
        self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        waited = 0.0 if self._waiting_since is None else self._loop.time() - self._waiting_since
        # The clock of the loop and its timers may differ by a tick.
        if waited + 0.001 < self._limit:
            self._rearm(self._limit - waited)
            return
        self._silent = True
        self._response.close()
