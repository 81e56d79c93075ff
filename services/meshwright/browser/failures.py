"""Typed errors of the browser service. What Playwright says never reaches a caller."""

from __future__ import annotations

import re

from meshwright.serving.errors import MeshError, Quota
from meshwright.v1 import error_reason_pb2 as reasons

MAX_URL_IN_ERROR = 2048
MAX_CAUSE = 512
LEASES_RETRY_SECONDS = 5.0
_NET_ERROR = re.compile(r"net::(ERR_[A-Z0-9_]+)")


def browser_crashed(lease_id: str) -> MeshError:
    """The whole browser, or the tab's renderer, is gone."""
    return MeshError(
        reasons.ERROR_REASON_BROWSER_CRASHED, "The browser crashed. A new lease works.", metadata={"lease_id": lease_id}
    )


def lease_not_found(lease_id: str) -> MeshError:
    """There is no such lease, or no longer."""
    return MeshError(
        reasons.ERROR_REASON_LEASE_NOT_FOUND,
        "There is no such lease, or it has ended.",
        metadata={"lease_id": lease_id},
        # A lease is known to the replica that holds it only.
        elsewhere=True,
    )


def lease_expired(lease_id: str, limit: str, seconds: float) -> MeshError:
    """The lease reached one of its limits: `idle_timeout`, `max_duration` or `ttl`."""
    return MeshError(
        reasons.ERROR_REASON_LEASE_NOT_FOUND,
        f"The lease has ended: its {limit} of {seconds:g} s passed.",
        metadata={"lease_id": lease_id, "limit": limit, "seconds": f"{seconds:g}"},
    )


def no_browser(capacity: int, queued: int, retry_after: float, *, elsewhere: bool = False) -> MeshError:
    """The queue is full, or nothing became free in time; `elsewhere` sends the caller on to another replica."""
    return MeshError(
        reasons.ERROR_REASON_NO_BROWSER_AVAILABLE,
        "No browser is available now.",
        metadata={"capacity": capacity, "queued": queued},
        retry_after=retry_after,
        elsewhere=elsewhere,
    )


def too_many_leases(principal: str, limit: int, *, elsewhere: bool = False) -> MeshError:
    """The principal has as many browsers as it may of this replica; `elsewhere` sends it on to another."""
    return MeshError(
        reasons.ERROR_REASON_QUOTA_EXCEEDED,
        f"There are {limit} browsers leased or waited for already, which is the limit; release one.",
        quota=Quota("leases", limit, f"principal:{principal}"),
        retry_after=LEASES_RETRY_SECONDS,
        elsewhere=elsewhere,
    )


def tab_not_found(tab_id: str) -> MeshError:
    """The lease has no such tab."""
    return MeshError(reasons.ERROR_REASON_TAB_NOT_FOUND, "The lease has no such tab.", metadata={"tab_id": tab_id})


def stale_ref(ref: str, snapshot_id: str) -> MeshError:
    """The ref is not of the tab's latest snapshot, or its element has left the page."""
    return MeshError(
        reasons.ERROR_REASON_STALE_REF,
        f"The ref {ref} is not on the page as it is now. Take a new snapshot.",
        metadata={"ref": ref, "snapshot_id": snapshot_id},
    )


def not_actionable(ref: str, cause: str) -> MeshError:
    """The element is there and cannot be acted on; `cause` is one of our own words, such as `DISABLED`."""
    return MeshError(
        reasons.ERROR_REASON_ELEMENT_NOT_ACTIONABLE,
        f"The element {ref} cannot be acted on: {cause.lower().replace('_', ' ')}.",
        metadata={"ref": ref, "cause": cause},
    )


def invalid_url(url: str) -> MeshError:
    """Not a well-formed http or https address."""
    return MeshError(
        reasons.ERROR_REASON_INVALID_URL,
        "The address is not a well-formed http or https URL.",
        metadata={"url": url[:MAX_URL_IN_ERROR]},
    )


def navigation_failed(url: str, cause: str) -> MeshError:
    """The page could not be loaded; `cause` is Chromium's net error or one of our own words."""
    return MeshError(
        reasons.ERROR_REASON_NAVIGATION_FAILED,
        f"The page could not be loaded: {cause}.",
        metadata={"url": url[:MAX_URL_IN_ERROR], "cause": cause},
    )


