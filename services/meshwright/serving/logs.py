"""Structured logs on standard error: one line an event, of this package and of the libraries alike."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from meshwright.serving.calls import current_call

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor

    from meshwright.serving.settings import MeshSettings

# These tell of every call, at INFO or in ten lines at DEBUG; what matters of it our own lines tell.
CHATTY = ("httpx", "httpx2", "httpcore", "httpcore2", "aiohttp.access", "uvicorn.access")


def configure_logs(settings: MeshSettings, service: str) -> None:
    """Send the logs of this process, named `service`, to standard error as the settings say."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _Origin(service),
        *_exception_format(settings),
    ]
    renderer = _renderer(settings)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


class _Origin:
    """Adds which service wrote the line, and on behalf of which call and run."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, _logger: Any, _method: str, event: EventDict) -> EventDict:
        event.setdefault("service", self._service)
        call = current_call()
        if call is not None:
            event.setdefault("request_id", call.request_id)
            if call.run_id:
                event.setdefault("run_id", call.run_id)
            if call.traceparent:
                event.setdefault("trace_id", call.traceparent[3:35])
        return event


def _exception_format(settings: MeshSettings) -> list[Processor]:
    return [structlog.processors.format_exc_info] if settings.log_format == "json" else []


def _renderer(settings: MeshSettings) -> Processor:
    if settings.log_format == "json":
        return structlog.processors.JSONRenderer(serializer=_json)
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=24
    )


def _json(event: Any, **_options: Any) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()
