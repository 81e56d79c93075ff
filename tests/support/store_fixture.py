"""Stores as a version leaves them, and what that version itself says is in them.

    python -m tests.support.store_fixture      writes tests/fixtures/store/VERSION/ of the version before this one, anew

Its whole mesh is started as people start it, does what `store_scene` tells, and is killed while some of it is under way.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc

from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from tests.model_script import Say
from tests.model_server import ModelServer
from tests.support.agent_mesh import AgentMesh
from tests.support.mesh_process import MeshProcess
from tests.support.previous_version import PREVIOUS
from tests.support.redis_keys import take_keys
from tests.support.redis_server import RedisServer
from tests.support.store_scene import FLAGS, SETTINGS, Scene, script_of
from tests.support.two_versions import as_before

FIXTURES = Path(__file__).parents[1] / "fixtures" / "store"


async def played(folder: Path, store_url: str) -> dict[str, Any]:
    """Play the scene on a store with the version before this one; what it said at the end."""
    (folder / "flags.json").write_text(FLAGS)
    async with ModelServer(Say("Not yet.")) as model:
        with tempfile.TemporaryDirectory(prefix="mw-") as temporary:
            mesh = MeshProcess(
                folder,
                Path(temporary),
                **as_before(),
                **SETTINGS,
                MESHWRIGHT_STORE_URL=store_url,
                MESHWRIGHT_MODEL="openai:scripted",
                MESHWRIGHT_OPENAI_BASE_URL=model.base_url,
                MESHWRIGHT_FLAGS_FILE=str(folder / "flags.json"),
            )
            try:
                await asyncio.to_thread(mesh.start)
                model.script = script_of(mesh.url)
                async with grpc.aio.insecure_channel(mesh.address) as channel:
                    scene = Scene(AgentMesh(AgentServiceStub(channel), model, folder))
                    await scene.play()
                    return await scene.said()
            finally:
                mesh.kill_what_is_left()


def write(target: Path) -> None:
    """Both engines' stores, and what was said of each."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="mw-") as name:
        folders = [Path(name) / engine for engine in ("sqlite", "redis")]
        for folder in folders:
            folder.mkdir()
        _write_json(target / "said-sqlite.json", asyncio.run(played(folders[0], "")))
        _copy(folders[0] / "data" / "store" / "meshwright.sqlite3", target / "store.sqlite3")
        with RedisServer(folders[1]) as server:
            _write_json(target / "said-redis.json", asyncio.run(played(folders[1], server.url)))
            (target / "store-redis.json").write_text(asyncio.run(take_keys(server.url)))


def _copy(path: Path, target: Path) -> None:
    """The database as one small file."""
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        copy.execute("VACUUM")


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=0, sort_keys=True) + "\n")


if __name__ == "__main__":
    write(FIXTURES / PREVIOUS.version)
    sys.stdout.write(f"{FIXTURES / PREVIOUS.version}\n")
