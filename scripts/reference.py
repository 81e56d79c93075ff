"""Write the tables of docs/settings.md, docs/errors.md, docs/metrics.md and docs/flags.md anew, from the code and from the contract.

Usage: python scripts/reference.py            write
       python scripts/reference.py --check    fail if a page differs from what would be written
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import meshwright
from meshwright.agent import metric_families
from meshwright.agent.flags.catalogue import FLAGS
from meshwright.agent.settings import AgentSettings
from meshwright.browser import metrics as browser_metrics
from meshwright.browser.settings import BrowserSettings
from meshwright.deletion_cost.settings import DeletionCostSettings
from meshwright.gateway.settings import GatewaySettings
from meshwright.models.settings import ModelSettings
from meshwright.serving import rpc_metrics
from meshwright.serving.metrics import Family
from meshwright.serving.reasons import STATUS_CODES
from meshwright.serving.settings import MeshSettings, ServerSettings, documented
from meshwright.site.settings import SiteSettings
from meshwright.tools import metrics as tool_metrics
from meshwright.tools.settings import ToolSettings
from meshwright.v1.error_reason_pb2 import ErrorReason

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "protos" / "meshwright" / "v1" / "error_reason.proto"
PACKAGE = Path(meshwright.__file__).parent

SETTINGS: Mapping[str, type[MeshSettings]] = {
    "every-process": MeshSettings,
    "every-service": ServerSettings,
    "gateway": GatewaySettings,
    "models": ModelSettings,
    "agent": AgentSettings,
    "tools": ToolSettings,
    "browser": BrowserSettings,
    "site": SiteSettings,
    "deletion-cost": DeletionCostSettings,
}
"""The tables of settings, by the names of their places in the page."""

REASONS = {
    "any-call": range(1, 20),
    "sessions": range(20, 40),
    "limits": range(40, 60),
    "models": range(60, 80),
    "tools": range(80, 100),
    "browsers": range(100, 120),
}
"""The tables of error reasons: the numbers of each."""

METRICS: Mapping[str, Sequence[Family]] = {
    "calls": rpc_metrics.FAMILIES,
    "agent": metric_families.FAMILIES,
    "tools": tool_metrics.FAMILIES,
    "browser": browser_metrics.FAMILIES,
}
"""The tables of metrics."""

VALUE = re.compile(r"((?:  // .*\n)+)  ERROR_REASON_(\w+) = (\d+);")
EXAMPLE = re.compile(r'Example: .*"metadata": \{(.*)\}\}')


def settings_table(name: str) -> str:
    """The settings of a class that the classes it is made of have not shown already."""
    settings = SETTINGS[name]
    shown = {row for base in SETTINGS.values() if base in settings.__mro__[1:] for row in documented(base)}
    rows = [
        (f"`{row.variable}`", row.type, default_text(row.default), row.description)
        for row in documented(settings)
        if row not in shown
    ]
    return table(("variable", "type", "default", "meaning"), rows)


def default_text(default: str) -> str:
    """A default as a person would write it into the environment; paths of the package are told from where it is."""
    if default in ("", "None", "PydanticUndefined"):
        return "none"
    default = default.replace(str(PACKAGE), "the package's folder")
    number = re.fullmatch(r"(\d+)\.0", default)
    return default if " " in default else f"`{number[1] if number else default}`"


def reasons_table(name: str) -> str:
    """The reasons of one group: code, meaning and the keys of the metadata."""
    rows = []
    for comment, reason, number in VALUE.findall(PROTO.read_text(encoding="utf-8")):
        if int(number) not in REASONS[name]:
            continue
        text = re.sub(r"\s*//\s*", " ", comment).strip()
        meaning, _, example = text.partition("Example:")
        keys = EXAMPLE.search(f"Example:{example}")
        metadata = ", ".join(f"`{key}`" for key in re.findall(r'"(\w+)": ', keys[1])) if keys else ""
        code = STATUS_CODES[ErrorReason.Value(f"ERROR_REASON_{reason}")].name
        # The status has a column of its own; what is said of it beside its name stays.
        meaning = re.sub(rf" {code}(?:\.|,? (as|with)\b)", lambda m: f" {m[1].capitalize()}" if m[1] else "", meaning)
        rows.append((f"`{reason}`", code, meaning.strip(), metadata))
    return table(("reason", "status", "meaning", "metadata"), rows)


def metrics_table(name: str) -> str:
    """The metrics of a room."""
    rows = [
        (f"`{family.name}`", family.kind, ", ".join(f"`{label}`" for label in family.labels), family.meaning)
        for family in METRICS[name]
    ]
    return table(("metric", "type", "labels", "meaning"), rows)


def flags_table(_: str) -> str:
    """The catalogue of feature flags."""
    return table(("flag", "type", "meaning"), [(f"`{flag.key}`", flag.type_name, flag.meaning) for flag in FLAGS])


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def pages() -> Iterator[tuple[Path, str]]:
    """Each page with its tables filled in."""
    for page, names, make in (
        ("settings.md", SETTINGS, settings_table),
        ("errors.md", REASONS, reasons_table),
        ("metrics.md", METRICS, metrics_table),
        ("flags.md", ("flags",), flags_table),
    ):
        path = ROOT / "docs" / page
        text = path.read_text(encoding="utf-8")
        for name in names:
            begin, end = f"<!-- {name}: from scripts/reference.py -->\n", f"<!-- end of {name} -->\n"
            if text.count(begin) != 1 or text.count(end) != 1:
                raise SystemExit(f"docs/{page} has no place for the table {name}: {begin.strip()} ... {end.strip()}")
            before, _, rest = text.partition(begin)
            _, _, after = rest.partition(end)
            text = f"{before}{begin}\n{make(name)}\n{end}{after}"
        yield path, text


def main(arguments: Sequence[str] | None = None) -> int:
    """Write, or check; `arguments` are those of the command line unless they are given."""
    parser = argparse.ArgumentParser(description="Write the reference tables in docs/.")
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args(arguments).check
    stale = [(path, text) for path, text in pages() if path.read_text(encoding="utf-8") != text]
    for path, text in stale:
        name = path.relative_to(ROOT)
        if check:
            print(f"{name} is out of date: run python scripts/reference.py", file=sys.stderr)
        else:
            path.write_text(text, encoding="utf-8")
            print(f"{name} written")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
