"""The model behind an OpenAI-compatible endpoint."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from meshwright.models.interface import ModelRequest, Part, Usage
from meshwright.models.openai_lane.answer import Answer
from meshwright.models.openai_lane.chunks import TokenDetails, UsageReport
from meshwright.models.openai_lane.connection import Connection
from meshwright.models.openai_lane.endpoint import Endpoint
from meshwright.models.openai_lane.reader import BodyReader
from meshwright.models.openai_lane.reading import AnswerReader
from meshwright.models.openai_lane.request import encode_request
from meshwright.models.pricing import load_ahead, price
from meshwright.models.settings import ModelSettings
from meshwright.models.tool_names import ToolNames


class OpenAIModel:
    """A model of the fast lane (see `meshwright.models.interface.Model`)."""

    offline = False

    def __init__(self, name: str, endpoint: Endpoint, settings: ModelSettings) -> None:
        self.name = name
        self._endpoint = endpoint
        self._settings = settings
        self._connection = Connection(name, endpoint, settings)
        if endpoint.price_provider is not None:
            load_ahead()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Part, None]:
        """Answer `request`."""
        names = ToolNames(request.tools)
        limit_field = self._endpoint.output_limit_field
        response = await self._connection.ask(
            encode_request(self._endpoint.model, request, names, output_limit_field=limit_field)
        )
        answer = Answer(names)
        body = BodyReader(
            response,
            first=self._settings.model_first_token_timeout,
            between=self._settings.model_idle_timeout,
            let_end=self._connection.let_end,
        )
        try:
            reader = AnswerReader(self.name, body, response.content_type, answer)
            while (parts := await reader.read()) is not None:
                for part in parts:
                    yield part
        finally:
            body.close()
        calls, finished = answer.finish()
        for call in calls:
            yield call
        if answer.usage is not None:
            yield await self._priced(answer.usage)
        yield finished

    async def close(self) -> None:
        """Close all connections."""
        await self._connection.close()

    async def _priced(self, report: UsageReport) -> Usage:
        inputs = report.prompt_tokens_details or TokenDetails()
        outputs = report.completion_tokens_details or TokenDetails()
        usage = Usage(
            input_tokens=report.prompt_tokens or 0,
            output_tokens=report.completion_tokens or 0,
            cached_input_tokens=inputs.cached_tokens or 0,
            reasoning_tokens=outputs.reasoning_tokens or 0,
        )
        if self._endpoint.price_provider is None:
            return usage
        return await price(usage, self._endpoint.price_provider, self._endpoint.model)
