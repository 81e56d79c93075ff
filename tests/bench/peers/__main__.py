"""`make bench-peers`: the mesh beside LangGraph's development server and an a2a-sdk server, in one run, as a Markdown table.

python -m tests.bench.peers [--quick] [--markdown]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from contextlib import AsyncExitStack

import uvloop

from tests.bench import report
from tests.bench.peers.contest import EVERY_MS, TOKENS, Found, measure
from tests.bench.peers.installed import installed
from tests.bench.peers.servers import a2a, langgraph, mesh, model_itself
from tests.bench.peers.table import to_markdown
from tests.model_server import model_server_process

OURS = "Meshwright"
ROUNDS = {1: 5, 50: 3, 200: 2}
QUICK_ROUNDS = {1: 1, 5: 1}
METHOD = f"""
The same scripted model for all, {TOKENS} tokens, one each {EVERY_MS:g} ms, each stamped with the machine's clock when it is written; the
sessions ask at the same moment. Each server is one process; its clients are another, the same program for all, which decodes nothing
and looks for the stamps. *First token*: from asking (ours: StartRun, then WatchSession) to the first token. *Delay*: from the model's
writing a token to the client's having it. *Time over the model's*: from a client's first token to its last, over what the model's pace
makes of it, the slowest client's. *CPU*: of the process that serves, all its threads, from asking to the last client's end, what a run
costs included; the median of the rounds. *Memory*: after the load. The servers take turns. Meshwright is AgentService with the
embedded store, each event stored before it is shown, asked over its Unix socket, and through the gateway, whose own CPU is not in the
figure. LangGraph's development server has a graph of one node that asks ChatOpenAI, and works on 250 runs at once. The a2a-sdk server
relays the openai package's stream as artifact updates over gRPC, on a Unix socket too. Both peers keep in memory what they keep, both run
on uvloop. The last line of each load is what clients see of the model when nothing stands between, on the same cores."""


async def compare(model_url: str, rounds: dict[int, int]) -> dict[int, dict[str, Found]]:
    """All servers at all loads."""
    results: dict[int, dict[str, Found]] = {}
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(mesh(model_url))
        servers += [stack.enter_context(langgraph(model_url)), stack.enter_context(a2a(model_url))]
        servers.append(model_itself(model_url))
        for sessions, count in rounds.items():
            results[sessions] = {server.name: Found() for server in servers}
            for _ in range(count):
                for server in servers:
                    print(f"{sessions} at once: {server.name} ...", file=sys.stderr)
                    found = results[sessions][server.name]
                    if not found.failure:
                        await measure(server, sessions, found)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peers", description="Compares with other servers.")
    parser.add_argument("--quick", action="store_true", help="measure little, to see that it works")
    parser.add_argument("--markdown", action="store_true", help="write it into docs/benchmarks.md")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    load, _, _ = os.getloadavg()
    versions = _versions()
    with model_server_process() as model_url:
        results = uvloop.run(compare(model_url, QUICK_ROUNDS if options.quick else ROUNDS))
    text = f"{report.where(load)} {versions}\n\n{to_markdown(results, OURS)}\n\n{' '.join(METHOD.split())}"
    print(text)
    if options.markdown:
        report.write_peers(text)


def _versions() -> str:
    names = ("langgraph", "langgraph-api", "langgraph-cli", "langchain-openai", "a2a-sdk", "openai", "grpcio")
    code = f"from importlib.metadata import version; print(*(f'{{n}} {{version(n)}}' for n in {names}), sep=', ')"
    said = subprocess.run([installed() / "python", "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return f"The peers: {said.stdout.strip()}."


if __name__ == "__main__":
    main()
