"""`meshwright doctor` from its first check to its exit code."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from meshwright.cli.doctor.finding import Finding, Verdict, missing
from meshwright.cli.doctor.installation import check_installation
from meshwright.cli.doctor.operation import check_mesh, check_settings
from meshwright.cli.exit_codes import ExitCode
from meshwright.cli.up.checks import missing_packages
from meshwright.cli.up.console import WIDTH_ELSEWHERE

if TYPE_CHECKING:
    from collections.abc import Iterator


def doctor(fix: bool, address: str | None) -> int:
    """Print what is found, and what is missing; the exit code."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH_ELSEWHERE)
    if fix and not _fix(console):
        return ExitCode.FAILED
    findings: list[Finding] = []
    for finding in _all(address):
        findings.append(finding)
        console.print(_line(finding))
    lacking = [finding for finding in findings if finding.verdict is Verdict.MISSING]
    if lacking:
        console.print(f"\n{len(lacking)} missing: {', '.join(f.subject for f in lacking)}", style="red")
        return ExitCode.FAILED
    console.print("\nNothing that is needed is missing.", style="green")
    return ExitCode.OK


def _all(address: str | None) -> Iterator[Finding]:
    mesh = asyncio.run(_mesh(address))
    mesh_elsewhere = mesh[0].verdict is Verdict.GOOD
    yield from check_installation(mesh_elsewhere)
    if not missing_packages("agent"):
        yield from check_settings(mesh_elsewhere)
    yield from mesh


async def _mesh(address: str | None) -> list[Finding]:
    try:
        return [finding async for finding in check_mesh(address)]
    except ValueError as error:
        return [missing("mesh", str(error), "correct --address or MESHWRIGHT_ADDRESS")]


def _fix(console: Console) -> bool:
    """Install a Chromium where there is none that starts."""
    if missing_packages("browser"):
        console.print('Install the services first: pip install "meshwright[server]"', style="red", markup=False)
        return False
    from meshwright.browser import chromium

    try:
        chromium.install(lambda line: console.print(line, highlight=False, markup=False))
    except chromium.ChromiumMissingError as error:
        console.print(str(error), style="red", highlight=False, markup=False)
        return False
    return True


def _line(finding: Finding) -> Table:
    mark, style = finding.verdict.value
    line = Table.grid(padding=(0, 1))
    line.add_column(width=1)
    line.add_column(width=10)
    line.add_column(overflow="fold")
    text = Text(finding.text)
    if finding.advice:
        text.append(f"\n→ {finding.advice}", "yellow" if finding.verdict is not Verdict.MISSING else style)
    line.add_row(Text(mark, style), Text(finding.subject, "bold"), text)
    return line
