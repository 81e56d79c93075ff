"""The commands of `meshwright traffic`. What a command needs is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meshwright.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from meshwright.cli.traffic.in_cluster import Where

traffic = typer.Typer(
    help="Share sessions out between the stable and the canary track of the agent.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

DataDir = Annotated[
    Path | None,
    typer.Option(envvar="MESHWRIGHT_DATA_DIR", help="Data folder of the gateway. Default: that of `meshwright up`."),
]
Kubernetes = Annotated[
    str | None,
    typer.Option(
        metavar="RELEASE", help="The Helm release in a cluster whose gateways are meant, instead of one here."
    ),
]
Namespace = Annotated[
    str | None, typer.Option(help="With --kubernetes, its namespace. Default: that of the kubeconfig's context.")
]
Context = Annotated[
    str | None, typer.Option(help="With --kubernetes, the kubeconfig's context. Default: its current one.")
]


@traffic.command()
def show(
    data_dir: DataDir = None, kubernetes: Kubernetes = None, namespace: Namespace = None, context: Context = None
) -> None:
    """Print the weights, and how many calls each track has had since they came into force.

    Exit codes: 0 done, 1 the last change is not in force everywhere, 2 a wrong request, 5 no gateway with a canary runs there.
    """
    where = _where(kubernetes, namespace, context)
    if where is not None:
        from meshwright.cli.traffic import in_cluster

        raise typer.Exit(in_cluster.show(where))
    from meshwright.cli.traffic import shift

    raise typer.Exit(shift.show(data_dir))


@traffic.command("set")
def set_weight(
    canary_weight: Annotated[int, typer.Argument(min=0, max=100, help="Percent of the sessions for the canary.")],
    data_dir: DataDir = None,
    kubernetes: Kubernetes = None,
    namespace: Namespace = None,
    context: Context = None,
) -> None:
    """Send so many percent of the sessions to the canary, and wait until that is in force. Open streams stay where they are.

    Exit codes: 0 in force, 1 refused, or changed by somebody else meanwhile, 2 a wrong request, 5 no gateway with a canary answers there.
    """
    where = _where(kubernetes, namespace, context)
    if where is not None:
        from meshwright.cli.traffic import in_cluster

        raise typer.Exit(in_cluster.set_weight(canary_weight, where))
    from meshwright.cli.traffic import shift

    raise typer.Exit(shift.set_weight(canary_weight, data_dir))


@traffic.command()
def rollback(
    data_dir: DataDir = None, kubernetes: Kubernetes = None, namespace: Namespace = None, context: Context = None
) -> None:
    """Go back to the weights before the last change, and wait until they are in force. Again, it goes back further.

    `meshwright traffic set 0` leaves the canary altogether, whatever came before.

    Exit codes: 0 in force, 1 refused, or changed by somebody else meanwhile, 2 nothing to go back to, or another wrong request,
    5 no gateway with a canary answers there.
    """
    where = _where(kubernetes, namespace, context)
    if where is not None:
        from meshwright.cli.traffic import in_cluster

        raise typer.Exit(in_cluster.roll_back(where))
    from meshwright.cli.traffic import shift

    raise typer.Exit(shift.roll_back(data_dir))


def _where(release: str | None, namespace: str | None, context: str | None) -> Where | None:
    """Which release is meant; None for a gateway here."""
    if release is None and (namespace or context):
        option = "--namespace" if namespace else "--context"
        raise typer.BadParameter("is for a cluster: name the release with --kubernetes", param_hint=option)
    _need_gateway()
    if release is None:
        return None
    from meshwright.cli.traffic.in_cluster import Where

    return Where(release, namespace, context)


def _need_gateway() -> None:
    """End with a message where only the SDK is installed."""
    from meshwright.cli.up.checks import CannotStartError, check_packages

    try:
        check_packages("gateway")
    except CannotStartError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(ExitCode.USAGE) from error
