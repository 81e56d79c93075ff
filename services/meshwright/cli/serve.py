"""One service of the mesh in this process. Also a program: `python -m meshwright.cli.serve agent`, as `meshwright up` runs it.

Nothing of the command line is imported here: every millisecond of it would count five times when a mesh starts.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING, Any

from meshwright.cli.leash import tie_to

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Flags = dict[str, Any]
"""Settings from the command line by their names; what was not given is None."""


def serve(service: str, flags: Flags | None = None) -> int:
    """Run a service until SIGTERM or SIGINT and return the exit code: 0 after a stop, 2 when it could not start."""
    from meshwright.serving.startup import StartupError

    try:
        return SERVICES[service](flags or {})
    except StartupError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


def _agent(flags: Flags) -> int:
    from meshwright.agent.service import agent_service
    from meshwright.agent.settings import AgentSettings
    from meshwright.serving.process import run
    from meshwright.v1 import browser_service_pb2, tool_service_pb2

    settings = AgentSettings.load(**flags)
    # The gateway sends reflection here, so the agent describes its neighbours too.
    described = (browser_service_pb2.DESCRIPTOR, tool_service_pb2.DESCRIPTOR)
    neighbours = tuple(service.full_name for file in described for service in file.services_by_name.values())
    return run(agent_service(settings), settings, reflected_services=neighbours)


def _tools(flags: Flags) -> int:
    from meshwright.tools.run import run
    from meshwright.tools.settings import ToolSettings

    return run(ToolSettings.load(**flags))


def _browser(flags: Flags) -> int:
    from meshwright.browser.run import run_browser
    from meshwright.browser.settings import BrowserSettings

    return run_browser(BrowserSettings.load(**flags))


def _gateway(flags: Flags) -> int:
    from meshwright.gateway.run import run_gateway
    from meshwright.gateway.settings import GatewaySettings
    from meshwright.serving.logs import configure_logs

    settings = GatewaySettings.load(**flags)
    configure_logs(settings, "gateway")
    asyncio.run(run_gateway(settings))
    return 0


def _site(flags: Flags) -> int:
    from meshwright.serving.logs import configure_logs
    from meshwright.site.run import run_site
    from meshwright.site.settings import SiteSettings

    settings = SiteSettings.load(**flags)
    configure_logs(settings, "site")
    asyncio.run(run_site(settings))
    return 0


def _deletion_cost(flags: Flags) -> int:
    from meshwright.deletion_cost.run import run_deletion_cost
    from meshwright.deletion_cost.settings import DeletionCostSettings
    from meshwright.serving.logs import configure_logs

    settings = DeletionCostSettings.load(**flags)
    configure_logs(settings, "deletion-cost")
    asyncio.run(run_deletion_cost(settings))
    return 0


SERVICES: Mapping[str, Callable[[Flags], int]] = {
    "agent": _agent,
    "tools": _tools,
    "browser": _browser,
    "gateway": _gateway,
    "site": _site,
    "deletion-cost": _deletion_cost,
}


def main() -> int:
    """Run the service that the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m meshwright.cli.serve")
    parser.add_argument("service", choices=SERVICES)
    parser.add_argument("--parent", type=int, help="process with which this one ends")
    arguments = parser.parse_args()
    if arguments.parent is not None:
        tie_to(arguments.parent)
    return serve(arguments.service)


if __name__ == "__main__":
    sys.exit(main())
