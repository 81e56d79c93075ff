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
            case "string":
                await client.set(key, content.encode(TEXT))
            case "zset":
                await client.zadd(key, dict(content))
            case "stream":
                for entry, fields in content:
                    await client.xadd(key, {name: value.encode(TEXT) for name, value in fields.items()}, id=entry)
            case _:
                raise AssertionError(f"no such type: {kind}")
    await client.aclose()


async def take_keys(url: str) -> str:
    """All keys of a server, as `put_keys` reads them. Keys lose their time to live."""
    client: Any = Redis.from_url(url)
    keys = {name.decode(): await _taken(client, name) for name in sorted(await client.keys())}
    await client.aclose()
    return json.dumps(keys, indent=0) + "\n"


async def _taken(client: Any, key: bytes) -> tuple[str, object]:
    kind = (await client.type(key)).decode()
    match kind:
        case "string":
            return kind, (await client.get(key)).decode(TEXT)
        case "hash":
            return kind, _as_text(await client.hgetall(key))
        case "zset":
            return kind, [[name.decode(), score] for name, score in await client.zrange(key, 0, -1, withscores=True)]
        case "stream":
            return kind, [[entry.decode(), _as_text(fields)] for entry, fields in await client.xrange(key)]
    raise AssertionError(f"no such type: {kind}")


def _as_text(fields: dict[bytes, bytes]) -> dict[str, str]:
    return {name.decode(TEXT): value.decode(TEXT) for name, value in sorted(fields.items())}
