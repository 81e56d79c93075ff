"""Why a gateway cannot start."""

from __future__ import annotations

from meshwright.serving.startup import StartupError


class GatewayError(StartupError):
    """The gateway cannot start or serve as it is told to. The text is for the person who runs it."""
