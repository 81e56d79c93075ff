"""From settings to the file that the egress Envoy reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from meshwright.egress.near import near
from meshwright.egress.refusals import DENIED, HEADER
from meshwright.egress.rules import egress_rules

if TYPE_CHECKING:
    from pathlib import Path

    from meshwright.egress.settings import EgressSettings

HEAP_BYTES = 256 * 1024**2
REFUSAL = (
    "Refused by the mesh's egress rules: %REQ(:AUTHORITY)% is not on the public internet. Who runs the mesh can allow it with "
    "MESHWRIGHT_EGRESS_ALLOW.\n"
)

# The template makes YAML, not HTML; every value from outside goes through `tojson`, which is YAML's quoting too.
_templates = Environment(
    loader=PackageLoader("meshwright.egress"),
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701
    keep_trailing_newline=True,
)


def render_bootstrap(settings: EgressSettings, admin_socket: Path, port: int) -> str:
    """Envoy's bootstrap, with a listener on that port of loopback; 0 takes a free one."""
    return _templates.get_template("egress.yaml.j2").render(
        admin_socket=str(admin_socket),
        port=port,
        heap_bytes=HEAP_BYTES,
        header=HEADER,
        denied=DENIED,
        refusal=REFUSAL,
        rules=egress_rules(settings.egress_allow, near()),
        name_servers=settings.egress_dns,
    )
