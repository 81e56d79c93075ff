"""Settings: typed, from `MESHWRIGHT_*` variables, each with a description."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from meshwright.serving.address import Address, AddressSetting, OptionalTcpSetting
from meshwright.serving.authentication.settings import ServiceAuthentication
from meshwright.serving.startup import StartupError

if TYPE_CHECKING:
    from collections.abc import Iterator

ENV_PREFIX = "MESHWRIGHT_"


def default_data_dir() -> Path:
    """Where the XDG base directory specification puts the data of an application."""
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".local/share") / "meshwright"


class MeshSettings(BaseSettings):
    """What every process of the mesh can be told. A service subclasses it with settings of its own."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, validate_default=True
    )

    data_dir: Path = Field(
        default_factory=default_data_dir,
        examples=["$XDG_DATA_HOME/meshwright, or ~/.local/share/meshwright"],
        description="Folder for everything that outlives a process: the store, workspaces, artifacts.",
    )
    log_format: Literal["console", "json"] = Field(
        default="console",
        description="How log lines look: `console` for people, `json` for machines (one object a line).",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important log lines that are written. Every RPC is one line at `info`."
    )
    otlp_endpoint: str = Field(
        default="",
        description="Where traces go by OTLP over gRPC, as in http://localhost:4317. Empty: no tracing.",
        pattern=r"^(https?://.+)?$",
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        bare = [name for name, field in cls.model_fields.items() if not field.description]
        if bare:
            message = f"{cls.__name__} has settings without a description: {', '.join(bare)}"
            raise TypeError(message)

    @classmethod
    def load(cls, **flags: Any) -> Self:
        """The settings from flags (None: not given), then the environment, then defaults.

        Raises StartupError naming every variable that is wrong.
        """
        try:
            return cls(**{name: value for name, value in flags.items() if value is not None})
        except ValidationError as error:
            wrong = "\n".join(
                f"  {ENV_PREFIX}{'_'.join(map(str, e['loc'])).upper()}: {e['msg'].removeprefix('Value error, ')}"
                for e in error.errors()
            )
            message = f"These settings are wrong:\n{wrong}"
            raise StartupError(message) from error


class ServerSettings(ServiceAuthentication, MeshSettings):
    """What every gRPC server of the mesh can be told. A service overrides the default of `listen`."""

    listen: AddressSetting = Field(
        default=Address("127.0.0.1", 0),
        description="Where the service listens: host:port or unix:/path. Port 0 takes a free one.",
    )
    metrics_address: OptionalTcpSetting = Field(
        default=None,
        description="Where the service's metrics are, for Prometheus: host:port, then GET /metrics. Empty: nowhere, and none are kept. "
        "They ask for no login: other addresses than loopback need MESHWRIGHT_TRUSTED_NETWORK. "
        "Of `meshwright up` the agent takes this port, the tools the next and the browser service the one after.",
    )
    trusted_network: bool = Field(
        default=False,
        description="Allow a service to listen on other addresses than loopback although it does not authenticate its "
        "callers, because only the mesh's own gateway can reach it there, as in a cluster with a network policy. All callers are then "
        "one principal; with MESHWRIGHT_AUTH_JWKS it is not needed.",
    )
    connection_age: float = Field(
        default=0.0,
        ge=0,
        le=86_400,
        description="Seconds after which clients are asked to connect anew, so that those who know the service by a name with several "
        "addresses find replicas that were added; open streams stay where they are. 0: never. In a cluster about 10 for tools, and 3 for "
        "browsers, which callers may be waiting for.",
    )
    unary_timeout: float = Field(
        default=60.0, gt=0, le=3600, description="Deadline in seconds of a unary call whose caller has set none."
    )
    drain_delay: float = Field(
        default=0.0,
        ge=0,
        le=300,
        description="Seconds between reporting NOT_SERVING and telling streams to go, so that load balancers notice "
        "first. About 5 in a cluster.",
    )
    stop_grace: float = Field(
        default=5.0,
        ge=0,
        le=3600,
        description="Seconds that running calls get to end by themselves when the service stops.",
    )


@dataclass(frozen=True, slots=True)
class DocumentedSetting:
    """One row of the settings reference."""

    variable: str
    type: str
    default: str
    description: str


def documented(settings: type[MeshSettings]) -> Iterator[DocumentedSetting]:
    """The rows of the settings reference for a class of settings, in the order of their declaration.

    A default that depends on the machine is described by the field's first example.
    """
    schema = settings.model_json_schema(mode="serialization")["properties"]
    for name, field in settings.model_fields.items():
        shape = schema[name]
        kind = " or ".join(map(str, shape["enum"])) if "enum" in shape else str(shape.get("type", "string"))
        default = field.examples[0] if field.examples else field.default
        default = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
        default = default.lower() if isinstance(field.default, bool) else default
        yield DocumentedSetting(f"{ENV_PREFIX}{name.upper()}", kind, default, field.description or "")
