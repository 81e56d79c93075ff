"""The settings of AgentService."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from google.protobuf.duration_pb2 import Duration
from pydantic import Field

from meshwright.agent.approving import ApprovalPolicy
from meshwright.agent.flags.settings import FlagSettings
from meshwright.agent.tracks import TrackName
from meshwright.models.settings import ModelSettings
from meshwright.serving.address import Address, AddressSetting, NeighbourSetting
from meshwright.serving.settings import ServerSettings
from meshwright.store.interface import Quotas
from meshwright.v1.run_pb2 import RunOptions

if TYPE_CHECKING:
    from pathlib import Path


class AgentSettings(ServerSettings, ModelSettings, FlagSettings):
    """Where the agent finds its neighbours, and what its runs may use."""

    listen: AddressSetting = Field(
        Address("127.0.0.1", 8081), description="Where AgentService listens: host:port or unix:/path."
    )
    tools_address: NeighbourSetting = Field(
        (Address("127.0.0.1", 8082),),
        description="Where ToolService is: host:port or unix:/path. Several replicas with commas, or one name with all their addresses; "
        "they must share one data folder.",
    )
    browser_address: NeighbourSetting = Field(
        (Address("127.0.0.1", 8083),),
        description="Where BrowserService is, whose health the agent reports: host:port or unix:/path. Several replicas with commas, or "
        "one name with all their addresses.",
    )
    store_url: str = Field(
        "",
        description="Redis 7 or Valkey that keeps sessions, runs and events, for any number of replicas: redis://host:port/0, rediss://, "
        "unix:///path or redis+cluster://host:port. Empty: a file in the data folder, for one process.",
    )
    track: TrackName = Field(
        "stable",
        description="Which of the agents on one store this one belongs to: runs that it accepts are worked on by agents of its track, the "
        "canary's by stable ones too when none of the canary has taken them for 2 seconds. A file as store has one agent, and one track.",
    )
    files_url: str = Field(
        "",
        description="Object store of artifacts: file:///folder, s3://bucket/prefix, gs:// or az://. Empty: a folder in the data folder.",
    )
    max_steps: int = Field(40, ge=1, le=200, description="Model steps of a run at most.")
    run_timeout: float = Field(1800.0, ge=1, le=86_400, description="Seconds that a run may take at most.")
    max_runs: int = Field(64, ge=1, le=4096, description="Runs at work at once in one process.")
    max_delegation_depth: int = Field(
        2,
        ge=0,
        le=8,
        description="How deep runs may delegate: 1 lets a run have sub-agents, 2 lets these have some of their own, 0 turns it off.",
    )
    hand_over_grace: float = Field(
        3.0,
        ge=0,
        le=3600,
        description="Seconds that the current step of a run may take to end when the service stops, before the run is handed over to "
        "another replica, or to the next start.",
    )
    idle_browser: float = Field(
        120.0,
        ge=0,
        le=3600,
        description="Seconds that a session keeps its browser after a run, so that the next message goes on in it. It is "
        "given back earlier so that one is always left for whoever comes.",
    )
    approvals: str = Field(
        "annotated",
        description="Which tool calls wait for a person: `annotated` (those of tools that ask for it), `destructive`, `none`, or names "
        "of tools, in which `*` stands for anything; several are separated by commas.",
    )
    approval_timeout: float = Field(
        600.0, gt=0, le=604_800, description="Seconds until a question to a person expires, which counts as a refusal."
    )
    disconnect_grace: float = Field(
        30.0,
        ge=0,
        le=3600,
        description="Seconds that a client has to come back before a run that asked for it is cancelled.",
    )
    history_budget: int = Field(
        200_000,
        ge=10_000,
        le=10_000_000,
        description="Characters of conversation that a model is sent; older tool results are left out.",
    )
    quota_sessions: int = Field(0, ge=0, description="Sessions that a principal may have at once; 0 means no limit.")
    quota_runs: int = Field(
        0, ge=0, description="Runs of a principal that may be queued or at work at once; 0 means no limit."
    )
    quota_tokens_per_day: int = Field(
        0,
        ge=0,
        description="Input and output tokens that the runs of a principal may use in a day by UTC; 0 means no limit. A run that is at work "
        "when they are used up fails before its next step.",
    )
    retention_days: float = Field(
        30.0,
        ge=0,
        le=36_500,
        description="Days that a run's events are kept after its end; 0 means as long as the session. Its record stays.",
    )
    max_events: int = Field(
        100_000,
        ge=0,
        description="Events of a session that are kept in any case; runs that ended before the newest so many lose theirs. 0 means all.",
    )
    site_demo: bool = Field(True, description="Whether the demo shop is served under /demo/.")

    @property
    def quotas(self) -> Quotas:
        """The limits of each principal."""
        return Quotas(self.quota_sessions, self.quota_runs, self.quota_tokens_per_day)

    @property
    def store_path(self) -> Path:
        """File of the embedded store."""
        return self.data_dir / "store" / "meshwright.sqlite3"

    @property
    def artifacts_url(self) -> str:
        """Object store of artifacts."""
        return self.files_url or f"file://{self.data_dir.absolute() / 'artifacts'}"

    @property
    def browser_states_url(self) -> str:
        """Object store of what sessions' next browsers begin with."""
        return f"{self.files_url or f'file://{self.data_dir.absolute()}'}/browsers"

    @property
    def demo_site(self) -> str:
        """Where the agent's browser finds the demo site; empty when it is off."""
        return self.demo_base_url if self.site_demo else ""

    @property
    def approval_policy(self) -> ApprovalPolicy:
        """Which calls wait for a person, and how long."""
        return ApprovalPolicy.parse(self.approvals, self.approval_timeout)

    def default_options(self, model: str) -> RunOptions:
        """The options of runs that name none."""
        timeout = Duration()
        timeout.FromTimedelta(timedelta(seconds=self.run_timeout))
        return RunOptions(model=model, max_steps=self.max_steps, timeout=timeout)
