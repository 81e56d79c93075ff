"""Which model a setting opens."""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from typing import Any

import pytest

from meshwright.models import registry
from meshwright.models.offline.planner import OfflinePlanner
from meshwright.models.openai_lane.endpoint import Endpoint
from meshwright.models.openai_lane.lane import OpenAIModel
from meshwright.models.registry import open_model
from meshwright.models.settings import ModelSettings
from meshwright.models.wide_lane.lane import WideModel
from meshwright.serving.errors import MeshError
from meshwright.serving.startup import StartupError

KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "MESHWRIGHT_OPENAI_API_KEY", "MESHWRIGHT_MODEL")


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in KEYS:
        monkeypatch.delenv(key, raising=False)


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("offline", OfflinePlanner),
        ("openai:gpt-6.1-terra", OpenAIModel),
        ("ollama:qwen3:8b", OpenAIModel),
        ("openrouter:vendor/model:free", OpenAIModel),
        ("anthropic:claude-sonnet-5-5", WideModel),
        ("google:gemini-3.8-flash", WideModel),
        ("bedrock:us.anthropic.claude-sonnet-5-5-v1:0", WideModel),
    ],
)
def test_the_provider_decides_the_lane(spec: str, kind: type) -> None:
    model = open_model(spec, ModelSettings.load())
    assert isinstance(model, kind)
    assert model.name == spec
    assert model.offline is (spec == "offline")


@pytest.mark.parametrize("spec", ["nobody:model", "gpt-6.1-terra", "openai:", "openai", ":", "Offline"])
def test_an_unknown_model_is_refused_with_what_is_possible(spec: str) -> None:
    with pytest.raises(MeshError) as caught:
        open_model(spec, ModelSettings.load())
    assert caught.value.reason_name == "MODEL_NOT_FOUND"
    assert caught.value.metadata["model"] == spec
    for possible in ("offline", "openai:NAME", "anthropic:NAME"):
        assert possible in caught.value.message


@pytest.mark.parametrize(
    ("environment", "spec"),
    [
        ({}, "offline"),
        ({"OPENAI_API_KEY": "sk-1"}, "openai:gpt-6.1-terra"),
        ({"MESHWRIGHT_OPENAI_API_KEY": "sk-1"}, "openai:gpt-6.1-terra"),
        ({"ANTHROPIC_API_KEY": "sk-1"}, "anthropic:claude-sonnet-5-5"),
        ({"OPENAI_API_KEY": "sk-1", "ANTHROPIC_API_KEY": "sk-2"}, "openai:gpt-6.1-terra"),
        ({"OPENAI_API_KEY": "sk-1", "MESHWRIGHT_MODEL": "offline"}, "offline"),
        ({"MESHWRIGHT_MODEL": "ollama:qwen3"}, "ollama:qwen3"),
        ({"OPENAI_API_KEY": ""}, "offline"),
    ],
    ids=str,
)
def test_the_setting_chooses_or_else_the_key_or_else_it_is_offline(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], spec: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert open_model("", ModelSettings.load()).name == spec


def test_without_the_extra_a_wide_model_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_library(name: str) -> ModuleSpec | None:
        return None if name == "pydantic_ai" else find_spec(name)

    monkeypatch.setattr(registry, "find_spec", without_library)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-1")
    with pytest.raises(MeshError) as caught:
        open_model("anthropic:claude-sonnet-5-5", ModelSettings.load())
    assert caught.value.reason_name == "MODEL_NOT_FOUND"
    assert 'pip install "meshwright[models]"' in caught.value.message
    assert open_model("", ModelSettings.load()).name == "offline"


@pytest.mark.parametrize(
    "settings",
    [
        {"openai_base_url": "localhost:8000"},
        {"openai_base_url": "http://user:secret@host/v1"},
        {"model_idle_timeout": 0},
        {"model_attempts": 0},
        {"demo_url": "ftp://shop"},
    ],
    ids=str,
)
def test_wrong_settings_are_refused_at_start(settings: dict[str, Any]) -> None:
    with pytest.raises(StartupError):
        ModelSettings.load(**settings)


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "http://localhost:8080/demo/"),
        ({"port": 9000}, "http://localhost:9000/demo/"),
        ({"demo_url": "https://shop.test/x"}, "https://shop.test/x/"),
    ],
    ids=str,
)
def test_the_demo_shop_is_at_the_gateway_unless_told_otherwise(settings: dict[str, Any], url: str) -> None:
    assert ModelSettings.load(**settings).demo_base_url == url


def test_a_key_is_never_shown() -> None:
    settings = ModelSettings.load(openai_api_key="sk-secret")
    assert "sk-secret" not in repr(settings)
    assert "sk-secret" not in repr(Endpoint("m", "http://host/v1", "sk-secret"))


@pytest.mark.parametrize(
    ("base_url", "environment", "proxy"),
    [
        ("https://api.openai.com/v1", {"https_proxy": "http://proxy:3128"}, "http://proxy:3128"),
        ("https://api.openai.com/v1", {"https_proxy": "http://proxy:3128", "no_proxy": "openai.com"}, None),
        ("http://localhost:8000/v1", {"http_proxy": "http://proxy:3128", "no_proxy": "localhost"}, None),
        ("https://api.openai.com/v1", {}, None),
    ],
    ids=str,
)
def test_the_proxy_is_the_one_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, base_url: str, environment: dict[str, str], proxy: str | None
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Endpoint("m", base_url).proxy == proxy
