"""What every process that runs an Envoy can be told."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from meshwright.serving.settings import MeshSettings


class EnvoySettings(MeshSettings):
    """Where an Envoy's files are."""

    runtime_dir: Path | None = Field(
        default=None,
        description="Folder in which the gateway and the browser service each make a private one for their Envoy's socket and its rendered "
        "configuration. Default: the system's temporary folder.",
    )
