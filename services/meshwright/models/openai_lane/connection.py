"""Asking an endpoint, until it begins to answer."""

from __future__ import annotations

import asyncio
import errno

import aiohttp
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from meshwright.models import failures
from meshwright.models.openai_lane import http_errors
from meshwright.models.openai_lane.endpoint import Endpoint
from meshwright.models.settings import ModelSettings
from meshwright.serving.errors import MeshError
from meshwright.serving.telemetry import outgoing_headers
from meshwright.v1 import error_reason_pb2 as reasons

MAX_ERROR_BYTES = 64 << 10
RECONNECT_SECONDS = 0.1
END_SECONDS = 2.0


class Connection:
    """The HTTP side of one model: one session with kept-alive connections, made in the loop that first asks."""

    def __init__(self, name: str, endpoint: Endpoint, settings: ModelSettings) -> None:
        self._name = name
        self._endpoint = endpoint
        # Looking through the whole environment for it takes as long as sending a request.
        self._proxy = endpoint.proxy
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._ending: dict[aiohttp.ClientResponse, asyncio.TimerHandle] = {}
        self._closed = False

    async def ask(self, body: bytes) -> aiohttp.ClientResponse:
        """The response with status 200, its body not yet read; the caller closes it.

        A request that fails before its answer has begun is tried again, as often as the settings say, when waiting is
        short and makes sense: not after a timeout, which has taken long enough, and not after a refusal.
        """
        attempts = AsyncRetrying(
            stop=stop_after_attempt(self._settings.model_attempts),
            retry=retry_if_exception(self._is_worth_another),
            wait=_pause,
            reraise=True,
        )
        return await attempts(self._ask_once, body)

    def let_end(self, response: aiohttp.ClientResponse) -> None:
        """Give the end of a body, behind which there is nothing more to read, a moment to come: then its connection serves again.

        It comes with the last event or right after it, and frees the connection without being read.
        """
        if response.content.is_eof():
            response.close()
        else:
            self._ending[response] = asyncio.get_running_loop().call_later(END_SECONDS, self._end, response)

    def _end(self, response: aiohttp.ClientResponse) -> None:
        self._ending.pop(response).cancel()
        response.close()

    async def close(self) -> None:
        """Close all connections."""
        self._closed = True
        for response in list(self._ending):
            self._end(response)
        if self._session is not None:
            await self._session.close()

    async def _ask_once(self, body: bytes) -> aiohttp.ClientResponse:
        endpoint = self._endpoint
        if endpoint.key_variable and not endpoint.key:
            raise failures.no_key(self._name, endpoint.key_variable)
        limit = self._settings.model_first_token_timeout
        try:
            async with asyncio.timeout(limit):
                response = await self._open_session().post(
                    endpoint.url,
                    data=body,
                    headers=outgoing_headers(),
                    proxy=self._proxy,
                    allow_redirects=False,
                )
                if response.status != 200:
                    async with response:
                        said = await response.content.read(MAX_ERROR_BYTES)
                    raise self._refusal(response, said)
        except aiohttp.ConnectionTimeoutError as error:
            limit = self._settings.model_connect_timeout
            raise failures.timed_out(self._name, "could not be reached", limit) from error
        except TimeoutError as error:
            raise failures.timed_out(self._name, "did not begin to answer", limit) from error
        except aiohttp.ClientError as error:
            raise self._unreachable(error) from error
        return response

    def _open_session(self) -> aiohttp.ClientSession:
        if self._closed:
            raise failures.unavailable(self._name, "cannot be asked any more: this server is stopping")
        if self._session is None:
            # identity: a compressed stream would be held back until the compressor's block is full.
            headers = {"Content-Type": "application/json", "Accept": "text/event-stream", "Accept-Encoding": "identity"}
            if self._endpoint.key:
                headers["Authorization"] = f"Bearer {self._endpoint.key}"
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
                timeout=aiohttp.ClientTimeout(total=None, connect=self._settings.model_connect_timeout),
                headers=headers,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _refusal(self, response: aiohttp.ClientResponse, body: bytes) -> MeshError:
        if 300 <= response.status < 400:
            what = f"HTTP {response.status} leads elsewhere; the base URL must be the final one"
            return failures.not_protocol(self._name, what, http_status=response.status)
        return http_errors.from_body(self._name, response.status, body, response.headers.get("Retry-After"))

    def _unreachable(self, error: aiohttp.ClientError) -> MeshError:
        address = self._endpoint.address
        match error:
            case aiohttp.ClientConnectorDNSError():
                cause = "the name does not resolve"
            case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
                cause = "no secure connection can be made"
            case aiohttp.ClientConnectorError(os_error=OSError(errno=int(number))):
                cause = errno.errorcode.get(number, "connection failed")
            case _:
                cause = "the connection broke"
        why = f"cannot be reached at {address} ({cause})"
        return failures.unavailable(self._name, why, address=address, cause=cause)

    def _is_worth_another(self, error: BaseException) -> bool:
        if not isinstance(error, MeshError) or self._closed:
            return False
        if error.reason not in (reasons.ERROR_REASON_MODEL_UNAVAILABLE, reasons.ERROR_REASON_MODEL_RATE_LIMITED):
            return False
        return "timeout_ms" not in error.metadata and _delay(error) <= self._settings.model_retry_wait


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return _delay(error) if isinstance(error, MeshError) else 0.0


def _delay(error: MeshError) -> float:
    # A connection that broke was often one that the endpoint had let go while it was idle.
    return (error.retry_after or 0.0) if "http_status" in error.metadata else RECONNECT_SECONDS
