"""Checks of feature flags: whether their source tells any that the agent could use."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from meshwright.cli.doctor.finding import good, missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meshwright.agent.flags.definitions import BadFlagsError, Definitions
    from meshwright.agent.settings import AgentSettings
    from meshwright.cli.doctor.finding import Finding
    from meshwright.serving.address import Address

FLAGD_SECONDS = 5.0
ADVICE = "docs/flags.md says what there is; until then runs are as the settings say"


def check_flags(settings: AgentSettings) -> Iterator[Finding]:
    """One finding where there is a source."""
    from meshwright.agent.flags.definitions import BadFlagsError, read

    if settings.flags_file is not None:
        name = str(settings.flags_file)
        try:
            yield _judge(name, read(settings.flags_file), settings)
        except BadFlagsError as error:
            yield _judge(name, error, settings)
    elif settings.flagd_address is not None:
        name = f"flagd at {settings.flagd_address}"
        yield _judge(name, asyncio.run(_first_of(settings.flagd_address, settings.flagd_selector)), settings)


async def _first_of(address: Address, selector: str) -> Definitions | BadFlagsError:
    from meshwright.agent.flags.definitions import BadFlagsError
    from meshwright.agent.flags.sources import Flagd

    told: asyncio.Queue[Definitions | BadFlagsError] = asyncio.Queue()
    following = asyncio.create_task(Flagd(address, selector).follow(told.put_nowait))
    try:
        async with asyncio.timeout(FLAGD_SECONDS):
            return await told.get()
    except TimeoutError:
        return BadFlagsError(f"it has told nothing for {FLAGD_SECONDS:.0f} seconds")
    finally:
        following.cancel()
        await asyncio.wait([following])


def _judge(name: str, told: Definitions | BadFlagsError, settings: AgentSettings) -> Finding:
    from meshwright.agent.flags.definitions import BadFlagsError

    if isinstance(told, BadFlagsError):
        return missing("flags", f"{name}: {told}", ADVICE)
    if unknown := list(_unknown_models(told, settings)):
        return missing("flags", f"{name}: {'; '.join(unknown)}", ADVICE)
    return good("flags", f"{', '.join(told.keys) or 'none of this mesh'} in {name}")


def _unknown_models(definitions: Definitions, settings: AgentSettings) -> Iterator[str]:
    """Models that a flag names and no lane serves."""
    from meshwright.agent.flags.catalogue import MODEL
    from meshwright.models.registry import open_model
    from meshwright.serving.errors import MeshError

    flag = json.loads(definitions.text)["flags"].get(MODEL.key, {})
    for variant, name in flag.get("variants", {}).items():
        try:
            open_model(name, settings)
        except MeshError as error:
            yield f"{MODEL.key}: variant {variant}: {error.message}"
