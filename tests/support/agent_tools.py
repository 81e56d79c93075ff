"""Tools with which tests hold a run where they want it."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel, Field

from meshwright.tools.arguments import Arguments
from meshwright.tools.context import CallContext
from meshwright.tools.output import Output
from meshwright.tools.tool import Annotations, Tool, tool


class Nothing(Arguments):
    """No arguments."""


class Named(Arguments):
    """One name."""

    name: str = Field(description="A name.")


class Done(BaseModel):
    """Nothing to tell."""


def meeting_tool(parties: int) -> Tool:
    """A tool whose calls end only when so many of them run at once."""
    barrier = asyncio.Barrier(parties)

    @tool("test.meet", Annotations(read_only=True))
    async def meet(args: Named, call: CallContext) -> Output[Done]:
        """Waits for the others."""
        await barrier.wait()
        return Output(f"{args.name} met the others")

    return meet


def waiting_tool(cancelled: asyncio.Event) -> Tool:
    """A tool that never ends by itself."""

    @tool("test.wait", Annotations(default_timeout=60.0))
    async def wait(args: Nothing, call: CallContext) -> Output[Done]:
        """Waits for ever."""
        await call.progress("waiting")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return Output("never")

    return wait


def reluctant_tool(asked: asyncio.Event) -> Tool:
    """A tool that takes its time to be cancelled."""

    @tool("test.wait", Annotations(default_timeout=60.0))
    async def wait(args: Nothing, call: CallContext) -> Output[Done]:
        """Waits for ever."""
        await call.progress("waiting")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            asked.set()
            await asyncio.sleep(0.3)
            raise
        return Output("never")

    return wait


def gate_tool(gate: asyncio.Event) -> Tool:
    """A tool that ends when the gate opens."""

    @tool("test.wait", Annotations(default_timeout=60.0))
    async def wait(args: Nothing, call: CallContext) -> Output[Done]:
        """Waits for the gate."""
        await call.progress("waiting")
        await gate.wait()
        return Output("open")

    return wait


def counting_tool(name: str, annotations: Annotations, calls: list[str], gate: asyncio.Event) -> Tool:
    """A tool that notes each of its calls and ends when the gate opens."""

    @tool(name, annotations)
    async def count(args: Nothing, call: CallContext) -> Output[Done]:
        """Counts."""
        calls.append(name)
        await call.progress("counted")
        await gate.wait()
        return Output("counted")

    return count
