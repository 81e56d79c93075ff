"""Write the Grafana dashboard of helm/meshwright/files/dashboard.json anew, from dashboard_panels.py.

Usage: python -m scripts.dashboard            write
       python -m scripts.dashboard --check    fail if the file differs from what would be written
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement, StackingMode
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableRefresh
from scripts.dashboard_panels import ROWS, Panel

FILE = Path(__file__).resolve().parent.parent / "helm" / "meshwright" / "files" / "dashboard.json"
PROMETHEUS = DataSourceRef(type_val="prometheus", uid="${datasource}")
WIDTH, HEIGHT = 8, 7


def picture(panel: Panel) -> timeseries.Panel:
    """A panel as Grafana has it."""
    made = timeseries.Panel().title(panel.title).description(panel.meaning).datasource(PROMETHEUS).unit(panel.unit)
    made.span(WIDTH).height(HEIGHT).min(0).fill_opacity(20 if panel.stacked else 5)
    made.legend(
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    if panel.stacked:
        made.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    for letter, (legend, expression) in zip("ABCD", panel.queries, strict=False):
        made.with_target(prometheus.Dataquery().ref_id(letter).expr(expression).legend_format(legend).range())
    return made


def variables(board: dashboard.Dashboard) -> None:
    """What a reader chooses: where the metrics are, and of which mesh."""
    board.with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    for name, label, query, regex in (
        ("namespace", "Namespace", "label_values(meshwright_runs_active, namespace)", ""),
        ("mesh", "Mesh", 'label_values(meshwright_runs_active{namespace="$namespace"}, service)', "/(.+)-agent/"),
    ):
        board.with_variable(
            dashboard.QueryVariable(name)
            .label(label)
            .datasource(PROMETHEUS)
            .query(query)
            .regex(regex)
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        )


def text() -> str:
    """The file's content."""
    board = dashboard.Dashboard("Meshwright").uid("meshwright").tags(["meshwright", "agents"]).refresh("30s")
    board.time("now-6h", "now").timezone("browser").readonly()
    variables(board)
    for title, panels in ROWS.items():
        board.with_row(dashboard.Row(title))
        for panel in panels:
            board.with_panel(picture(panel))
    content: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(board.build()))
    for number, panel in enumerate(content["panels"], start=1):
        panel["id"] = number
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write, or check; `arguments` are those of the command line unless they are given."""
    parser = argparse.ArgumentParser(description="Write the Grafana dashboard of the chart.")
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args(arguments).check
    wanted = text()
    if FILE.exists() and FILE.read_text(encoding="utf-8") == wanted:
        return 0
    if check:
        print(f"{FILE.name} is out of date: run python -m scripts.dashboard", file=sys.stderr)
        return 1
    FILE.write_text(wanted, encoding="utf-8")
    print(f"{FILE.name} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
