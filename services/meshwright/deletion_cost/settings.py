"""Settings of the process that gives browser pods their deletion cost, from `MESHWRIGHT_*` environment variables."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from meshwright.serving.settings import MeshSettings


class DeletionCostSettings(MeshSettings):
    """Which pods are asked, and how often."""

    deletion_cost_service: str = Field(
        default="",
        pattern=r"^([a-z0-9-]+/[a-z0-9.-]+)?$",
        description="The Service behind whose port `metrics` the pods of browsers tell their leases, as namespace/name. Needed, and of use "
        "in a pod only.",
    )
    deletion_cost_interval: float = Field(
        default=5.0,
        ge=0.05,
        le=300,
        description="Seconds between two looks at all browser pods. So old the figure may be by which Kubernetes chooses which pod goes.",
    )
    deletion_cost_mark: Path | None = Field(
        default=None,
        description="File that is there while all pods could be asked for and told, for a probe of readiness. Empty: none.",
    )
