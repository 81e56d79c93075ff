"""How browsers reach the network: through the mesh's own egress proxy, or through one of the operator's."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from meshwright.egress.settings import EgressSettings

log = structlog.get_logger(__name__)


class WayOut(Protocol):
    """The one proxy that browsers are given."""

    @property
    def server(self) -> str:
        """Where it is: `http://127.0.0.1:41234`."""

    @property
    def is_up(self) -> bool:
        """It takes connections, as far as is known."""

    @property
    def denied(self) -> int:
        """How often it has refused something by the mesh's rules."""

    def on_change(self, changed: Callable[[], None]) -> None:
        """Call back whenever `is_up` changes."""


@dataclass(frozen=True, slots=True)
class OuterProxy:
    """A proxy that is none of ours: it decides, and nobody here knows how it is."""

    server: str
    is_up: bool = True
    denied: int = 0

    def on_change(self, changed: Callable[[], None]) -> None:
        """Nothing is known of it that could change."""


@asynccontextmanager
async def way_out(settings: EgressSettings) -> AsyncIterator[WayOut]:
    """The way that the settings ask for, for the block. Raises EnvoyError where the mesh's own proxy does not start."""
    if settings.egress_proxy:
        log.warning("egress_rules_off", proxy=settings.egress_proxy, setting="MESHWRIGHT_EGRESS_PROXY")
        yield OuterProxy(settings.egress_proxy)
        return
    # Imported here: who has a proxy of their own needs no Envoy.
    from meshwright.egress.proxy import EgressProxy

    async with EgressProxy(settings) as proxy:
        yield proxy
