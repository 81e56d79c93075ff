"""pydantic-ai's errors as errors of the contract."""

from __future__ import annotations

from pydantic_ai import exceptions

from meshwright.models import failures
from meshwright.models.explanations import explain
from meshwright.serving.errors import MeshError
from meshwright.v1 import error_reason_pb2 as reasons

_REASONS = (
    (exceptions.ModelAuthenticationError, reasons.ERROR_REASON_MODEL_AUTHENTICATION),
    (exceptions.ModelNotFoundError, reasons.ERROR_REASON_MODEL_NOT_FOUND),
    (exceptions.ModelRequestRejectedError, reasons.ERROR_REASON_MODEL_REJECTED),
    (exceptions.ModelRateLimitError, reasons.ERROR_REASON_MODEL_RATE_LIMITED),
    (exceptions.ModelQuotaExceededError, reasons.ERROR_REASON_MODEL_RATE_LIMITED),
    (exceptions.ModelUnavailableError, reasons.ERROR_REASON_MODEL_UNAVAILABLE),
    (exceptions.ModelServerError, reasons.ERROR_REASON_MODEL_UNAVAILABLE),
)
"""The first that fits; a category stands before the one it belongs to."""


def from_library(model: str, error: Exception) -> MeshError:
    """The error of the contract for one that pydantic-ai raised."""
    match error:
        case exceptions.ModelTimeoutError():
            return failures.unavailable(model, "did not answer in time")
        case exceptions.ModelConnectionError():
            return failures.unavailable(model, "cannot be reached or broke off")
        case exceptions.ModelAPIError():
            return _from_api(model, error)
        case exceptions.UserError():
            message = f"{model} is not set up: see the documentation of its provider's key and region."
            return MeshError(reasons.ERROR_REASON_MODEL_AUTHENTICATION, message, metadata={"model": model})
        case exceptions.UnexpectedModelBehavior():
            return failures.not_protocol(model, "an answer that cannot be read")
        case _:
            return failures.unavailable(model, "broke off in the middle of the answer")


def _from_api(model: str, error: exceptions.ModelAPIError) -> MeshError:
    text, code, _ = explain(error.body)
    status = error.status_code if isinstance(error, exceptions.ModelHTTPError) else None
    reason = next((reason for category, reason in _REASONS if isinstance(error, category)), None)
    return failures.from_provider(model, status, text=text, code=code, retry_after=error.retry_after, reason=reason)
