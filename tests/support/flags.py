"""Feature flags in flagd's form, and a flagd that tells them."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
from openfeature.schemas.protobuf.flagd.sync.v1 import sync_pb2, sync_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping


def flag(variants: Mapping[str, Any], default: str | None, targeting: Any = None, state: str = "ENABLED") -> Any:
    """One flag."""
    found: dict[str, Any] = {"state": state, "variants": variants}
    if default is not None:
        found["defaultVariant"] = default
    if targeting is not None:
        found["targeting"] = targeting
    return found


def document(**flags: Any) -> str:
    """A file of flags."""
    return json.dumps({"$schema": "https://flagd.dev/schema/v0/flags.json", "flags": flags})


class ScriptedFlagd(sync_pb2_grpc.FlagSyncServiceServicer):
    """flagd's sync service: every stream is told the flags as they are, and then each change."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.selectors: list[tuple[str, str]] = []
        """Of each stream: what its message selects, and what its header does."""
        self._changed = asyncio.Condition()

    async def change(self, text: str) -> None:
        async with self._changed:
            self._text = text
            self._changed.notify_all()

    async def SyncFlags(  # noqa: N802 (the name in the contract)
        self, request: sync_pb2.SyncFlagsRequest, context: Any
    ) -> AsyncGenerator[sync_pb2.SyncFlagsResponse, None]:
        header = dict(context.invocation_metadata()).get("flagd-selector", "")
        self.selectors.append((request.selector, header))
        while True:
            yield sync_pb2.SyncFlagsResponse(flag_configuration=self._text)
            async with self._changed:
                await self._changed.wait()

    async def FetchAllFlags(self, request: Any, context: Any) -> Any:  # noqa: N802
        await context.abort(grpc.StatusCode.UNIMPLEMENTED)

    async def GetMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        await context.abort(grpc.StatusCode.UNIMPLEMENTED)


@asynccontextmanager
async def flagd(text: str, port: int = 0) -> AsyncIterator[tuple[ScriptedFlagd, int]]:
    """A scripted flagd on a loopback port."""
    server = grpc.aio.server()
    service = ScriptedFlagd(text)
    sync_pb2_grpc.add_FlagSyncServiceServicer_to_server(service, server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield service, port
    finally:
        await server.stop(None)
