"""The issuer's keys from its address on the web."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import structlog

from meshwright.serving.authentication.key_set import MAX_JWKS_BYTES, BadKeysError, KeySet
from meshwright.serving.authentication.refusals import keys_unavailable

log = structlog.get_logger(__name__)

FETCH_SECONDS = 5.0
PAUSE_SECONDS = 5.0
FRESH_SECONDS = 300.0


class KeyAddress:
    """A JWKS that is fetched at the start, every five minutes, and when a token names a key that is not known.

    What goes wrong leaves the keys as they were. However many callers ask, one fetch is under way at a time, for
    `fetch_seconds` at most, and the next begins `pause_seconds` after its end at the earliest.
    """

    def __init__(
        self,
        url: str,
        *,
        fetch_seconds: float = FETCH_SECONDS,
        pause_seconds: float = PAUSE_SECONDS,
        fresh_seconds: float = FRESH_SECONDS,
    ) -> None:
        self._url = url
        self._fetch_seconds = fetch_seconds
        self._pause_seconds = pause_seconds
        self._fresh_seconds = fresh_seconds
        self._keys = KeySet()
        self._document = b""
        self._failed = False
        self._fetched = float("-inf")
        self._fetching: asyncio.Task[None] | None = None
        self._session = aiohttp.ClientSession(
            trust_env=True, timeout=aiohttp.ClientTimeout(total=fetch_seconds), cookie_jar=aiohttp.DummyCookieJar()
        )
        self._renewing = asyncio.create_task(self._renew(), name="jwks")

    @property
    def current(self) -> KeySet:
        """The keys of the last fetch that succeeded; none before it."""
        return self._keys

    async def refresh(self) -> None:
        """Fetch, or wait for the fetch under way. UNAVAILABLE when the last one failed."""
        if self._fetching is None and time.monotonic() - self._fetched >= self._pause_seconds:
            self._fetching = asyncio.create_task(self._fetch())
        if self._fetching is not None:
            # Not the caller's: others wait for it too.
            await asyncio.shield(self._fetching)
        if self._failed:
            raise keys_unavailable()

    async def close(self) -> None:
        """Stop fetching."""
        tasks = [task for task in (self._renewing, self._fetching) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await self._session.close()

    async def _renew(self) -> None:
        while True:
            if self._fetching is None:
                self._fetching = asyncio.create_task(self._fetch())
            await asyncio.shield(self._fetching)
            await asyncio.sleep(self._pause_seconds if self._failed else self._fresh_seconds)

    async def _fetch(self) -> None:
        try:
            document = await self._download()
            if document != self._document:
                self._keys, self._document = KeySet.parse(document), document
                log.info("authentication.keys_fetched", url=self._url, keys=len(self._keys))
            self._failed = False
        except (aiohttp.ClientError, TimeoutError, BadKeysError) as error:
            self._failed = True
            cause = str(error) if isinstance(error, BadKeysError) else type(error).__name__
            log.warning("authentication.keys_not_fetched", url=self._url, cause=cause, kept=len(self._keys))
        finally:
            self._fetched = time.monotonic()
            self._fetching = None

    async def _download(self) -> bytes:
        # A redirect would let whoever answers choose where the keys come from.
        async with self._session.get(self._url, allow_redirects=False, raise_for_status=True) as response:
            if response.status != 200:
                raise BadKeysError(f"the answer has status {response.status}")
            document = bytearray()
            async for piece in response.content.iter_any():
                document += piece
                if len(document) > MAX_JWKS_BYTES:
                    raise BadKeysError(f"it has more than {MAX_JWKS_BYTES} bytes")
            return bytes(document)
