"""Where the fast lane's providers are, and how they want to be asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

OPENAI_BASE_URL = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One model at one OpenAI-compatible endpoint."""

    model: str
    """The model's name there."""
    base_url: str
    """Up to and without `/chat/completions`."""
    key: str | None = field(default=None, repr=False)
    key_variable: str | None = None
    """The variable that must hold the key; None where the endpoint works without one."""
    price_provider: str | None = None
    """The provider's id in genai-prices; None where the tokens cost nothing or nobody knows."""

    @property
    def url(self) -> str:
        """Where completions are asked for."""
        return f"{self.base_url.rstrip('/')}/chat/completions"

    @property
    def address(self) -> str:
        """Host and port, for messages."""
        parts = urlsplit(self.base_url)
        return parts.hostname or "" if parts.port is None else f"{parts.hostname}:{parts.port}"

    @property
    def proxy(self) -> str | None:
        """The proxy that the environment names for this endpoint, if any."""
        parts = urlsplit(self.base_url)
        if proxy_bypass(parts.hostname or ""):
            return None
        return getproxies().get(parts.scheme)

    @property
    def output_limit_field(self) -> str:
        """OpenAI's own newer models refuse the name that everybody else knows."""
        return "max_completion_tokens" if self.base_url.startswith(OPENAI_BASE_URL) else "max_tokens"
