"""Reading one answer from its response."""

from __future__ import annotations

import aiohttp
import msgspec

from meshwright.models import failures
from meshwright.models.interface import Part
from meshwright.models.openai_lane import http_errors
from meshwright.models.openai_lane.answer import Answer
from meshwright.models.openai_lane.chunks import decode_chunk
from meshwright.models.openai_lane.events import MAX_EVENT_BYTES, EventSplitter, EventTooLargeError
from meshwright.models.openai_lane.reader import BodyReader, SilentError
from meshwright.serving.errors import MeshError


class AnswerReader:
    """Gives the parts of an answer as they come, a read of the socket at a time, and judges whether it is whole."""

    def __init__(self, name: str, body: BodyReader, content_type: str, answer: Answer) -> None:
        self._name = name
        self._body = body
        self._answer = answer
        self._events = EventSplitter()
        self._streamed = content_type != "application/json"
        self._content_type = content_type
        self._done = False
        self._failure: MeshError | None = None

    async def read(self) -> list[Part] | None:
        """The parts of the next read, perhaps none; None when the answer is whole."""
        if self._failure is not None:
            raise self._failure
        if self._done:
            return None
        parts: list[Part] = []
        try:
            await (self._read_events(parts) if self._streamed else self._read_document(parts))
        except MeshError as error:
            if not parts:
                raise
            # What came whole before the failure is given before it is told.
            self._failure = error
        return parts

    async def _read_events(self, parts: list[Part]) -> None:
        data = await self._receive()
        for event in self._split(data):
            if event[:8].strip() == b"[DONE]":
                self._done = True
                break
            self._take(event, parts)
        if self._done or not data:
            self._done = True
            self._check_whole()
            self._body.answered()

    async def _read_document(self, parts: list[Part]) -> None:
        """The answer of a server that does not stream although it was asked to."""
        document = bytearray()
        while data := await self._receive():
            document += data
            if len(document) > MAX_EVENT_BYTES:
                raise failures.not_protocol(self._name, "the answer is too large")
        self._take(bytes(document), parts)
        self._done = True
        self._check_whole()

    async def _receive(self) -> bytes:
        try:
            return await self._body.read()
        except SilentError as error:
            raise failures.timed_out(self._name, "said nothing", error.seconds) from error
        except aiohttp.ClientError as error:
            raise failures.unavailable(self._name, "broke off in the middle of the answer") from error

    def _split(self, data: bytes) -> list[bytes]:
        try:
            return self._events.feed(data) if data else self._events.finish()
        except EventTooLargeError as error:
            raise failures.not_protocol(self._name, "an event is too large") from error

    def _take(self, event: bytes, parts: list[Part]) -> None:
        try:
            chunk = decode_chunk(event)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise failures.not_protocol(self._name, "a chunk that is not a chat completion's") from error
        if chunk.error:
            raise http_errors.from_chunk(self._name, chunk.error)
        parts.extend(self._answer.take(chunk))

    def _check_whole(self) -> None:
        if self._answer.finish_reason is not None:
            return
        if self._answer.empty and self._content_type != "text/event-stream":
            what = f"{self._content_type} instead of a stream of events; the base URL may be wrong"
            raise failures.not_protocol(self._name, what, content_type=self._content_type)
        raise failures.unavailable(self._name, "broke off in the middle of the answer")
