"""Settings of the site server, from `MESHWRIGHT_*` environment variables."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from meshwright.serving.address import Address, AddressSetting
from meshwright.serving.settings import MeshSettings

_HERE = Path(__file__).parent


class SiteSettings(MeshSettings):
    """Where the site listens and which folders it serves."""

    listen: AddressSetting = Field(
        Address("127.0.0.1", 8084),
        description="Where the site listens: host:port or unix:/path. Port 0 takes a free one.",
    )
    trusted_network: bool = Field(
        False,
        description="Allow the site to listen on other addresses than loopback although it does not authenticate its "
        "callers, because only the mesh's own gateway can reach it there, as in a cluster with a network policy.",
    )
    site_page_dir: Path = Field(
        _HERE / "page",
        description="Folder of the built web page. It may be built while the site runs.",
    )
    site_demo: bool = Field(True, description="Whether the demo shop is served under /demo/.")
    site_demo_dir: Path = Field(
        _HERE / "demo",
        description="Folder of the demo shop's files. They are read at each request, so that an edit shows at once.",
    )
