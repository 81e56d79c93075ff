"""Settings of the browser service, from `MESHWRIGHT_*` environment variables."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from meshwright.egress.settings import EgressSettings
from meshwright.serving.address import Address, AddressSetting
from meshwright.serving.settings import ServerSettings


class BrowserSettings(ServerSettings, EgressSettings):
    """How many browsers there are, how long they live, what they may do and what they may reach."""

    listen: AddressSetting = Field(
        default=Address("127.0.0.1", 8083),
        description="Where the service listens: host:port or unix:/path. Port 0 takes a free one.",
    )
    chromium: str = Field(
        default="",
        description="Path of the Chromium or Chrome executable. Empty: Playwright's download, else one on the machine.",
    )
    browser_warm: int = Field(
        default=3,
        ge=0,
        le=64,
        description="Contexts with a blank tab that stand ready to be leased. About 20 MiB of memory each.",
    )
    browser_capacity: int = Field(default=8, ge=1, le=256, description="Leases at once at most.")
    quota_leases: int = Field(
        default=0,
        ge=0,
        description="Browsers that a principal may lease or wait for at once; 0 means no limit but the capacity.",
    )
    browser_queue: int = Field(
        default=32, ge=0, le=4096, description="Callers that may wait for a browser; the next one is refused at once."
    )
    browser_leases_per_process: int = Field(
        default=8,
        ge=1,
        le=64,
        description="Leases at once that one Chromium process carries; the capacity is spread over as many as it takes.",
    )
    browser_recycle_leases: int = Field(
        default=200,
        ge=1,
        le=100_000,
        description="A Chromium process is replaced, once it is idle, after so many leases.",
    )
    browser_recycle_seconds: float = Field(
        default=1800.0,
        gt=0,
        le=604_800,
        description="A Chromium process is replaced, once it is idle, after so many seconds.",
    )
    browser_width: int = Field(default=1280, ge=200, le=3840, description="Width of a new viewport in CSS pixels.")
    browser_height: int = Field(default=800, ge=200, le=2160, description="Height of a new viewport in CSS pixels.")
    browser_sandbox: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="Chromium's own sandbox. `auto`: on, but off as root or where the machine does not allow it, with a "
        "warning and `sandboxed` false in every lease. `on`: no browser without it.",
    )
    browser_evaluate: bool = Field(
        default=False,
        description="Whether callers may evaluate their own scripts in pages. Otherwise EVALUATE_DISABLED.",
    )
    browser_action_seconds: float = Field(
        default=5.0,
        gt=0,
        le=600,
        description="How long an element may take to become actionable before ELEMENT_NOT_ACTIONABLE.",
    )
