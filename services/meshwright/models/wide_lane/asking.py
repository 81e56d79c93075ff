"""Asking a model through pydantic-ai's `direct` layer. Loading this module loads pydantic-ai."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from pydantic_ai.direct import model_request_stream
from pydantic_ai.exceptions import AgentRunError, UserError
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings as LibrarySettings
from pydantic_ai.tools import ToolDefinition

from meshwright.models import failures
from meshwright.models.interface import Finished
from meshwright.models.tool_names import ToolNames
from meshwright.models.wide_lane.errors import from_library
from meshwright.models.wide_lane.messages import state_of, to_messages
from meshwright.models.wide_lane.opening import open_library_model
from meshwright.models.wide_lane.parts import calls_of, delta_of, finish_reason_of, usage_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from pydantic_ai.messages import ModelResponse, ModelResponseStreamEvent
    from pydantic_ai.models import Model, StreamedResponse

    from meshwright.models.interface import ModelRequest, Part
    from meshwright.models.settings import ModelSettings


LIBRARY_ERRORS = (AgentRunError, UserError, OSError, ValueError)
"""What pydantic-ai raises, and what providers' clients let through where it does not look."""


class LibraryModel:
    """One model of pydantic-ai, open."""

    def __init__(self, name: str, model: Model, settings: ModelSettings) -> None:
        self._name = name
        self._model = model
        self._settings = settings

    @classmethod
    def open(cls, name: str, key_variables: Sequence[str], settings: ModelSettings) -> Self:
        """Make the model. Blocks: loading a provider's client takes seconds."""
        return cls(name, open_library_model(name, key_variables), settings)

    async def connect(self, client: AsyncExitStack) -> None:
        """Let the model's HTTP client live as long as `client`."""
        await client.enter_async_context(self._model)

    async def answer(self, request: ModelRequest) -> AsyncGenerator[Part, None]:
        """Answer `request`."""
        names = ToolNames(request.tools)
        async with AsyncExitStack() as connection:
            streamed = await self._ask(request, names, connection)
            events = aiter(streamed)
            limit = self._settings.model_first_token_timeout
            while (event := await self._next(events, limit)) is not None:
                limit = self._settings.model_idle_timeout
                if (delta := delta_of(event)) is not None:
                    yield delta
            response = streamed.get()
        self._check_whole(response)
        calls = calls_of(response, names)
        for call in calls:
            yield call
        yield await asyncio.to_thread(usage_of, response)
        state = state_of(response, [call.call_id for call in calls])
        yield Finished(finish_reason_of(response, called=bool(calls)), state)

    async def _ask(self, request: ModelRequest, names: ToolNames, connection: AsyncExitStack) -> StreamedResponse:
        asking = model_request_stream(
            self._model,
            to_messages(request, names),
            model_settings=self._library_settings(request),
            model_request_parameters=ModelRequestParameters(function_tools=_definitions(request, names)),
        )
        seconds = self._settings.model_first_token_timeout
        try:
            async with asyncio.timeout(seconds):
                return await connection.enter_async_context(asking)
        except TimeoutError as error:
            raise failures.timed_out(self._name, "did not begin to answer", seconds) from error
        except LIBRARY_ERRORS as error:
            raise from_library(self._name, error) from error

    def _library_settings(self, request: ModelRequest) -> LibrarySettings:
        settings = LibrarySettings()
        if "max_retries" not in self._model.unsupported_settings:
            settings["max_retries"] = self._settings.model_attempts - 1
        if request.max_output_tokens is not None:
            settings["max_tokens"] = request.max_output_tokens
        return settings

    async def _next(
        self, events: AsyncIterator[ModelResponseStreamEvent], seconds: float
    ) -> ModelResponseStreamEvent | None:
        try:
            async with asyncio.timeout(seconds):
                return await anext(events, None)
        except TimeoutError as error:
            raise failures.timed_out(self._name, "said nothing", seconds) from error
        except LIBRARY_ERRORS as error:
            raise from_library(self._name, error) from error

    def _check_whole(self, response: ModelResponse) -> None:
        if response.finish_reason in (None, "error"):
            raise failures.unavailable(self._name, "broke off in the middle of the answer")


def _definitions(request: ModelRequest, names: ToolNames) -> list[ToolDefinition]:
    return [
        ToolDefinition(
            name=names.to_wire(tool.name), description=tool.description, parameters_json_schema=dict(tool.parameters)
        )
        for tool in request.tools
    ]
