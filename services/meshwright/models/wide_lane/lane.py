"""A model of a provider that only pydantic-ai knows how to ask."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING

from meshwright.models import failures

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from meshwright.models.interface import ModelRequest, Part
    from meshwright.models.settings import ModelSettings
    from meshwright.models.wide_lane.asking import LibraryModel


class WideModel:
    """A model of the wide lane (see `meshwright.models.interface.Model`).

    pydantic-ai and the provider's client take seconds and some 60 MB to load, so that happens at the first request, and in a thread.
    """

    offline = False

    def __init__(self, name: str, key_variables: Sequence[str], settings: ModelSettings) -> None:
        self.name = name
        self._key_variables = key_variables
        self._settings = settings
        self._opening = asyncio.Lock()
        self._library: LibraryModel | None = None
        self._client = AsyncExitStack()
        self._closed = False

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Part, None]:
        """Answer `request`."""
        library = await self._open()
        async with aclosing(library.answer(request)) as parts:
            async for part in parts:
                yield part

    async def close(self) -> None:
        """Close all connections."""
        self._closed = True
        await self._client.aclose()

    async def _open(self) -> LibraryModel:
        async with self._opening:
            if self._closed:
                raise failures.unavailable(self.name, "cannot be asked any more: this server is stopping")
            if self._library is None:
                library = await asyncio.to_thread(self._load)
                await library.connect(self._client)
                self._library = library
        return self._library

    def _load(self) -> LibraryModel:
        from meshwright.models.wide_lane.asking import LibraryModel

        return LibraryModel.open(self.name, self._key_variables, self._settings)
