"""What a model's token costs before the mesh has done anything with it: CPU of this process for each delta, 50 answers streaming
200 tokens/s each from a scripted model in a process of its own. Beside the fast lane: lines read with httpx2 and decoded with json, as
one writes it by hand, and the wide lane (pydantic-ai and Anthropic's client) on the same script. Rounds take turns, the median
counts."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import time
from contextlib import aclosing
from typing import TYPE_CHECKING
from unittest.mock import patch

import httpx2

from meshwright.models import Model, ModelRequest, TextDelta, UserTurn
from meshwright.models.registry import open_model
from meshwright.models.settings import ModelSettings
from tests.bench.table import Beside, Row

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.bench.scene import Scene

ANSWERS = 50
TOKENS = 400
ROUNDS = 3
SECONDS = 20


def task(tokens: int) -> str:
    """What the scripted model is asked for."""
    return f"stream {tokens} tokens every 5 ms"


async def by_model(model: Model, tokens: int) -> int:
    """Deltas of one answer of a lane."""
    async with aclosing(model.stream(ModelRequest("", [UserTurn(task(tokens))]))) as parts:
        return sum([isinstance(part, TextDelta) async for part in parts])


async def by_hand(client: httpx2.AsyncClient, url: str, tokens: int) -> int:
    """Deltas of one answer, as one reads them without a library for it."""
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": task(tokens)}]}
    count = 0
    async with client.stream("POST", f"{url}/chat/completions", json=body) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                choices = json.loads(line[6:])["choices"]
                count += bool(choices and choices[0]["delta"].get("content"))
    return count


async def cost(answer: Callable[[int], Awaitable[int]], tokens: int) -> float:
    """Microseconds of CPU for one delta."""
    before = time.process_time()
    counts = await asyncio.gather(*(answer(tokens) for _ in range(ANSWERS)))
    used = time.process_time() - before
    assert counts == [tokens] * ANSWERS, counts
    return used / sum(counts) * 1e6


async def run(scene: Scene) -> list[Row]:
    """Measure all ways in turn."""
    anthropic = {"ANTHROPIC_BASE_URL": scene.model_url.removesuffix("/v1"), "ANTHROPIC_API_KEY": "none"}
    with patch.dict(os.environ, anthropic):
        medians = await measure(scene)
    beside = (Beside("httpx2 and json by hand", medians["hand"]), Beside("wide lane", medians["wide"]))
    return [Row(f"fast lane: CPU of a delta, {ANSWERS} answers at 200/s", medians["fast"], "us", beside, budget=20)]


async def measure(scene: Scene) -> dict[str, float]:
    """Microseconds for a delta, by way."""
    tokens = scene.many(TOKENS, 20)
    settings = ModelSettings.load(openai_base_url=scene.model_url)
    fast, wide = open_model("openai:scripted", settings), open_model("anthropic:claude-sonnet-5-5", settings)
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(timeout=60, limits=limits) as client:
        ways: dict[str, Callable[[int], Awaitable[int]]] = {
            "fast": lambda count: by_model(fast, count),
            "hand": lambda count: by_hand(client, scene.model_url, count),
            "wide": lambda count: by_model(wide, count),
        }
        for answer in ways.values():
            await answer(1)
        samples: dict[str, list[float]] = {}
        for _ in scene.rounds(ROUNDS, SECONDS):
            for name, answer in ways.items():
                samples.setdefault(name, []).append(await cost(answer, tokens))
    await fast.close()
    await wide.close()
    return {name: statistics.median(values) for name, values in samples.items()}
