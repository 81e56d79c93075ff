"""The token that a program shows to a mesh, and how it gets another when that one is not taken any more."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

from meshwright.client.errors import Unauthenticated

TOKEN_VARIABLE = "MESHWRIGHT_TOKEN"  # noqa: S105 (the name of a variable)
TOKEN_FILE_VARIABLE = "MESHWRIGHT_TOKEN_FILE"  # noqa: S105 (the name of a variable)
TOKEN_SECONDS = 30.0
FRESH_SECONDS = 1.0
"""A token that is so young is not asked for again: others whose calls were refused have just got it."""

TokenSource: TypeAlias = str | Callable[[], str | Awaitable[str]]
"""A token, or a function, async or not, that gives the one to use now."""


class Credentials:
    """What goes with calls to tell who makes them. `source` None means MESHWRIGHT_TOKEN or MESHWRIGHT_TOKEN_FILE, or else nothing."""

    def __init__(self, source: TokenSource | None) -> None:
        self._source = _from_environment() if source is None else source
        self._token = self._source if isinstance(self._source, str) else ""
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    @property
    def some(self) -> bool:
        """Whether there is anything to show."""
        return bool(self._source)

    async def metadata(self) -> tuple[tuple[str, str], ...]:
        """For a call that is made now. Raises Unauthenticated when the source gives no token, and what the source raises."""
        if not self._source:
            return ()
        token = self._token or await self._asked(self._source)
        return (("authorization", f"Bearer {token}"),)

    def refused(self) -> bool:
        """The token was not taken: whether the source may have another one. A function is asked anew, a string is not."""
        if isinstance(self._source, str):
            return False
        if asyncio.get_running_loop().time() - self._asked_at > FRESH_SECONDS:
            self._token = ""
        return True

    async def _asked(self, source: TokenSource) -> str:
        assert not isinstance(source, str)
        async with self._asking:
            if not self._token:
                self._token = await _given(source)
                self._asked_at = asyncio.get_running_loop().time()
        if not self._token:
            raise Unauthenticated("The function that should give the token gave none.")
        return self._token


async def _given(source: Callable[[], str | Awaitable[str]]) -> str:
    """What the function gives, in time. One that is not async may block, so it has a thread of its own."""
    limit = asyncio.timeout(TOKEN_SECONDS)
    try:
        async with limit:
            given = source() if inspect.iscoroutinefunction(source) else await asyncio.to_thread(source)
            return (await given if inspect.isawaitable(given) else given).strip()
    except TimeoutError:
        if not limit.expired():
            raise
        raise Unauthenticated(
            f"The function that should give the token gave none within {TOKEN_SECONDS:g} s."
        ) from None


def _from_environment() -> TokenSource:
    token, file = os.environ.get(TOKEN_VARIABLE, "").strip(), os.environ.get(TOKEN_FILE_VARIABLE, "")
    return token or (_read_file if file else "")


def _read_file() -> str:
    # Read anew each time: whoever renews tokens in a file replaces it.
    path = Path(os.environ.get(TOKEN_FILE_VARIABLE, ""))
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Unauthenticated(f"{TOKEN_FILE_VARIABLE}: {path} cannot be read as a token.") from error
