"""What a person is told once the mesh is ready."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from meshwright.cli.up.health import wait_served
from meshwright.client import Mesh, MeshError, Unauthenticated
from meshwright.client.credentials import TOKEN_VARIABLE

if TYPE_CHECKING:
    from rich.console import Console

    from meshwright.cli.up.plan import Plan
    from meshwright.client import AgentInfo

TASK = "Compare the prices of the lamp and the desk in the demo shop"
THROUGH_GATEWAY_SECONDS = 15.0


async def greet(plan: Plan, console: Console, started: float) -> None:
    """Ask the mesh through its front door what it is, and say how to use it. `started` is on the monotonic clock."""
    try:
        # Without a token: whether calls come through is the question, not whose.
        async with Mesh(plan.address, token="") as mesh:
            agent = await _what_it_is(mesh)
        async with asyncio.timeout(THROUGH_GATEWAY_SECONDS):
            await wait_served(plan)
    except (MeshError, TimeoutError) as error:
        why = error.message if isinstance(error, MeshError) else "not every service is healthy there."
        console.print(f"[bold red]The gateway does not let calls through:[/] {escape(why)}", highlight=False)
        return
    seconds = time.monotonic() - started
    console.print(f"\n[bold green]The mesh is ready[/] at [bold]{plan.url}[/] after {seconds:.1f} s", highlight=False)
    console.print(_ways(plan, agent), highlight=False)
    console.print("Ctrl-C stops it.", style="dim", highlight=False)


async def _what_it_is(mesh: Mesh) -> AgentInfo | None:
    """What the mesh says of itself; None where it says nothing to callers without a token."""
    try:
        return await mesh.wait_ready(THROUGH_GATEWAY_SECONDS)
    except Unauthenticated:
        return None


def _ways(plan: Plan, agent: AgentInfo | None) -> Table:
    task = agent.example_tasks[0] if agent is not None and agent.example_tasks else TASK
    elsewhere = "" if plan.port == 8080 else f" --address {plan.address}"
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    if agent is not None:
        table.add_row("Model", escape(agent.model) + (_OFFLINE if agent.offline else ""))
    if plan.authenticates:
        table.add_row("Login", f"clients show a token: export {TOKEN_VARIABLE}=...")
    table.add_row("Page", plan.url)
    table.add_row("Command", escape(f'meshwright run "{task}"{elsewhere}'))
    table.add_row("Python", escape(f'async with Mesh("{plan.address}") as mesh: print(await mesh.ask("..."))'))
    table.add_row("grpcurl", f"grpcurl -plaintext {plan.address} list")
    table.add_row("Logs", escape(str(plan.logs)))
    return table


_OFFLINE = " (no language model: it follows plain instructions; set OPENAI_API_KEY or MESHWRIGHT_MODEL for a real one)"
