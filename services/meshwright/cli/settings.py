"""`meshwright settings`: everything that can be set by environment, with what is set now."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meshwright.serving.settings import MeshSettings

SECRET_ENDINGS = ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD")


@dataclass(frozen=True, slots=True)
class Row:
    """One variable."""

    variable: str
    used_by: list[str]
    type: str
    default: str
    value: str | None
    """What is set now; None where it is not set. Never a secret."""
    description: str


def print_settings(form: str, service: str | None) -> int:
    """Print the variables for people (`text`), as a table in Markdown or as JSON; the exit code."""
    rows = [row for row in collect() if service is None or service in row.used_by]
    if form == "json":
        sys.stdout.write(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    elif form == "markdown":
        sys.stdout.writelines(f"{line}\n" for line in _markdown(rows))
    else:
        _print_for_people(rows, Console())
    return 0


def collect() -> list[Row]:
    """Every variable once, in the order of the services."""
    rows: dict[str, Row] = {}
    for service, settings in _classes():
        from meshwright.serving.settings import documented

        for found in documented(settings):
            if found.variable in rows:
                rows[found.variable].used_by.append(service)
            else:
                rows[found.variable] = Row(
                    found.variable,
                    [service],
                    found.type,
                    _default(found.variable, found.default),
                    _current(found.variable),
                    found.description,
                )
    return list(rows.values())


def _classes() -> Iterator[tuple[str, type[MeshSettings]]]:
    from meshwright.agent.settings import AgentSettings
    from meshwright.browser.settings import BrowserSettings
    from meshwright.deletion_cost.settings import DeletionCostSettings
    from meshwright.gateway.settings import GatewaySettings
    from meshwright.site.settings import SiteSettings
    from meshwright.tools.settings import ToolSettings

    yield "gateway", GatewaySettings
    yield "agent", AgentSettings
    yield "tools", ToolSettings
    yield "browser", BrowserSettings
    yield "site", SiteSettings
    yield "deletion-cost", DeletionCostSettings


def _default(variable: str, default: str) -> str:
    if variable == "MESHWRIGHT_LISTEN":
        return "127.0.0.1:8081 (agent), :8082 (tools), :8083 (browser), :8084 (site)"
    return "" if default in ("None", "PydanticUndefined") else default


def _current(variable: str) -> str | None:
    value = os.environ.get(variable)
    return "(set)" if value and variable.endswith(SECRET_ENDINGS) else value or None


def _print_for_people(rows: list[Row], console: Console) -> None:
    for row in rows:
        now = (f"  = {row.value}", "green") if row.value is not None else ("", "")
        console.print(Text.assemble((row.variable, "bold"), now))
        console.print(Padding(Text(row.description), (0, 0, 0, 4)))
        default = f", default {row.default}" if row.default else ""
        console.print(Padding(Text(f"{row.type}{default}; {', '.join(row.used_by)}", "dim"), (0, 0, 1, 4)))


def _markdown(rows: list[Row]) -> Iterator[str]:
    yield "| variable | used by | type | default | meaning |"
    yield "| --- | --- | --- | --- | --- |"
    for row in rows:
        cells = (f"`{row.variable}`", ", ".join(row.used_by), row.type, row.default, row.description)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
