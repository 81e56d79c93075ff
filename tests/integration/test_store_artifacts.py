"""Artifacts in a real object store: a local folder."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from meshwright.store.artifacts import ArtifactStore

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(f"file://{tmp_path}/made/for/it")


async def content(store: ArtifactStore, session_id: str, artifact_id: str) -> bytes:
    return b"".join([chunk async for chunk in store.read(session_id, artifact_id)])


async def test_what_is_put_is_described_and_read_again(store: ArtifactStore) -> None:
    data = bytes(range(256)) * 5000
    put = await store.put("ses_1", "shot.jpg", "image/jpeg", data, 1280, 800, "Screenshot of http://localhost/")
    head = await store.head("ses_1", put.artifact_id)

    assert put.artifact_id.startswith("art_")
    assert (put.size_bytes, put.sha256) == (len(data), hashlib.sha256(data).digest())
    assert (put.width, put.height, put.media_type) == (1280, 800, "image/jpeg")
    assert put.inline_data == b""
    assert head == put
    assert await content(store, "ses_1", put.artifact_id) == data


@pytest.mark.parametrize(("size", "inline"), [(0, True), (32 * 1024, True), (32 * 1024 + 1, False)])
async def test_small_content_comes_along(store: ArtifactStore, size: int, inline: bool) -> None:
    data = b"x" * size
    put = await store.put("ses_1", "a.txt", "text/plain", data)
    assert put.inline_data == (data if inline else b"")
    head = await store.head("ses_1", put.artifact_id)
    assert head is not None
    assert head.inline_data == b""
    assert await content(store, "ses_1", put.artifact_id) == data


async def test_another_store_on_the_same_place_finds_it(store: ArtifactStore, tmp_path: Path) -> None:
    put = await store.put("ses_1", "a.txt", "text/plain", b"hello")
    other = ArtifactStore(f"file://{tmp_path}/made/for/it")
    assert await content(other, "ses_1", put.artifact_id) == b"hello"


async def test_names_and_descriptions_are_cut_to_their_bounds(store: ArtifactStore) -> None:
    put = await store.put("ses_1", "../" + "n" * 300, "text/plain", b"", description="d" * 2000)
    assert put.name == "n" * 255
    assert len(put.description) == 1024


@pytest.mark.parametrize(
    ("session_id", "artifact_id"),
    [
        ("ses_2", None),
        ("ses_1", "art_nothing"),
        ("ses_1", "../ses_1/x"),
        ("..", "x"),
        ("ses_1", ""),
        ("", "x"),
        ("ses_1", "x.json"),
    ],
)
async def test_what_is_not_there_is_not_found(store: ArtifactStore, session_id: str, artifact_id: str | None) -> None:
    put = await store.put("ses_1", "a.txt", "text/plain", b"hello")
    artifact_id = put.artifact_id if artifact_id is None else artifact_id
    assert await store.head(session_id, artifact_id) is None
    with pytest.raises(FileNotFoundError):
        await content(store, session_id, artifact_id)


async def test_deleting_a_session_leaves_the_others_and_may_be_repeated(store: ArtifactStore) -> None:
    mine = [await store.put("ses_1", "a.txt", "text/plain", b"a") for _ in range(3)]
    other = await store.put("ses_10", "b.txt", "text/plain", b"b")
    await store.delete_session("ses_1")
    await store.delete_session("ses_1")

    assert [await store.head("ses_1", artifact.artifact_id) for artifact in mine] == [None] * 3
    assert await content(store, "ses_10", other.artifact_id) == b"b"


@pytest.mark.parametrize("url", ["nonsense", "ftp://somewhere/", "http://", ""])
def test_a_url_that_is_no_object_store_is_refused_with_words(url: str) -> None:
    with pytest.raises(ValueError, match="is no object store"):
        ArtifactStore(url)
