"""Settings of the site server, from `MESHWRIGHT_*` environment variables."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_HERE = Path(__file__).parent


class SiteSettings(BaseSettings):
    """Where the site listens and which folders it serves."""

    model_config = SettingsConfigDict(env_prefix="MESHWRIGHT_", frozen=True)

    listen: str = Field(
        default="127.0.0.1:8084",
        description="Address to listen on: host:port (port 0 picks a free one) or unix:/path.",
    )
    site_page_dir: Path = Field(
        default=_HERE / "page",
        description="Folder of the built web page. It may be built while the site runs.",
    )
    site_demo: bool = Field(
        default=True,
        description="Whether the demo shop is served under /demo/.",
    )
    site_demo_dir: Path = Field(
        default=_HERE / "demo",
        description="Folder of the demo shop's files. They are read at each request.",
    )
