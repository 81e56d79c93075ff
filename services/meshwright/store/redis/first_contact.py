"""Whether the server can be used at all, before anything is asked of it."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

from redis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    InvalidResponse,
    ResponseError,
    TryAgainError,
)

from meshwright.store.redis.connecting import CLUSTER
from meshwright.store.redis.connection import SERVER_FAILURES, Client, heeding, place_of
from meshwright.store.refusals import StoreUnusableError

ADDRESSES = "redis://host:port/0, rediss://, unix:///path or redis+cluster://."
NOT_YET = (ClusterDownError, TryAgainError)
"""A server says no in these words as long as its cluster comes together."""
FOR_NOW = ("BUSY ", "MISCONF ")
"""So begin refusals that pass: a script takes long, the disk is full. The client's library has no errors of their own for them."""
CUT_OFF = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
"""Somebody between here and the server has closed the connection."""


def check_address(url: str) -> None:
    """Raise StoreUnusableError for what redis-py would take for something else: a database that is no number is its first one."""
    parts = urlsplit(url)
    database = parts.path.removeprefix("/")
    if parts.scheme.removesuffix(CLUSTER) in {"redis", "rediss"} and database and not database.isdecimal():
        raise StoreUnusableError(
            f"MESHWRIGHT_STORE_URL names a database {database!r} at {place_of(url)}; they have numbers: redis://host:port/0"
        )


async def problem_of(client: Client, url: str) -> str:
    """Why the server does not answer now, in words; empty where it does.

    Raises StoreUnusableError where the setting is wrong: the server's answer, or what the connection says, will be the same later.
    """
    try:
        await heeding(client.ping())
    except SERVER_FAILURES as error:
        mistake = _mistake(error, url)
        if mistake:
            raise StoreUnusableError(
                f"The store at {place_of(url)} {mistake}. Correct MESHWRIGHT_STORE_URL."
            ) from error
        return f"the store at {place_of(url)}: {_root(error)}"
    except TypeError as error:
        raise StoreUnusableError(
            f"MESHWRIGHT_STORE_URL has an option that does not exist: {str(error).rpartition(' ')[2]}."
        ) from error
    return ""


def _mistake(error: BaseException, url: str) -> str:
    """What is wrong with the setting; empty where nothing has to be."""
    for cause in _causes(error):
        if isinstance(cause, AuthenticationError):
            return f"does not take the name and password ({_short(cause)})"
        if isinstance(cause, InvalidResponse):
            return "is no Redis or Valkey: it answers in another protocol"
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, CUT_OFF):
            return f"cannot be reached over TLS ({_short(cause)})"
        if isinstance(cause, FileNotFoundError) and url.startswith("rediss"):
            return "needs a file that is not there: one of the address's ssl_ca_certs, ssl_certfile and ssl_keyfile"
        if isinstance(cause, ResponseError) and not isinstance(cause, NOT_YET) and not str(cause).startswith(FOR_NOW):
            return f"refuses ({_short(cause)})"
    return ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and those behind it: a client of a cluster tells of its nodes' errors with one of its own."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _root(error: BaseException) -> str:
    """What happened, in the words of whoever noticed first."""
    noticed = [cause for cause in _causes(error) if isinstance(cause, SERVER_FAILURES) and str(cause)]
    return _short(noticed[-1]) if noticed else type(error).__name__


def _short(error: BaseException) -> str:
    # An event loop has words of its own; numbers of names that are not found are not the system's.
    if isinstance(error, OSError) and error.errno and not isinstance(error, ssl.SSLError | socket.gaierror):
        return os.strerror(error.errno)
    text = str(getattr(error, "strerror", None) or error)
    return text.splitlines()[0].strip().rstrip(".")
