"""Kubernetes' API as a pod of the mesh asks it. For clusters only: the client is imported by nobody else."""

from __future__ import annotations

from pathlib import Path

import httpx2
from lightkube.config.kubeconfig import SERVICE_ACCOUNT, KubeConfig
from lightkube.core.async_client import AsyncClient
from lightkube.core.exceptions import ApiError, ConfigError

CALL_SECONDS = 5.0
IDENTITY = Path(SERVICE_ACCOUNT)
"""The folder that a pod has its identity in."""
API_ERRORS = (httpx2.HTTPError, ConfigError, OSError, TimeoutError, ValueError)
"""What a call can end with that the server did not answer, or did not answer well."""


class NoPodError(Exception):
    """This process is in no pod, or in one without an identity; the text says what is missing."""


def client_of_pod(identity: Path = IDENTITY) -> AsyncClient:
    """A client with the identity of the pod, which takes up renewed tokens. Raises NoPodError."""
    try:
        config = KubeConfig.from_service_account(identity)
    except (ConfigError, KeyError) as error:
        raise NoPodError(str(error)) from error
    return AsyncClient(config=config, timeout=httpx2.Timeout(CALL_SECONDS))


def cause_of(error: BaseException) -> str:
    """The API server's own words, or what kept it from saying any."""
    if isinstance(error, ApiError):
        return error.status.message or str(error)
    if isinstance(error, httpx2.HTTPStatusError):
        return f"{error.response.status_code} {error.response.reason_phrase}"
    return str(error) or type(error).__name__
