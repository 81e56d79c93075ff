"""search.files on real files and a real index."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from meshwright.serving.errors import MeshError
from meshwright.v1 import tool_pb2
from tests.support.tool_stream import ToolClient, ToolStream, structured, tool_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "handbook"
    (folder / "lamps").mkdir(parents=True)
    (folder / "lamps/care.md").write_text(
        "\n".join(["Cleaning"] + ["filler"] * 50 + ["Dust the lamps weekly.", "Gently."])
    )
    (folder / "returns.md").write_text("Desks may be returned within 30 days.\n")
    return folder


@pytest.fixture
async def tools(tmp_path: Path, documents: Path) -> AsyncIterator[ToolClient]:
    async with tool_server(tmp_path, document_folders={"handbook": documents}) as client:
        yield client


@pytest.fixture
async def stream(tools: ToolClient) -> AsyncIterator[ToolStream]:
    async with tools.stream() as opened:
        yield opened


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "data/workspaces/ses_1"
    folder.mkdir(parents=True)
    return folder


async def found(stream: ToolStream, query: str, **arguments: Any) -> list[str]:
    done = await stream.run("search.files", {"query": query, **arguments})
    assert done.outcome == tool_pb2.TOOL_OUTCOME_SUCCEEDED, done
    return [f"{result['path']}:{result['line']}" for result in structured(done)["results"]]


async def test_a_passage_is_found_with_its_line_and_those_around_it(stream: ToolStream) -> None:
    done = await stream.run("search.files", {"query": "how to dust a lamp"})
    [result] = structured(done)["results"]
    assert result == {
        "path": "docs:handbook/lamps/care.md",
        "line": 52,
        "snippet": "filler\nDust the lamps weekly.\nGently.",
    }
    assert done.result.text == "docs:handbook/lamps/care.md:52\nfiller\nDust the lamps weekly.\nGently."
    read = await stream.run("file.read", {"path": result["path"], "offset": result["line"], "limit": 1})
    assert "Dust the lamps" in read.result.text


async def test_the_better_match_comes_first(stream: ToolStream, workspace: Path) -> None:
    (workspace / "a.txt").write_text("A desk.\n")
    (workspace / "b.txt").write_text("An oak desk with a lamp.\n")
    assert (await found(stream, "oak lamp desk"))[0] == "b.txt:1"


async def test_a_file_is_found_by_its_name(stream: ToolStream, workspace: Path) -> None:
    (workspace / "invoice-2026.txt").write_text("Total: 12\n")
    assert await found(stream, "invoices") == ["invoice-2026.txt:1"]


async def test_quotes_look_for_words_as_they_stand(stream: ToolStream, workspace: Path) -> None:
    (workspace / "a.txt").write_text("the lamp of the desk\n")
    (workspace / "b.txt").write_text("the desk lamp\n")
    assert await found(stream, '"desk lamp"') == ["b.txt:1"]


async def test_a_search_may_be_kept_to_a_folder(stream: ToolStream, workspace: Path) -> None:
    (workspace / "notes").mkdir()
    (workspace / "notes/a.txt").write_text("lamp\n")
    (workspace / "notes2.txt").write_text("lamp\n")
    assert await found(stream, "lamp", path="notes") == ["notes/a.txt:1"]
    assert await found(stream, "lamp desk", path="docs:handbook/lamps") == ["docs:handbook/lamps/care.md:52"]
    assert sorted(await found(stream, "lamp")) == ["docs:handbook/lamps/care.md:52", "notes/a.txt:1", "notes2.txt:1"]


async def test_the_index_follows_the_files(stream: ToolStream, workspace: Path, documents: Path) -> None:
    file = workspace / "a.txt"
    file.write_text("a red lamp\n")
    assert await found(stream, "red") == ["a.txt:1"]
    file.write_text("a blue lamp!\n")
    assert (await found(stream, "red"), await found(stream, "blue")) == ([], ["a.txt:1"])
    moved = documents / "b.txt"
    file.rename(moved)
    assert await found(stream, "blue") == ["docs:handbook/b.txt:1"]
    state = moved.stat()
    moved.write_text("a gold lamp!\n")
    os.utime(moved, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert await found(stream, "gold") == ["docs:handbook/b.txt:1"]


async def test_one_long_file_does_not_push_out_the_others(stream: ToolStream, workspace: Path) -> None:
    (workspace / "long.txt").write_text("lamp lamp\n" * 2000)
    (workspace / "short.txt").write_text("a lamp, and much else that has nothing to do with it\n")
    results = await found(stream, "lamp", path="", limit=10)
    assert sum(result.startswith("long.txt:") for result in results) == 3
    assert "short.txt:1" in results


async def test_files_that_are_no_text_are_left_out(stream: ToolStream, workspace: Path) -> None:
    (workspace / "a.bin").write_bytes(b"gizmo\0gizmo")
    (workspace / "gizmo").symlink_to("/etc/passwd")
    assert await found(stream, "gizmo root") == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"query": "?!"}, "TOOL_ARGUMENTS"),
        ({"query": "lamp", "path": "../x"}, "PATH_OUTSIDE_WORKSPACE"),
        ({"query": "lamp", "path": "docs:other"}, "FILE_NOT_FOUND"),
    ],
)
async def test_a_search_that_makes_no_sense_is_refused(
    stream: ToolStream, arguments: dict[str, Any], reason: str
) -> None:
    done = await stream.run("search.files", arguments)
    assert MeshError.from_status(done.error).reason_name == reason


async def test_many_searches_at_once_agree(stream: ToolStream, workspace: Path) -> None:
    for number in range(50):
        (workspace / f"{number}.txt").write_text(f"lamp {number}\n")
    calls = [stream.call("search.files", {"query": "lamp", "limit": 100}) for _ in range(10)]
    results = [structured(await stream.completion(call))["results"] for call in calls]
    assert len(results[0]) == 51
    assert all(result == results[0] for result in results)


async def test_an_index_that_is_deleted_is_made_again(stream: ToolStream, workspace: Path, tmp_path: Path) -> None:
    (workspace / "a.txt").write_text("lamp\n")
    assert "a.txt:1" in await found(stream, "lamp")
    for file in (tmp_path / "data/search/workspaces").iterdir():
        file.unlink()
    assert "a.txt:1" in await found(stream, "lamp")