def egress_denied(url: str) -> MeshError:
    """The egress rules do not let browsers go there."""
    return MeshError(
        reasons.ERROR_REASON_EGRESS_DENIED,
        f"Refused by the mesh's egress rules: {url[:MAX_URL_IN_ERROR]} is not on the public internet. Who runs the mesh can allow it with "
        "MESHWRIGHT_EGRESS_ALLOW.",
        metadata={"url": url[:MAX_URL_IN_ERROR]},
    )


def egress_down() -> MeshError:
    """The one proxy through which browsers reach anything does not answer."""
    return MeshError(
        reasons.ERROR_REASON_UNAVAILABLE,
        "The egress proxy, without which browsers reach nothing, does not answer; it is started again.",
        metadata={"service": "egress"},
    )


def deadline_exceeded(seconds: float) -> MeshError:
    """The command's deadline passed."""
    return MeshError(
        reasons.ERROR_REASON_DEADLINE_EXCEEDED,
        f"The command took longer than {seconds:g} s.",
        metadata={"timeout_ms": round(seconds * 1000)},
    )


def cancelled(command_id: str) -> MeshError:
    """The caller cancelled the command."""
    return MeshError(
        reasons.ERROR_REASON_TOOL_CANCELLED, "The command was cancelled.", metadata={"call_id": command_id}
    )


def command_id_in_use(command_id: str) -> MeshError:
    """A command with this id still runs on the stream."""
    return MeshError(
        reasons.ERROR_REASON_COMMAND_ID_IN_USE,
        "A command with this id is still running.",
        metadata={"command_id": command_id},
    )


def request_id_reused(request_id: str) -> MeshError:
    """The same id came before with another request."""
    return MeshError(
        reasons.ERROR_REASON_REQUEST_ID_REUSED,
        "This request id was used before for another request.",
        metadata={"request_id": request_id},
    )


def shutting_down(service: str) -> MeshError:
    """The server stops."""
    return MeshError(
        reasons.ERROR_REASON_UNAVAILABLE, "The browser service is shutting down.", metadata={"service": service}
    )


def stream_protocol(expected: str) -> MeshError:
    """Commands came in a wrong order."""
    return MeshError(
        reasons.ERROR_REASON_STREAM_PROTOCOL,
        f"The stream's commands came in a wrong order: expected {expected}.",
        metadata={"expected": expected},
    )


def evaluate_disabled() -> MeshError:
    """The operator does not allow scripts."""
    return MeshError(
        reasons.ERROR_REASON_EVALUATE_DISABLED,
        "Scripts may not be evaluated on this server. Its operator can allow it with MESHWRIGHT_BROWSER_EVALUATE.",
        metadata={"setting": "MESHWRIGHT_BROWSER_EVALUATE"},
    )


def evaluate_failed(cause: str) -> MeshError:
    """The caller's own script failed: what JavaScript says of it is the caller's to see, as far as its first line."""
    if "Execution context was destroyed" in cause:
        cause = "The page went elsewhere."
    first = cause.removeprefix("Page.evaluate: ").strip().partition("\n")[0][:MAX_CAUSE]
    return MeshError(reasons.ERROR_REASON_EVALUATE_FAILED, "The script failed.", metadata={"cause": first})


def unknown_key(key: str) -> MeshError:
    """The keyboard has no such key."""
    return MeshError.invalid_fields([("run.press.key", f"must be a key or a chord, which {key!r} is not")])


def capture_too_large(size: int, limit: int) -> MeshError:
    """A picture or print is larger than a result may be."""
    return MeshError(
        reasons.ERROR_REASON_QUOTA_EXCEEDED,
        f"The capture has {size} bytes, and {limit} are allowed. Take a JPEG, a lower quality or a part.",
        quota=Quota("capture_bytes", limit, ""),
    )


def download_refused() -> MeshError:
    """Pages may not give files."""
    return MeshError(
        reasons.ERROR_REASON_TOOL_DENIED, "Downloads are not allowed on this lease.", metadata={"tool": "download"}
    )


def net_error(text: str) -> str:
    """The name of Chromium's net error in Playwright's text, such as `ERR_NAME_NOT_RESOLVED`; empty without one."""
    found = _NET_ERROR.search(text)
    return found.group(1) if found else ""
