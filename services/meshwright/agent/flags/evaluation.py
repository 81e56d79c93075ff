"""Asking the flags for a session. It takes microseconds, waits for nothing and never fails: what goes wrong is the code's default."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import TYPE_CHECKING

import structlog

from meshwright.agent.flags.definitions import BadFlagsError
from meshwright.agent.flags.sources import Flagd, FlagFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from meshwright.agent.flags.catalogue import AnyFlag
    from meshwright.agent.flags.definitions import Definitions
    from meshwright.agent.flags.settings import FlagSettings
    from meshwright.agent.flags.sources import Source
    from meshwright.v1.run_pb2 import FlagDecision
    from meshwright.v1.session_pb2 import Session

FIRST_SECONDS = 2.0
"""How long an agent that starts waits for the first definitions."""
log = structlog.get_logger(__name__)


class Flags:
    """No flags: every switch stands as the settings say."""

    async def follow(self) -> None:
        """Take the definitions of the source as they change, until cancelled."""

    async def first(self) -> None:
        """Wait for what the source has at first, for FIRST_SECONDS at most."""

    def close(self) -> None:
        """Ask no more."""

    def decide(
        self, session: Session, wanted: Sequence[AnyFlag], refused: Callable[[AnyFlag, object], str]
    ) -> list[FlagDecision]:
        """What the flags say for a session, where they say something. Values for which `refused` has a reason are not taken."""
        return []


class SourcedFlags(Flags):
    """The flags of a source, evaluated by flagd's rules through OpenFeature."""

    def __init__(self, source: Source) -> None:
        # Imported here: an agent without flags should not carry OpenFeature in its memory.
        from meshwright.agent.flags.provider import Evaluator

        self._source = source
        self._evaluator = Evaluator()
        self._told = asyncio.Event()
        self._reported: set[tuple[str, str]] = set()
        self._version = version("meshwright")

    async def follow(self) -> None:
        """As in Flags."""
        await self._source.follow(self._take)

    async def first(self) -> None:
        """As in Flags."""
        try:
            async with asyncio.timeout(FIRST_SECONDS):
                await self._told.wait()
        except TimeoutError:
            log.warning("flags.none_yet", source=self._source.name)

    def close(self) -> None:
        """As in Flags."""
        self._evaluator.close()

    def decide(
        self, session: Session, wanted: Sequence[AnyFlag], refused: Callable[[AnyFlag, object], str]
    ) -> list[FlagDecision]:
        """As in Flags."""
        attributes = {"principal": session.principal, "version": self._version, "labels": dict(session.labels)}
        decisions = []
        for flag in wanted:
            found = self._evaluator.ask(flag, session.session_id, attributes)
            problem = found.problem or (refused(flag, found.value) if found.decision is not None else "")
            if problem:
                self._report(flag.key, problem)
            elif found.decision is not None:
                decisions.append(found.decision)
        return decisions

    def _take(self, told: Definitions | BadFlagsError) -> None:
        self._told.set()
        if isinstance(told, BadFlagsError):
            log.warning("flags.refused", source=self._source.name, cause=str(told))
            return
        self._evaluator.set(told.text)
        self._reported.clear()
        log.info("flags.read", source=self._source.name, flags=told.keys)

    def _report(self, key: str, problem: str) -> None:
        """Tell of a problem, once for each set of definitions."""
        if (key, problem) not in self._reported:
            self._reported.add((key, problem))
            log.warning("flags.not_decided", flag=key, cause=problem)


def open_flags(settings: FlagSettings) -> Flags:
    """The flags of the settings' source."""
    if settings.flags_file is not None:
        return SourcedFlags(FlagFile(settings.flags_file))
    if settings.flagd_address is not None:
        return SourcedFlags(Flagd(settings.flagd_address, settings.flagd_selector))
    return Flags()
