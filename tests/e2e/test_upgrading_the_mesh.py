"""A whole mesh on one data folder: the version before this one, this one, and back again, as a person would who changes their mind."""

from __future__ import annotations

import asyncio
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from meshwright.client import ArtifactAdded, Session
from meshwright.client import Mesh as Client
from tests.support.commands import run
from tests.support.mesh_process import mesh_process
from tests.support.previous_version import PREVIOUS
from tests.support.two_versions import NEW, OLD, as_before

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.mesh_process import MeshProcess

PATIENCE = 60.0
RUNNING = {OLD: as_before(), NEW: {}}
TOLD = {OLD: PREVIOUS.version, NEW: version("meshwright")}


class Person:
    """Somebody with one session, who uses whatever version runs."""

    def __init__(self) -> None:
        self._session_id = ""
        self._pictures: dict[str, bytes | None] = {}
        self._events: list[str] = []

    async def use(self, mesh: MeshProcess, told: str) -> None:
        """All that was is there and goes on."""
        async with Client(mesh.address) as client, asyncio.timeout(PATIENCE):
            assert (await client.agent()).version == told
            if not self._session_id:
                self._session_id = (await client.create_session(title="Kept")).session_id
            session = client.session(self._session_id)
            assert (await self._log(session))[: len(self._events)] == self._events
            for artifact_id, data in self._pictures.items():
                assert (await session.artifact(artifact_id)).data == data
            await self._work(session, mesh.url)
            self._events = await self._log(session)

    async def _work(self, session: Session, url: str) -> None:
        if self._events:
            assert "kept here" in await session.ask("Read the file notes.txt")
        await session.ask("Write kept here to the file notes.txt")
        async for event in session.run(f"Open {url}/demo/ and take a screenshot"):
            if isinstance(event, ArtifactAdded):
                artifact_id = event.artifact.artifact_id
                self._pictures[artifact_id] = (await session.artifact(artifact_id)).data
        assert all(self._pictures.values())

    async def _log(self, session: Session) -> list[str]:
        return [repr(event) async for event in session.events(follow=False)]


async def traffic(data_dir: Path, version_: str, *command: str) -> str:
    """`meshwright traffic` of a version."""
    arguments = ("-m", "meshwright.cli", "traffic", *command, "--data-dir", str(data_dir))
    done = await run(sys.executable, *arguments, **RUNNING[version_])
    assert done.code == 0, done.err
    return done.out


@pytest.mark.timeout(300)
async def test_a_mesh_is_upgraded_and_rolled_back_with_all_that_is_in_it(tmp_path: Path) -> None:
    person = Person()
    weights: list[str] = []
    for version_, change in ((OLD, "30"), (NEW, "20"), (OLD, "")):
        with mesh_process(
            tmp_path, MESHWRIGHT_AGENT_CANARY_ADDRESS=f"unix:{tmp_path}/nobody.sock", **RUNNING[version_]
        ) as mesh:
            await person.use(mesh, TOLD[version_])
            weights.append((await traffic(mesh.data_dir, version_, "show")).partition("%")[0])
            if change:
                await traffic(mesh.data_dir, version_, "set", change)
    assert weights == ["stable 100 ", "stable 70 ", "stable 80 "]
