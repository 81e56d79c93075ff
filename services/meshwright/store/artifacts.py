"""Files that runs made: screenshots, prints, downloads. Content and description live side by side in one object store.

An artifact is two objects, `<home>/<artifact_id>` with the content and `<home>/<artifact_id>.json` with the rest, where the home is
what `home_of` gives for a principal's session. The second is written last, so an artifact that can be found is whole.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING
from uuid import uuid4

import obstore
from google.protobuf.json_format import MessageToJson, Parse
from obstore.store import LocalStore, from_url

from meshwright.serving.authentication.principals import HOME
from meshwright.v1.artifact_pb2 import Artifact

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from obstore.store import ObjectStore

MAX_INLINE_BYTES = 32 * 1024
MAX_NAME_CHARS = 255
MAX_DESCRIPTION_CHARS = 1024
CHUNK_BYTES = 256 * 1024
ID = re.compile(r"[a-z0-9_-]{1,64}")


class ArtifactStore:
    """Artifacts by the home of their session, in a local folder (`file:///...`, made if missing) or a bucket (`s3://...`, `gs://...`, `az://...`).

    Raises ValueError for a URL that names no object store.
    """

    def __init__(self, url: str) -> None:
        self._store = open_object_store(url)

    async def put(
        self,
        home: str,
        name: str,
        media_type: str,
        data: bytes,
        width: int = 0,
        height: int = 0,
        description: str = "",
    ) -> Artifact:
        """Keeps a file and returns what describes it, with the content in it where that is at most 32 KiB."""
        artifact = Artifact(
            artifact_id=f"art_{uuid4().hex}",
            name=name.rpartition("/")[2][:MAX_NAME_CHARS],
            media_type=media_type,
            size_bytes=len(data),
            sha256=hashlib.sha256(data).digest(),
            width=width,
            height=height,
            description=description[:MAX_DESCRIPTION_CHARS],
        )
        key = _key(home, artifact.artifact_id)
        await obstore.put_async(self._store, key, data)
        await obstore.put_async(self._store, f"{key}.json", MessageToJson(artifact, indent=None).encode())
        if len(data) <= MAX_INLINE_BYTES:
            artifact.inline_data = data
        return artifact

    async def head(self, home: str, artifact_id: str) -> Artifact | None:
        """What describes the artifact, without its content; None when the session has no such artifact."""
        if not (HOME.fullmatch(home) and ID.fullmatch(artifact_id)):
            return None
        try:
            found = await obstore.get_async(self._store, f"{_key(home, artifact_id)}.json")
            return Parse(bytes(await found.bytes_async()), Artifact())
        except FileNotFoundError:
            return None

    async def read(self, home: str, artifact_id: str) -> AsyncIterator[bytes]:
        """The content in pieces of about 256 KiB. Raises FileNotFoundError when there is none."""
        found = await obstore.get_async(self._store, _key(home, artifact_id))
        async for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
            yield bytes(chunk)

    async def delete_session(self, home: str) -> None:
        """Deletes whatever the session made; nothing to delete is no error."""
        prefix = _key(home, "")
        async for batch in obstore.list(self._store, prefix):
            await obstore.delete_async(self._store, [entry["path"] for entry in batch])


def open_object_store(url: str) -> ObjectStore:
    """A local folder (`file:///...`, made if missing) or a bucket. Raises ValueError for a URL that names neither."""
    try:
        if url.startswith("file://"):
            return LocalStore(url.removeprefix("file://"), mkdir=True)
        return from_url(url)
    except (ValueError, obstore.exceptions.BaseError) as error:
        message = f"{url} is no object store: write file:///folder, s3://bucket/prefix, gs://... or az://..."
        raise ValueError(message) from error


def _key(home: str, artifact_id: str) -> str:
    if not HOME.fullmatch(home) or (artifact_id and not ID.fullmatch(artifact_id)):
        raise FileNotFoundError(f"{home}/{artifact_id}")
    return f"{home}/{artifact_id}"
