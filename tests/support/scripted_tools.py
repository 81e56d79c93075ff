"""Tools whose behaviour a test decides: they wait, fail, talk and fill their answers as they are told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from meshwright.tools.arguments import Arguments
from meshwright.tools.context import CallContext
from meshwright.tools.output import Output
from meshwright.tools.session import ToolSession
from meshwright.tools.tool import Annotations, Tool, tool

if TYPE_CHECKING:
    from collections.abc import Callable


class GateArguments(Arguments):
    name: str = Field(default="", description="Name of the gate.")


class KeyArguments(GateArguments):
    key: str = Field(description="What the call needs for itself alone.")


class SizeArguments(Arguments):
    size: int = Field(ge=0, description="How much.")


class Passed(BaseModel):
    name: str = Field(description="Name of the gate.")


@dataclass(frozen=True)
class NamedClaim:
    key: str


@dataclass
class Gates:
    """Gates by name; a call waits at one until the test opens it."""

    opened: dict[str, asyncio.Event] = field(default_factory=dict)
    passing: list[str] = field(default_factory=list)
    """Names in the order in which calls arrived at their gates."""
    stopped: list[str] = field(default_factory=list)
    """Names of those that were cancelled at their gates."""
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until calls have come or stopped so that the condition holds."""
        async with asyncio.timeout(30):
            while not condition():
                self.news.clear()
                await self.news.wait()

    def open(self, name: str) -> None:
        """Lets the calls at the gate pass."""
        self.opened.setdefault(name, asyncio.Event()).set()

    async def pass_through(self, name: str) -> None:
        """Waits at the gate."""
        self.passing.append(name)
        self.news.set()
        try:
            await self.opened.setdefault(name, asyncio.Event()).wait()
        except asyncio.CancelledError:
            self.stopped.append(name)
            self.news.set()
            raise


def scripted_tools(gates: Gates, together: asyncio.Barrier | None = None) -> list[Tool]:
    """The tools."""

    @tool("test.gate", Annotations(read_only=True, default_timeout=20, max_timeout=30))
    async def gate(args: GateArguments, call: CallContext) -> Output[Passed]:
        """Waits until the test opens the gate of that name."""
        await gates.pass_through(args.name)
        return Output(text=f"passed {args.name}", structured=Passed(name=args.name))

    def claim_key(args: KeyArguments, session: ToolSession) -> NamedClaim:
        return NamedClaim(args.key)

    @tool("test.keyed", Annotations(), claim=claim_key)
    async def keyed(args: KeyArguments, call: CallContext) -> Output[Passed]:
        """Waits at a gate, and calls of one key one after another."""
        await gates.pass_through(args.name)
        return Output(text=args.name, structured=Passed(name=args.name))

    @tool("test.meet", Annotations())
    async def meet(args: GateArguments, call: CallContext) -> Output[Passed]:
        """Waits until as many calls as the barrier wants are here."""
        assert together is not None
        await together.wait()
        return Output(text=f"met {args.name}", structured=Passed(name=args.name))

    @tool("test.break", Annotations())
    async def break_down(args: GateArguments, call: CallContext) -> Output[Passed]:
        """Has a defect."""
        raise RuntimeError("the secret of " + args.name)

    @tool("test.talk", Annotations())
    async def talk(args: SizeArguments, call: CallContext) -> Output[Passed]:
        """Reports so many pieces of news, the last of them out of bounds."""
        for number in range(args.size):
            await call.progress(f"step {number}", fraction=number / args.size)
        await call.progress("é" * 2000, fraction=7, output="é" * 20_000)
        return Output(text="done")

    @tool("test.slow", Annotations())
    async def slow(args: GateArguments, call: CallContext) -> Output[Passed]:
        """Takes long, and says so."""
        async with call.telling("Still waiting"):
            await gates.pass_through(args.name)
        return Output(text="done")

    @tool("test.fill", Annotations())
    async def fill(args: SizeArguments, call: CallContext) -> Output[Passed]:
        """Gives a result of that many characters, twice."""
        return Output(text="x" * args.size, structured=Passed(name="y" * args.size))

    return [gate, keyed, meet, break_down, talk, slow, fill]
