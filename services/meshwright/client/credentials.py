"""The token that a program shows to a mesh, and how it gets another when that one is not taken any more."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

from meshwright.client.errors import MeshError, Unauthenticated

TOKEN_VARIABLE = "MESHWRIGHT_TOKEN"  # noqa: S105 (the name of a variable)
TOKEN_FILE_VARIABLE = "MESHWRIGHT_TOKEN_FILE"  # noqa: S105 (the name of a variable)
TOKEN_SECONDS = 30.0

TokenSource: TypeAlias = str | Callable[[], str | Awaitable[str]]
"""A token, or a function, async or not, that gives the one to use now."""


class Credentials:
    """The token to show now. `source` None means MESHWRIGHT_TOKEN or MESHWRIGHT_TOKEN_FILE, or else nothing."""

    def __init__(self, source: TokenSource | None) -> None:
        self._source = _from_environment() if source is None else source
        self._token = self._source if isinstance(self._source, str) else ""
        self._asking = asyncio.Lock()

    @property
    def some(self) -> bool:
        """Whether there is anything to show."""
        return bool(self._source)

    async def token(self) -> str:
        """The token; empty for nothing. Raises Unauthenticated when the source gives none, and what the source raises."""
        if self._token or isinstance(self._source, str):
            return self._token
        async with self._asking:
            if not self._token:
                self._token = await _given(self._source)
        if not self._token:
            raise Unauthenticated("The function that should give the token gave none.")
        return self._token

    def another(self, refused: str) -> bool:
        """A token was not taken: whether `token` may give another one. A function is asked anew, a string stays what it is."""
        if isinstance(self._source, str):
            return False
        if self._token == refused:
            self._token = ""
        return True


class Showing:
    """What one caller shows to the mesh. Where a token is not taken it shows another one, once, until something works again."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._shown = ""
        self._renewed = False

    async def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with a call to tell who makes it. Raises as `Credentials.token`."""
        self._shown = await self._credentials.token()
        return (("authorization", f"Bearer {self._shown}"),) if self._shown else ()

    def has_more(self, error: MeshError) -> bool:
        """Whether the call that failed may be made again at once, with another token."""
        if self._renewed or not isinstance(error, Unauthenticated):
            return False
        self._renewed = True
        return self._credentials.another(self._shown)

    def worked(self) -> None:
        """What was shown last is taken."""
        self._renewed = False


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
