"""What can go wrong with a model, as errors of the contract."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from time import time

from meshwright.serving.errors import MeshError
from meshwright.v1 import error_reason_pb2 as reasons

MAX_PROVIDER_TEXT = 300
PAYMENT_RETRY_SECONDS = 60.0
"""An account without money does not recover within a second."""

_CODES = {
    "invalid_api_key": reasons.ERROR_REASON_MODEL_AUTHENTICATION,
    "model_not_found": reasons.ERROR_REASON_MODEL_NOT_FOUND,
    "insufficient_quota": reasons.ERROR_REASON_MODEL_RATE_LIMITED,
    "rate_limit_exceeded": reasons.ERROR_REASON_MODEL_RATE_LIMITED,
    "context_length_exceeded": reasons.ERROR_REASON_MODEL_REJECTED,
}
_STATUSES = {
    401: reasons.ERROR_REASON_MODEL_AUTHENTICATION,
    403: reasons.ERROR_REASON_MODEL_AUTHENTICATION,
    402: reasons.ERROR_REASON_MODEL_RATE_LIMITED,
    404: reasons.ERROR_REASON_MODEL_NOT_FOUND,
    408: reasons.ERROR_REASON_MODEL_UNAVAILABLE,
    409: reasons.ERROR_REASON_MODEL_UNAVAILABLE,
    425: reasons.ERROR_REASON_MODEL_UNAVAILABLE,
    429: reasons.ERROR_REASON_MODEL_RATE_LIMITED,
}
_SENTENCES = {
    reasons.ERROR_REASON_MODEL_AUTHENTICATION: "The provider of {model} refused the credentials",
    reasons.ERROR_REASON_MODEL_NOT_FOUND: "The provider does not know the model {model}",
    reasons.ERROR_REASON_MODEL_RATE_LIMITED: "The provider of {model} limits the rate or the account's quota",
    reasons.ERROR_REASON_MODEL_UNAVAILABLE: "The provider of {model} failed",
    reasons.ERROR_REASON_MODEL_REJECTED: "The provider of {model} refused the request",
    reasons.ERROR_REASON_MODEL_PROTOCOL: "The provider of {model} answered something that is not its protocol",
}


def from_provider(
    model: str,
    status: int | None,
    *,
    text: str = "",
    code: str = "",
    retry_after: float | None = None,
    reason: reasons.ErrorReason.ValueType | None = None,
) -> MeshError:
    """The error for what a provider said.

    `status` is the HTTP status, None for an error in the middle of an answer; `code` and `text` are the provider's own.
    `reason` is given where it is known better than by these.
    """
    reason = reason or _CODES.get(code) or _reason_of_status(status)
    metadata: dict[str, object] = {"model": model}
    message = _SENTENCES[reason].format(model=model)
    if status is not None:
        metadata["http_status"] = status
        message += f" (HTTP {status})"
    if said := said_by_provider(text):
        metadata["provider_message"] = said
    if retry_after is None and (status == 402 or code == "insufficient_quota"):
        retry_after = PAYMENT_RETRY_SECONDS
    message = f"{message}: {said}" if said else f"{message}."
    return MeshError(reason, message, metadata=metadata, retry_after=retry_after)


def _reason_of_status(status: int | None) -> reasons.ErrorReason.ValueType:
    if status is None or status >= 500:
        return reasons.ERROR_REASON_MODEL_UNAVAILABLE
    if status >= 400:
        return _STATUSES.get(status, reasons.ERROR_REASON_MODEL_REJECTED)
    return reasons.ERROR_REASON_MODEL_PROTOCOL


def unavailable(model: str, why: str, **metadata: object) -> MeshError:
    """MODEL_UNAVAILABLE; `why` goes on from "The provider of X"."""
    message = f"The provider of {model} {why}."
    return MeshError(reasons.ERROR_REASON_MODEL_UNAVAILABLE, message, metadata={"model": model, **metadata})


def not_protocol(model: str, what: str, **metadata: object) -> MeshError:
    """MODEL_PROTOCOL; `what` says what came instead."""
    message = f"{_SENTENCES[reasons.ERROR_REASON_MODEL_PROTOCOL].format(model=model)}: {what}."
    return MeshError(reasons.ERROR_REASON_MODEL_PROTOCOL, message, metadata={"model": model, **metadata})


def timed_out(model: str, why: str, seconds: float) -> MeshError:
    """MODEL_UNAVAILABLE because a wait of `seconds` was over; `why` goes on from "The provider of X"."""
    return unavailable(model, f"{why} within {seconds:g} s", timeout_ms=round(seconds * 1000))


def no_key(model: str, variable: str) -> MeshError:
    """MODEL_AUTHENTICATION for a provider whose key is not set."""
    message = f"{model} needs a key: set {variable}."
    return MeshError(
        reasons.ERROR_REASON_MODEL_AUTHENTICATION, message, metadata={"model": model, "variable": variable}
    )


def said_by_provider(text: str) -> str:
    """The provider's explanation on one line, short, and without anything that looks like a key."""
    line = re.sub(r"\s+", " ", text).strip()
    line = re.sub(r"\b(?:sk|pk|rk|key|AIza|gsk|xai)[-_]?[A-Za-z0-9_*.-]{12,}", "[key]", line)
    return line if len(line) <= MAX_PROVIDER_TEXT else line[: MAX_PROVIDER_TEXT - 1] + "…"


def retry_after_seconds(header: str | None) -> float | None:
    """The seconds that a Retry-After header names, by number or by date; None when it says nothing of use."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time()
        except ValueError:
            return None
    return max(seconds, 0.0) if seconds < float("inf") else None
