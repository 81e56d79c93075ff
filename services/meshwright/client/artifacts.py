"""Reading the files of a session."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from meshwright.client.affinity import session_metadata
from meshwright.client.backoff import Backoff
from meshwright.client.errors import InternalError
from meshwright.client.records import Artifact
from meshwright.v1.agent_service_pb2 import ReadArtifactRequest

if TYPE_CHECKING:
    from os import PathLike

    from meshwright.client.connection import Connection
    from meshwright.client.credentials import Showing

ATTEMPTS = 5


async def read_artifact(connection: Connection, session_id: str, artifact_id: str) -> Artifact:
    """The file with its content. A broken transfer begins anew, a few times. Raises NotFound, MeshError."""
    request = ReadArtifactRequest(session_id=session_id, artifact_id=artifact_id)
    backoff, showing = Backoff(), connection.showing()
    while True:
        try:
            return await _read(connection, showing, request)
        except grpc.aio.AioRpcError as failure:
            error = connection.failed(failure, connection.timeout)
            if showing.has_more(error):
                continue
            wait = backoff.next(error.retry_after)
            if not connection.worth_retrying(error) or backoff.attempts >= ATTEMPTS:
                raise error from failure
        await asyncio.sleep(wait)


async def save_artifact(connection: Connection, session_id: str, artifact_id: str, path: str | PathLike[str]) -> Path:
    """Write the file to `path`, or under its own name into the folder `path`. Returns where it is."""
    artifact = await read_artifact(connection, session_id, artifact_id)
    return await asyncio.to_thread(_write, artifact, Path(path))


async def _read(connection: Connection, showing: Showing, request: ReadArtifactRequest) -> Artifact:
    described: Artifact | None = None
    content = bytearray()
    metadata = await connection.metadata(showing) + session_metadata(request.session_id)
    async for piece in connection.stub.ReadArtifact(request, timeout=connection.timeout, metadata=metadata):
        if piece.HasField("artifact"):
            described = Artifact.read(piece.artifact)
        else:
            content += piece.data
    if described is None or len(content) != described.size_bytes:
        raise InternalError("The mesh sent only a part of the file.")
    return replace(described, data=bytes(content))


def _write(artifact: Artifact, path: Path) -> Path:
    if path.is_dir():
        # The name came from elsewhere: no part of it may lead out of the folder.
        name = Path(artifact.name.replace("\\", "/")).name
        path /= name if name not in ("", ".", "..") else artifact.artifact_id
    path.write_bytes(artifact.data or b"")
    return path
