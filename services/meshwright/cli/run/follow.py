"""Following a run that Ctrl-C can cancel."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from meshwright.cli.run.approving import Approving
from meshwright.client import MeshError, RunFinished

if TYPE_CHECKING:
    from meshwright.cli.interrupts import Interrupts
    from meshwright.cli.run.display import Display
    from meshwright.client import Mesh, RunStream

CANCEL_SECONDS = 10.0
"""How long a cancelled run may take to say that it has ended."""


async def follow(mesh: Mesh, stream: RunStream, display: Display, interrupts: Interrupts) -> RunFinished | None:
    """Show the run to its end; None when the person did not wait for it. Raises MeshError."""
    approving = Approving(mesh, display)
    showing = asyncio.create_task(_show(stream, display, approving))
    cancelling = asyncio.create_task(_cancel_on_interrupt(stream, display, interrupts))
    try:
        await asyncio.wait({showing, cancelling}, return_when=asyncio.FIRST_COMPLETED)
        return showing.result() if showing.done() else None
    finally:
        for task in (showing, cancelling):
            task.cancel()
        await asyncio.gather(showing, cancelling, approving.close(), return_exceptions=True)
        await stream.aclose()


async def _show(stream: RunStream, display: Display, approving: Approving) -> RunFinished:
    async for event in stream:
        display.show(event)
        approving.hear(event)
        if isinstance(event, RunFinished):
            return event
    raise RuntimeError("a run's stream ends with its terminal event")


async def _cancel_on_interrupt(stream: RunStream, display: Display, interrupts: Interrupts) -> None:
    """Cancel the run at the first Ctrl-C, and return at the second or when the run does not end."""
    await interrupts.next()
    display.note("Cancelling the run; Ctrl-C again leaves at once.")
    try:
        async with asyncio.timeout(CANCEL_SECONDS):
            cancelling = asyncio.create_task(stream.cancel())
            again = asyncio.create_task(interrupts.next())
            try:
                await asyncio.wait({cancelling, again}, return_when=asyncio.FIRST_COMPLETED)
                if again.done():
                    return
                cancelling.result()
                # The run's last event ends the other task, and with it everything.
                await again
            finally:
                cancelling.cancel()
                again.cancel()
    except TimeoutError:
        display.note(f"The run has not ended after {CANCEL_SECONDS:g} s.")
    except MeshError as error:
        display.note(f"The run could not be cancelled: {error.message}")
        await interrupts.next()
