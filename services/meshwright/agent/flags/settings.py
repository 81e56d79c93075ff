"""The settings of feature flags."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from meshwright.serving.address import Address, OptionalTcpSetting
from meshwright.serving.settings import MeshSettings

if TYPE_CHECKING:
    from pydantic import ValidationInfo


class FlagSettings(MeshSettings):
    """Where feature flags come from. Without either setting there are none."""

    flags_file: Path | None = Field(
        None,
        description="File with feature flags in flagd's form, JSON or (.yaml, .yml) YAML, which is read again when it changes. "
        "Empty: no file.",
    )
    flagd_address: OptionalTcpSetting = Field(
        None,
        description="flagd that tells the feature flags: host:port of its sync service, as in flagd:8015, without TLS. "
        "In the place of MESHWRIGHT_FLAGS_FILE. Empty: none.",
    )

    flagd_selector: str = Field(
        "",
        max_length=1_000,
        pattern=r"^[!-~]*$",
        description="Which of flagd's flags to ask for, in flagd's words: `flagSetId=mesh`, `source=/etc/flagd/mesh.json`, or of a "
        "flagd-proxy `core.openfeature.dev/NAMESPACE/NAME`. Empty: all that it gives without.",
    )

    @field_validator("flagd_selector")
    @classmethod
    def _selects_of_flagd(cls, selector: str, info: ValidationInfo) -> str:
        if selector and info.data.get("flagd_address") is None:
            raise ValueError("has no effect without MESHWRIGHT_FLAGD_ADDRESS")
        return selector

    @field_validator("flagd_address")
    @classmethod
    def _one_source(cls, address: Address | None, info: ValidationInfo) -> Address | None:
        if address is not None and info.data.get("flags_file") is not None:
            raise ValueError("and MESHWRIGHT_FLAGS_FILE are two sources of flags: keep one")
        return address
