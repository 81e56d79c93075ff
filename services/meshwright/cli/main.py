"""The commands of `meshwright`. What a command needs is imported when it runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from meshwright.cli.exit_codes import ExitCode
from meshwright.cli.traffic.commands import traffic

# gRPC's C core tells of every connection that ends, on standard error and in its own words.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(traffic, name="traffic")

Address = Annotated[
    str | None,
    typer.Option(
        envvar="MESHWRIGHT_ADDRESS",
        help="Where the mesh is: host:port, https://host or unix:/path. Default: localhost:8080.",
        show_envvar=True,
    ),
]


def _print_version(wanted: bool = True) -> None:
    if not wanted:
        return
    from importlib.metadata import version as installed

    typer.echo(f"meshwright {installed('meshwright')}")
    raise typer.Exit


@app.callback()
def meshwright(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Meshwright: a gRPC mesh for AI agents."""


@app.command()
def up(
    port: Annotated[
        int, typer.Option(envvar="MESHWRIGHT_PORT", min=0, max=65535, help="Port; 0 takes a free one.")
    ] = 8080,
    host: Annotated[str, typer.Option(envvar="MESHWRIGHT_HOST", help="Address to listen on.")] = "127.0.0.1",
    model: Annotated[
        str | None, typer.Option(help="Language model, such as openai:gpt-5 or offline. Default: MESHWRIGHT_MODEL.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of everything that is kept. Default: MESHWRIGHT_DATA_DIR.")
    ] = None,
    open_page: Annotated[
        bool, typer.Option("--open", help="Open the page in a browser once the mesh is ready.")
    ] = False,
) -> None:
    """Start the whole mesh and keep it running until Ctrl-C.

    Exit codes: 0 stopped as asked, 1 a service failed for good, 2 it could not start, 130 ended by a second Ctrl-C.
    """
    from meshwright.cli.up.command import up as run_up

    raise typer.Exit(run_up(host, port, data_dir, model, open_page))


@app.command()
def serve(
    service: Annotated[
        str, typer.Argument(metavar="agent|tools|browser|gateway|site|deletion-cost", help="The service.")
    ],
    listen: Annotated[str | None, typer.Option(help="Where an inner service listens: host:port or unix:/path.")] = None,
    host: Annotated[str | None, typer.Option(help="Where the gateway listens.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="The gateway's port.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of everything that is kept.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Run one service in the foreground. `meshwright settings` lists what it can be told by environment.

    Exit codes: 0 stopped as asked, 2 it could not start.
    """
    from meshwright.cli.serve import SERVICES
    from meshwright.cli.serve import serve as run_service

    if service not in SERVICES:
        raise typer.BadParameter(f"{service!r} is none of {', '.join(SERVICES)}", param_hint="service")
    _need_server(service)
    flags = {"listen": listen, "host": host, "port": port, "data_dir": data_dir, "log_level": log_level}
    raise typer.Exit(run_service(service, flags))


@app.command()
def run(
    task: Annotated[str, typer.Argument(help="The task, in plain language; - reads it from standard input.")],
    session: Annotated[str | None, typer.Option(help="Go on in this session instead of a new one.")] = None,
    model: Annotated[str, typer.Option(help="Language model of this run, such as openai:gpt-5.")] = "",
    timeout: Annotated[float | None, typer.Option(min=1, help="Seconds that the run may take at most.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one event a line as protobuf JSON.")] = False,
    address: Address = None,
) -> None:
    """Give the agent a task and show what it does. Ctrl-C cancels the run.

    The answer goes to standard output, everything else to standard error.

    Exit codes: 0 completed, 1 failed, 2 wrong request, 3 cancelled, 4 expired, 5 no mesh there, 130 left by a second Ctrl-C,
    141 nobody reads the output any more.
    """
    from meshwright.cli.run.command import run as run_task

    raise typer.Exit(run_task(task, session, model, timeout, as_json, address))


@app.command()
def chat(
    session: Annotated[str | None, typer.Option(help="Go on in this session instead of a new one.")] = None,
    model: Annotated[str, typer.Option(help="Language model, such as openai:gpt-5.")] = "",
    address: Address = None,
) -> None:
    """Talk with the agent in a session; /help in it shows how.

    Exit codes: 0 left, 2 wrong request, 5 no mesh there.
    """
    from meshwright.cli.chat import chat as talk

    raise typer.Exit(talk(session, model, address))


@app.command()
def sessions(
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="How many at most.")] = 20,
    address: Address = None,
) -> None:
    """List the sessions of a mesh, the last used first.

    Exit codes: 0 done, 5 no mesh there.
    """
    from meshwright.cli.sessions import print_sessions

    raise typer.Exit(print_sessions(limit, address))


@app.command()
def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Install Chromium where there is none that starts.")] = False,
    address: Address = None,
) -> None:
    """Tell what is there, what is missing, and how to get it.

    Exit codes: 0 nothing that is needed is missing, 1 something is.
    """
    from meshwright.cli.doctor.command import doctor as examine

    raise typer.Exit(examine(fix, address))


@app.command()
def settings(
    form: Annotated[str, typer.Option("--format", metavar="text|markdown|json", help="How to print them.")] = "text",
    service: Annotated[
        str | None,
        typer.Argument(metavar="[agent|tools|browser|gateway|site|deletion-cost]", help="Only those of this service."),
    ] = None,
) -> None:
    """List everything that can be set by environment.

    What is set now stands beside it, but for keys, which are never shown.
    """
    from meshwright.cli.serve import SERVICES
    from meshwright.cli.settings import print_settings

    if form not in ("text", "markdown", "json"):
        raise typer.BadParameter(f"{form!r} is none of text, markdown, json", param_hint="--format")
    if service is not None and service not in SERVICES:
        raise typer.BadParameter(f"{service!r} is none of {', '.join(SERVICES)}", param_hint="service")
    _need_server()
    raise typer.Exit(print_settings(form, service))


@app.command()
def version() -> None:
    """Print the version."""
    _print_version()


def _need_server(service: str | None = None) -> None:
    """End with a message where only the SDK is installed, or a service misses what it needs."""
    from meshwright.cli.up.checks import CannotStartError, check_packages

    try:
        check_packages(service)
    except CannotStartError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(ExitCode.USAGE) from error
