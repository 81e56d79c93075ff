"""What `meshwright up` shows while the services start: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich.live import Live
from rich.table import Table
from rich.text import Text

from meshwright.cli.up.child import State

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console

    from meshwright.cli.up.child import Child

STYLES = {
    State.STARTING: "dim",
    State.READY: "green",
    State.RESTARTING: "yellow",
    State.FAILED: "bold red",
    State.STOPPED: "dim",
}


class Board:
    """Shows the states of the services. `with board:` is the time of the live table; after it changes are lines."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._children: dict[str, Child] = {}
        self._started = time.monotonic()
        self._live = Live(console=console, get_renderable=self._table, refresh_per_second=10, transient=False)
        self._is_live = False

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
            self._is_live = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_live:
            self._live.refresh()
            self._live.stop()
            self._is_live = False

    def show(self, children: dict[str, Child]) -> None:
        """Show these."""
        self._children = children

    def changed(self, child: Child) -> None:
        """A service's state has changed."""
        if self._is_live or child.state is State.STOPPED:
            return
        news = f": {child.news}" if child.news else ""
        after = f" after {child.since - self._started:.1f} s" if child.state is State.READY else ""
        self._console.print(
            Text.assemble(f"{child.name:<8} ", (child.state, STYLES[child.state]), f"{after}{news}"), highlight=False
        )

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for child in self._children.values():
            seconds = (child.since if child.state is State.READY else time.monotonic()) - self._started
            table.add_row(
                Text(child.name),
                Text(child.state, STYLES[child.state]),
                Text(f"{seconds:4.1f} s", "dim"),
                Text(child.news, "yellow"),
            )
        return table
