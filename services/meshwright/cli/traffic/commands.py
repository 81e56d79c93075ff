"""The commands of `meshwright traffic`. What a command needs is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from meshwright.cli.exit_codes import ExitCode

traffic = typer.Typer(
    help="Share sessions out between the stable and the canary track of the agent.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

DataDir = Annotated[
    Path | None,
    typer.Option(envvar="MESHWRIGHT_DATA_DIR", help="Data folder of the gateway. Default: that of `meshwright up`."),
]


@traffic.command()
def show(data_dir: DataDir = None) -> None:
    """Print the weights, and how many calls each track has had since they came into force.

    Exit codes: 0 done, 1 the last change was refused, 2 the weights cannot be read, 5 no gateway with a canary runs there.
    """
    _need_gateway()
    from meshwright.cli.traffic.shift import show as run

    raise typer.Exit(run(data_dir))


@traffic.command("set")
def set_weight(
    canary_weight: Annotated[int, typer.Argument(min=0, max=100, help="Percent of the sessions for the canary.")],
    data_dir: DataDir = None,
) -> None:
    """Send so many percent of the sessions to the canary, and wait until that is in force. Open streams stay where they are.

    Exit codes: 0 in force, 1 refused and nothing changed, 2 wrong weight, 5 no gateway with a canary runs there.
    """
    _need_gateway()
    from meshwright.cli.traffic.shift import set_weight as run

    raise typer.Exit(run(canary_weight, data_dir))


@traffic.command()
def rollback(data_dir: DataDir = None) -> None:
    """Go back to the weights before the last change, and wait until they are in force. Again, it goes back further.

    `meshwright traffic set 0` leaves the canary altogether, whatever came before.

    Exit codes: 0 in force, 1 refused and nothing changed, 2 nothing to go back to, 5 no gateway with a canary runs there.
    """
    _need_gateway()
    from meshwright.cli.traffic.shift import roll_back as run

    raise typer.Exit(run(data_dir))


def _need_gateway() -> None:
    """End with a message where only the SDK is installed."""
    from meshwright.cli.up.checks import CannotStartError, check_packages

    try:
        check_packages("gateway")
    except CannotStartError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(ExitCode.USAGE) from error
