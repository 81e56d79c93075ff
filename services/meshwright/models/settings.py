"""The settings of language models."""

from __future__ import annotations

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from meshwright.serving.settings import MeshSettings


class ModelSettings(MeshSettings):
    """Which model thinks, how to reach it, and how long to wait for it."""

    model_config = SettingsConfigDict(populate_by_name=True)

    model: str = Field(
        "",
        description="The language model as `provider:name`, such as `openai:gpt-6.1-terra`, `ollama:qwen3` or "
        "`anthropic:claude-sonnet-5-5`, or `offline`. Empty: the first provider whose key is set, or else `offline`.",
    )
    openai_base_url: str = Field(
        "",
        description="Base URL of the OpenAI-compatible endpoint of `openai:` models, such as http://localhost:8000/v1. "
        "Empty: OpenAI's own.",
        pattern=r"^(https?://[^\s/@]+(/\S*)?)?$",
    )
    openai_api_key: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("MESHWRIGHT_OPENAI_API_KEY", "OPENAI_API_KEY"),
        description="Key of that endpoint. OPENAI_API_KEY is read too. Endpoints of your own may need none.",
    )
    model_connect_timeout: float = Field(
        10.0, gt=0, le=300, description="Seconds to wait for a connection to the model's provider."
    )
    model_first_token_timeout: float = Field(
        120.0, gt=0, le=3600, description="Seconds to wait for the first piece of a model's answer."
    )
    model_idle_timeout: float = Field(
        60.0, gt=0, le=3600, description="Seconds to wait for each further piece of a model's answer."
    )
    model_attempts: int = Field(
        2, ge=1, le=5, description="How often a model is asked when asking fails before its answer begins."
    )
    model_retry_wait: float = Field(
        5.0, ge=0, le=60, description="The longest wait in seconds before another attempt that a provider may ask for."
    )
    demo_url: str = Field(
        "",
        description="Where the offline planner finds the demo shop. Empty: /demo/ of the gateway on this machine.",
        pattern=r"^(https?://\S+)?$",
    )
    port: int = Field(8080, ge=0, le=65535, description="The gateway's port.")

    @property
    def demo_base_url(self) -> str:
        """Where the demo shop is, ending with a slash."""
        return f"{(self.demo_url or f'http://localhost:{self.port}/demo').rstrip('/')}/"
