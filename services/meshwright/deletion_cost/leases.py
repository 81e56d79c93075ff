"""How many leases a browser pod holds, by the figure that it has for Prometheus.

What a pod answers may be made up: pages of strangers run in it. So little is read, and only a number is believed.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import httpx2

from meshwright.deletion_cost.pods import MOST

if TYPE_CHECKING:
    from collections.abc import Iterable

    from meshwright.deletion_cost.pods import BrowserPod

ANSWER_SECONDS = 2.0
ANSWER_BYTES = 16 * 1024
AT_ONCE = 16
LEASED = "meshwright_browser_leased"
FIGURE = re.compile(rb"^" + LEASED.encode() + rb" (\d{1,4})(?:\.0)?$", re.MULTILINE)
# In clear text: what is packed can be a thousand times as long.
HEADERS = {"Accept-Encoding": "identity"}


class Asker:
    """Asks pods, some at once. Close it in the end."""

    def __init__(self) -> None:
        # No proxy of the environment is between pods.
        self._http = httpx2.AsyncClient(timeout=ANSWER_SECONDS, headers=HEADERS, trust_env=False)
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def leases(self, pods: Iterable[BrowserPod]) -> dict[str, int]:
        """The leases of each pod that says within 2 s how many it holds, by its name."""
        pods = list(pods)
        answers = await asyncio.gather(*(self._leases_of(pod.url) for pod in pods))
        return {pod.name: leased for pod, leased in zip(pods, answers, strict=True) if leased is not None}

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _leases_of(self, url: str) -> int | None:
        async with self._turns:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    return leases_in(await self._answer(url))
            except (httpx2.HTTPError, httpx2.InvalidURL, OSError, TimeoutError):
                return None

    async def _answer(self, url: str) -> bytes:
        answer = bytearray()
        async with self._http.stream("GET", f"{url}/metrics", params={"name[]": LEASED}) as response:
            async for part in response.aiter_raw():
                answer += part
                if response.status_code != httpx2.codes.OK or len(answer) > ANSWER_BYTES:
                    return b""
        return bytes(answer)


def leases_in(answer: bytes) -> int | None:
    """The figure in what a pod answers; None where there is none that can be true."""
    found = FIGURE.search(answer)
    return min(int(found[1]), MOST) if found is not None else None
