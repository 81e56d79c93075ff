"""Where Prometheus reads the metrics of a process."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from meshwright.serving.address import Address
from meshwright.serving.startup import StartupError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meshwright.serving.metrics import Metrics

REQUEST_SECONDS = 10.0
STOP_SECONDS = 0.1
"""How long the thread may take to see that it is to end, which the process waits for."""


class _Handler(WSGIRequestHandler):
    """One connection of a scraper."""

    timeout = REQUEST_SECONDS

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the standard library's name
        """A scrape every few seconds is no news."""


@contextmanager
def served(metrics: Metrics, address: Address, *, trusted: bool = False) -> Iterator[Address]:
    """Answer GET /metrics, in a thread of its own so that no scrape holds the event loop up. Raises StartupError."""
    if not address.is_local and not trusted:
        raise _exposed(address)

    class Server(ThreadingWSGIServer):
        address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET

    try:
        server = make_server(address.host, address.port, make_wsgi_app(metrics.registry), Server, _Handler)
    except OSError as error:
        message = f"Metrics cannot be served on {address}: {error.strerror}. Choose another MESHWRIGHT_METRICS_ADDRESS."
        raise StartupError(message) from error
    thread = Thread(target=server.serve_forever, args=(STOP_SECONDS,), name="metrics", daemon=True)
    thread.start()
    try:
        yield Address(host=address.host, port=server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(REQUEST_SECONDS)


def _exposed(address: Address) -> StartupError:
    """Metrics know no login, so only a trusted network may read them."""
    return StartupError(
        f"Refusing to serve metrics on {address}: everybody who reaches that address could read them. Use loopback\n"
        "(MESHWRIGHT_METRICS_ADDRESS=127.0.0.1:PORT), or say with MESHWRIGHT_TRUSTED_NETWORK=true that the network is trusted."
    )
