"""Settings of the tools server, from `MESHWRIGHT_*` environment variables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic_settings import NoDecode

from meshwright.serving.address import Address, AddressSetting, NeighbourSetting
from meshwright.serving.settings import ServerSettings

FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def parse_folders(text: str | dict[str, Path]) -> dict[str, Path]:
    """Document folders by name from `name=/folder,/other/folder`; a folder without a name is called as its last part."""
    if isinstance(text, dict):
        return text
    folders: dict[str, Path] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, path = part.partition("=")
        folder = Path(path if equals else name).expanduser()
        name = name if equals else folder.name
        if not FOLDER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name for a document folder: use letters, digits, '.', '_' and '-'")
        if name in folders:
            raise ValueError(f"two document folders are called {name!r}: write another_name={folder}")
        if not folder.is_dir():
            raise ValueError(f"{folder} is not a folder")
        folders[name] = folder
    return folders


DocumentFolders = Annotated[
    dict[str, Path],
    NoDecode,
    BeforeValidator(parse_folders),
    PlainSerializer(lambda folders: ",".join(f"{name}={path}" for name, path in folders.items()), return_type=str),
    WithJsonSchema({"type": "string"}),
]


class ToolSettings(ServerSettings):
    """What the tools server can be told."""

    listen: AddressSetting = Field(
        Address("127.0.0.1", 8082), description="Where the service listens: host:port or unix:/path."
    )
    browser_address: NeighbourSetting = Field(
        (Address("127.0.0.1", 8083),),
        description="Where the browser service is reached: host:port or unix:/path. Several replicas with commas, or one name with all "
        "their addresses.",
    )
    files_url: str = Field(
        "",
        description="Object store for screenshots and other artifacts: file:///folder, s3://bucket/prefix, gs://..., "
        "az://... Empty: the folder `artifacts` of the data folder.",
    )
    document_folders: DocumentFolders = Field(
        default_factory=dict,
        description="Folders that agents may read and search, and not change: name=/folder, several with commas. "
        "Agents see them as docs:name/.",
    )
    workspace_bytes: int = Field(
        256 * 1024 * 1024, ge=1024, description="How many bytes the files of one session's workspace may have together."
    )
    workspace_files: int = Field(
        10_000, ge=1, le=1_000_000, description="How many files and folders one session's workspace may have."
    )
    tools_parallel_calls: int = Field(
        32, ge=1, le=1024, description="How many calls of one stream run at once; more wait for their turn."
    )
    tools_waiting_calls: int = Field(
        256, ge=1, le=65_536, description="How many calls of one stream may run and wait together; more are refused."
    )
    browser_idle_seconds: float = Field(
        300.0,
        ge=1,
        le=3600,
        description="How long a session's browser is kept without a call; after that the next call gets a new one, on the "
        "same page and with the same cookies.",
    )
    snapshot_bytes: int = Field(
        24_576, ge=256, le=60_000, description="How many bytes of page text a browser tool gives the model at most."
    )
    browser_evaluate: bool = Field(
        False,
        description="Offer the tool browser.evaluate, which runs scripts in pages. The browser service has the last word.",
    )

    @property
    def artifacts_url(self) -> str:
        """Where artifacts are kept."""
        return self.files_url or f"file://{(self.data_dir / 'artifacts').absolute()}"
