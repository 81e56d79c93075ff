"""Putting the questions of a run to the person at the terminal."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from meshwright.cli.run.display import brief
from meshwright.client import ApprovalRequested, ApprovalResolved, MeshError, SubAgentEvent

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from meshwright.cli.run.display import Display
    from meshwright.client import Approval, Event, Mesh, Session

YES = ("y", "yes")
NO = ("", "n", "no")


class Approving:
    """Asks one question after the other, while the run's events go on; drops one that somebody else has answered."""

    def __init__(self, mesh: Mesh, display: Display) -> None:
        self._mesh = mesh
        self._display = display
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()

    def hear(self, event: Event) -> None:
        """Take notice of an event of the run."""
        match event:
            case SubAgentEvent(event=of_sub_agent):
                self.hear(of_sub_agent)
            case ApprovalRequested(approval=approval, session_id=session_id):
                if (asking := self._display.asking) is None:
                    where = f"answer on the page of {self._mesh.address}, or with the SDK"
                    self._display.note(f"? {_question(approval)} ({approval.approval_id}: {where})")
                    return
                task = asyncio.create_task(self._ask(asking, self._mesh.session(session_id), approval))
                self._asking[approval.approval_id] = task
            case ApprovalResolved(approval_id=approval_id) if approval_id in self._asking:
                self._asking.pop(approval_id).cancel()
            case _:
                pass

    async def close(self) -> None:
        """Ask no more."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(
        self, asking: Callable[[str], AbstractContextManager[None]], session: Session, approval: Approval
    ) -> None:
        async with self._turn:
            with asking(f"{_question(approval)} [y/N, or what to tell the agent] "):
                answer = (await _read_line()).strip()
        try:
            if answer.lower() in YES:
                await session.approve(approval.approval_id)
            else:
                await session.deny(approval.approval_id, comment="" if answer.lower() in NO else answer)
        except MeshError as error:
            self._display.note(error.message)


def _question(approval: Approval) -> str:
    reason = f" ({approval.reason})" if approval.reason else ""
    return f"May the agent call {approval.tool} {brief(approval.arguments)}?{reason}"


async def _read_line() -> str:
    """A line of the terminal, waited for without a thread, so that the wait can be given up."""
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str] = loop.create_future()

    def readable() -> None:
        text = sys.stdin.readline()
        if not line.done():
            line.set_result(text)

    loop.add_reader(sys.stdin, readable)
    try:
        return await line
    finally:
        loop.remove_reader(sys.stdin)
