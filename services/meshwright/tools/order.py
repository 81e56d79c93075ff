"""Turns for calls that touch the same thing, in the order in which the calls arrived."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Hashable
    from types import TracebackType

    from meshwright.tools.tool import Claim


class KeyedOrder:
    """Lets the holders of tickets for one key run one after another, and those of different keys at once.

    A ticket is taken without waiting, when the call arrives, so the order is that of arrival whatever the event loop does
    next. A ticket that is left before its turn does not let those behind it overtake whoever runs.
    """

    def __init__(self) -> None:
        self._lines: dict[Hashable, deque[Ticket]] = {}

    def take(self, claim: Claim) -> Ticket:
        """A place at the end of the line of the claim's key."""
        line = self._lines.setdefault(claim.key, deque())
        ticket = Ticket(self, claim)
        line.append(ticket)
        line[0].call()
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Gives the place up; leaving twice is no error."""
        line = self._lines.get(ticket.claim.key)
        if line is None or ticket not in line:
            return
        line.remove(ticket)
        if line:
            line[0].call()
        else:
            del self._lines[ticket.claim.key]

    def behind(self, ticket: Ticket) -> list[Ticket]:
        """Those who wait behind the ticket, the next one first."""
        line = list(self._lines.get(ticket.claim.key, ()))
        return line[line.index(ticket) + 1 :] if ticket in line else []

    def is_claimed(self, key: Hashable) -> bool:
        """Whether somebody holds or waits for the key."""
        return key in self._lines

    def __len__(self) -> int:
        return len(self._lines)


class Ticket:
    """A place in a key's line. As an async context manager it waits for its turn and gives the place up at the end."""

    def __init__(self, order: KeyedOrder, claim: Claim) -> None:
        self.claim = claim
        self._order = order
        self._called = asyncio.Event()

    def call(self) -> None:
        """Tells the holder that it is its turn."""
        self._called.set()

    def leave(self) -> None:
        """Gives the place up."""
        self._order.leave(self)

    def behind(self) -> list[Ticket]:
        """Those who wait behind this one."""
        return self._order.behind(self)

    async def __aenter__(self) -> Self:
        await self._called.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()
