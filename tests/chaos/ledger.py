"""A real tool service whose tools write down in a file what they do, so that nothing can be done twice unnoticed.

    python -m tests.chaos.ledger --ledger FILE      (everything else by MESHWRIGHT_* variables)

Each entry is one line, appended by one write: what was done, the name of the entry. `story.py` never uses a name twice.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections import Counter
from pathlib import Path

from pydantic import BaseModel, Field

from meshwright.serving.process import run
from meshwright.tools.arguments import Arguments
from meshwright.tools.catalogue import catalogue
from meshwright.tools.context import CallContext
from meshwright.tools.output import Output
from meshwright.tools.run import tools_service
from meshwright.tools.settings import ToolSettings
from meshwright.tools.tool import Annotations, Tool, tool


class Entry(Arguments):
    """An entry, and how long the call takes: half of it before the effect and half after."""

    name: str = Field(description="Name of the entry.")
    seconds: float = Field(default=0.0, ge=0, le=60, description="How long the call takes.")


class Written(BaseModel):
    """Nothing to tell."""


def ledger_tools(path: Path) -> list[Tool]:
    """`ledger.append` may not be repeated; `ledger.put` and `ledger.read` may."""

    async def write(kind: str, args: Entry, call: CallContext) -> Output[Written]:
        await asyncio.sleep(args.seconds / 2)
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, f"{kind} {args.name}\n".encode())
        os.close(file)
        await call.progress(f"{kind} is done")
        await asyncio.sleep(args.seconds / 2)
        return Output(f"{kind} {args.name}")

    @tool("ledger.append", Annotations())
    async def append(args: Entry, call: CallContext) -> Output[Written]:
        """Appends an entry: once is not the same as twice."""
        return await write("append", args, call)

    @tool("ledger.put", Annotations(idempotent=True))
    async def put(args: Entry, call: CallContext) -> Output[Written]:
        """Puts an entry where it belongs: twice is the same as once."""
        return await write("put", args, call)

    @tool("ledger.read", Annotations(read_only=True))
    async def read(args: Entry, call: CallContext) -> Output[Written]:
        """Reads an entry."""
        return await write("read", args, call)

    return [append, put, read]


def effects(path: Path) -> Counter[str]:
    """How often each name was written, whatever was done."""
    lines = path.read_text().splitlines() if path.exists() else []
    return Counter(line.partition(" ")[2] for line in lines)


def _main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ledger", type=Path, required=True)
    options = parser.parse_args()
    settings = ToolSettings.load()
    return run(tools_service(settings, [*catalogue(settings), *ledger_tools(options.ledger)]), settings)


if __name__ == "__main__":
    sys.exit(_main())
