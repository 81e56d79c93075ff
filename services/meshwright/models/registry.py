"""From one setting to a model."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from meshwright.models.interface import Model
from meshwright.models.missing import missing_extra
from meshwright.models.openai_lane.endpoint import OPENAI_BASE_URL, Endpoint
from meshwright.serving.errors import MeshError
from meshwright.v1 import error_reason_pb2 as reasons

if TYPE_CHECKING:
    from meshwright.models.settings import ModelSettings

OFFLINE = "offline"

FAST_LANE: dict[str, tuple[str, str | None, str | None]] = {
    "openai": (OPENAI_BASE_URL, "OPENAI_API_KEY", "openai"),
    "openrouter": ("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", "openrouter"),
    "deepseek": ("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", "deepseek"),
    "xai": ("https://api.x.ai/v1", "XAI_API_KEY", "x-ai"),
    "ollama": ("http://localhost:11434/v1", None, None),
}
"""Providers that speak OpenAI's protocol: base URL, variable of the key (None: no key), id in genai-prices."""

WIDE_LANE: dict[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_API_KEY",),
    "google": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "bedrock": (),
    "groq": ("GROQ_API_KEY",),
    "mistral": ("MISTRAL_API_KEY",),
}
"""Providers behind pydantic-ai: variables of the key (none: the provider has its own ways, such as AWS profiles)."""

DEFAULTS = (
    ("OPENAI_API_KEY", "openai:gpt-6.1-terra"),
    ("ANTHROPIC_API_KEY", "anthropic:claude-sonnet-5-5"),
    ("GOOGLE_API_KEY", "google:gemini-3.8-flash"),
)
"""Which model a key alone chooses."""


def open_model(spec: str, settings: ModelSettings) -> Model:
    """The model that `spec` names; it connects when it is first asked.

    Args:
        spec: `provider:name`, or `offline`. Empty: what the settings name, or else `default_spec`.
        settings: Addresses, keys and limits.

    Raises:
        MeshError: MODEL_NOT_FOUND when the provider is not known, the name is missing, or the provider needs the extra
            `models` and it is not installed.
    """
    spec = spec or settings.model or default_spec(settings)
    if spec == OFFLINE:
        from meshwright.models.offline.planner import OfflinePlanner

        return OfflinePlanner(settings.demo_base_url)
    provider, _, name = spec.partition(":")
    if not name:
        raise _unknown(spec)
    if provider in FAST_LANE:
        from meshwright.models.openai_lane.lane import OpenAIModel

        return OpenAIModel(spec, _endpoint(provider, name, settings), settings)
    if provider in WIDE_LANE:
        return _open_wide(spec, provider, settings)
    raise _unknown(spec)


def default_spec(settings: ModelSettings) -> str:
    """The model when no setting names one: of the first provider whose key is there, or else the offline planner."""
    for variable, spec in DEFAULTS:
        has_key = bool(os.environ.get(variable)) or (
            variable == "OPENAI_API_KEY" and settings.openai_api_key is not None
        )
        if has_key and (spec.startswith("openai:") or find_spec("pydantic_ai") is not None):
            return spec
    return OFFLINE


def _endpoint(provider: str, name: str, settings: ModelSettings) -> Endpoint:
    base_url, variable, prices = FAST_LANE[provider]
    if provider != "openai":
        key = os.environ.get(variable) if variable else None
        return Endpoint(name, base_url, key, variable, prices)
    secret = settings.openai_api_key
    key = secret.get_secret_value() if secret is not None else None
    if settings.openai_base_url:
        return Endpoint(name, settings.openai_base_url, key)
    return Endpoint(name, base_url, key, variable, prices)


def _open_wide(spec: str, provider: str, settings: ModelSettings) -> Model:
    if find_spec("pydantic_ai") is None:
        raise missing_extra(spec)
    from meshwright.models.wide_lane.lane import WideModel

    return WideModel(spec, WIDE_LANE[provider], settings)


def _unknown(spec: str) -> MeshError:
    possible = ", ".join([OFFLINE, *(f"{provider}:NAME" for provider in (*FAST_LANE, *WIDE_LANE))])
    message = f"There is no model {spec!r}. Possible are: {possible}."
    return MeshError(reasons.ERROR_REASON_MODEL_NOT_FOUND, message, metadata={"model": spec, "possible": possible})
