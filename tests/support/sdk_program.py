"""What a program of an app developer does with the SDK. It runs with the SDK of any version, so it uses what the first one had.

    python tests/support/sdk_program.py ADDRESS SESSION_ID

Prints as JSON what it saw: the whole log of a session that was there, and what became of tasks of its own.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import sys
from pprint import pformat
from typing import Any

from meshwright.client import ApprovalRequested, Mesh, MeshError


async def seen(address: str, session_id: str) -> dict[str, Any]:
    """Everything that the program saw."""
    async with Mesh(address) as mesh:
        agent = await mesh.agent()
        log = [event async for event in mesh.session(session_id).events(follow=False)]
        return {
            "sdk": importlib.metadata.version("meshwright"),
            "agent": agent.version,
            # Sorted: a map of protobuf has no order.
            "log": [pformat(event, sort_dicts=True) for event in log],
            "sequences": [event.sequence for event in log],
            "hello": await mesh.ask("hello"),
            "approved": await with_an_approval(mesh),
            "error": await an_error(mesh),
            "listed": session_id in [session.session_id async for session in mesh.sessions()],
        }


async def with_an_approval(mesh: Mesh) -> list[str]:
    """A run in a session, its kinds of events; its question is answered as it comes."""
    session = await mesh.create_session(title="By a program")
    kinds = []
    async for event in session.run("danger"):
        kinds.append(type(event).__name__)
        if isinstance(event, ApprovalRequested):
            await session.approve(event.approval.approval_id)
    await session.delete()
    return kinds


async def an_error(mesh: Mesh) -> str:
    """How a mistake is told."""
    try:
        await mesh.session("ses_of_nobody").info()
    except MeshError as error:
        return f"{type(error).__name__}: {error}"
    return ""


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(seen(*sys.argv[1:]))))
