"""Keys of a shared store as text: what an earlier version wrote, for the present one to read."""

from __future__ import annotations

import json
from typing import Any

from redis.asyncio import Redis

TEXT = "latin-1"
"""One character a byte."""


async def put_keys(url: str, keys: str) -> None:
    """Write keys into a server: JSON of `{key: [type, content]}`."""
    client: Any = Redis.from_url(url)
    for key, (kind, content) in json.loads(keys).items():
        match kind:
            case "hash":
                await client.hset(key, mapping={name: value.encode(TEXT) for name, value in content.items()})
            case "zset":
                await client.zadd(key, dict(content))
            case "stream":
                for entry, fields in content:
                    await client.xadd(key, {name: value.encode(TEXT) for name, value in fields.items()}, id=entry)
            case _:
                raise AssertionError(f"no such type: {kind}")
    await client.aclose()
