"""The file.* tools on real files, through a real server."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from meshwright.v1 import tool_pb2, tool_service_pb2
from tests.support.tool_stream import ToolClient, ToolStream, failure, structured, tool_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


SUCCEEDED = tool_pb2.TOOL_OUTCOME_SUCCEEDED


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "handbook"
    folder.mkdir()
    (folder / "intro.md").write_text("# Welcome\n\nThe lamp costs 39.90.\n")
    return folder


@pytest.fixture
async def tools(tmp_path: Path, documents: Path) -> AsyncIterator[ToolClient]:
    async with tool_server(
        tmp_path, document_folders={"handbook": documents}, workspace_bytes=100_000, workspace_files=20
    ) as client:
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


def files_outside(workspace: Path, folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if workspace not in (file, *file.parents))


async def test_what_is_written_is_read_again(stream: ToolStream, workspace: Path) -> None:
    written = await stream.run("file.write", {"path": "notes/a.txt", "content": "eins\nzwei\n"})
    read = await stream.run("file.read", {"path": "notes/a.txt"})

    assert structured(written) == {"path": "notes/a.txt", "size_bytes": 10, "created": True}
    assert read.result.text == "eins\nzwei\n"
    assert structured(read) == {
        "path": "notes/a.txt",
        "content": "eins\nzwei\n",
        "first_line": 1,
        "last_line": 2,
        "total_lines": 2,
        "size_bytes": 10,
        "truncated": False,
    }
    assert (workspace / "notes/a.txt").read_text() == "eins\nzwei\n"
    assert [file.name for file in (workspace / "notes").iterdir()] == ["a.txt"]


async def test_a_long_file_is_read_in_parts(stream: ToolStream, workspace: Path) -> None:
    lines = [f"line {number} {'x' * 100}\n" for number in range(1, 2001)]
    (workspace / "long.txt").write_text("".join(lines))
    seen, offset = "", 1
    for _ in range(10):
        part = structured(await stream.run("file.read", {"path": "long.txt", "offset": offset}))
        assert part["total_lines"] == 2000
        seen += part["content"]
        offset = part["last_line"] + 1
        if not part["truncated"]:
            break
    assert seen == "".join(lines)


@pytest.mark.parametrize(
    ("content", "arguments", "text"),
    [
        (b"", {}, "[f is empty]"),
        (b"a\nb\nc\n", {"offset": 2, "limit": 1}, "b\n[lines 2 to 2 of 3; go on with offset 3]"),
        (b"a\nb", {"offset": 9}, "[f has 2 lines]"),
        ("\N{BYTE ORDER MARK}marked".encode(), {}, "marked"),
        ("weit".encode("utf-16"), {}, "weit"),
        (b"caf\xe9\n", {}, "caf\ufffd\n"),
        (b"one\r\ntwo\r\n", {}, "one\r\ntwo\r\n"),
    ],
)
async def test_what_reading_gives(
    stream: ToolStream, workspace: Path, content: bytes, arguments: dict[str, Any], text: str
) -> None:
    (workspace / "f").write_bytes(content)
    assert (await stream.run("file.read", {"path": "f", **arguments})).result.text == text


async def test_a_file_that_is_no_text_is_not_read(stream: ToolStream, workspace: Path) -> None:
    (workspace / "picture.png").write_bytes(b"\x89PNG\0\0")
    error = failure(await stream.run("file.read", {"path": "picture.png"}))
    assert error.reason_name == "TOOL_FAILED"
    assert error.metadata == {"tool": "file.read", "path": "picture.png", "size_bytes": "6"}


OUTSIDE = [
    "../secret",
    "notes/../../secret",
    "notes/..",
    "..",
    "/etc/passwd",
    "//etc/passwd",
    "docs:handbook/../../secret",
    "docs:",
    "link_to_file",
    "link_to_folder/secret",
    "link_to_self/a",
]
MISSING = [
    "%2e%2e/secret",
    "..%2fsecret",
    "~/secret",
    "..\\secret",
    "file:///etc/passwd",
    "nothing",
    "plain/below_a_file",
    "docs:other/a",
    "docs:handbook/nothing",
]
MALFORMED = ["a\0b", "a\nb", "n" * 256, "é" * 128, "a/" * 600]
NOT_FILES = ["pipe", "socket", "folder", "", ".", "docs:handbook", "docs:handbook/"]


@pytest.fixture
def traps(tmp_path: Path, workspace: Path) -> None:
    (tmp_path / "data/workspaces/secret").write_text("nobody may see this")
    (workspace / "plain").write_text("plain")
    (workspace / "folder").mkdir()
    (workspace / "link_to_file").symlink_to(tmp_path / "data/workspaces/secret")
    (workspace / "link_to_folder").symlink_to(tmp_path / "data/workspaces")
    (workspace / "link_to_self").symlink_to("link_to_self")
    os.mkfifo(workspace / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(workspace / "socket"))


@pytest.mark.usefixtures("traps")
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        *((path, "PATH_OUTSIDE_WORKSPACE") for path in OUTSIDE),
        *((path, "FILE_NOT_FOUND") for path in MISSING),
        *((path, "TOOL_ARGUMENTS") for path in MALFORMED),
        *((path, "TOOL_FAILED") for path in NOT_FILES),
    ],
    ids=lambda value: repr(value[:40]),
)
async def test_no_path_leads_out_of_the_workspace_or_to_what_is_no_file(
    stream: ToolStream, path: str, reason: str
) -> None:
    done = await stream.run("file.read", {"path": path}, timeout=30)
    assert failure(done).reason_name == reason
    assert "nobody may see this" not in str(done)


@pytest.mark.usefixtures("traps")
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        *((path, "PATH_OUTSIDE_WORKSPACE") for path in OUTSIDE),
        ("docs:handbook/intro.md", "PATH_OUTSIDE_WORKSPACE"),
        ("docs:handbook/new.md", "PATH_OUTSIDE_WORKSPACE"),
        ("", "PATH_OUTSIDE_WORKSPACE"),
        ("plain/below_a_file", "FILE_NOT_FOUND"),
        ("pipe", "TOOL_FAILED"),
        ("folder", "TOOL_FAILED"),
        *((path, "TOOL_ARGUMENTS") for path in MALFORMED),
    ],
    ids=lambda value: repr(value[:40]),
)
async def test_nothing_is_written_outside_the_workspace(
    stream: ToolStream, tmp_path: Path, workspace: Path, path: str, reason: str
) -> None:
    before = files_outside(workspace, tmp_path)
    done = await stream.run("file.write", {"path": path, "content": "changed"})
    assert failure(done).reason_name == reason
    assert files_outside(workspace, tmp_path) == before
    assert (tmp_path / "data/workspaces/secret").read_text() == "nobody may see this"
    assert (workspace / "link_to_file").is_symlink()


async def test_an_edit_changes_the_file_in_place(stream: ToolStream, workspace: Path) -> None:
    (workspace / "a.txt").write_text("the lamp costs 10")
    done = await stream.run("file.edit", {"path": "a.txt", "old_text": "10", "new_text": "12"})
    assert structured(done) == {"path": "a.txt", "replacements": 1, "size_bytes": 17}
    assert (workspace / "a.txt").read_text() == "the lamp costs 12"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "FILE_NOT_FOUND"),
        (b"nothing of it", "TOOL_FAILED"),
        (b"\0old", "TOOL_FAILED"),
        (b"old\xff", "TOOL_FAILED"),
    ],
)
async def test_an_edit_that_cannot_be_done_changes_nothing(
    stream: ToolStream, workspace: Path, content: bytes | None, reason: str
) -> None:
    file = workspace / "a.txt"
    if content is not None:
        file.write_bytes(content)
    done = await stream.run("file.edit", {"path": "a.txt", "old_text": "old", "new_text": "new"})
    assert failure(done).reason_name == reason
    assert (file.read_bytes() if file.exists() else None) == content


async def test_edits_of_one_file_that_come_at_once_are_all_kept(tools: ToolClient, workspace: Path) -> None:
    (workspace / "list.txt").write_text("".join(f"[{number}]" for number in range(20)))
    async with tools.stream() as one, tools.stream() as two:
        calls = [
            (stream, stream.call("file.edit", {"path": path, "old_text": f"[{number}]", "new_text": f"({number})"}))
            for number, (stream, path) in enumerate([(one, "list.txt"), (two, "./list.txt")] * 10)
        ]
        for stream, call in calls:
            assert (await stream.completion(call)).outcome == SUCCEEDED
    assert (workspace / "list.txt").read_text() == "".join(f"({number})" for number in range(20))


async def test_a_folder_is_listed_with_what_is_in_it_and_without_links(
    stream: ToolStream, traps: None, workspace: Path
) -> None:
    (workspace / "folder/inner.txt").write_text("four")
    top = structured(await stream.run("file.list", {}))["entries"]
    deep = await stream.run("file.list", {"path": "folder", "recursive": True})

    assert [entry["path"] for entry in top] == ["docs:handbook/", "folder/", "plain"]
    assert structured(deep)["entries"] == [{"path": "folder/inner.txt", "size_bytes": 4}]
    assert deep.result.text == "folder/inner.txt (4 bytes)"


async def test_a_workspace_that_nobody_wrote_to_is_empty(stream: ToolStream) -> None:
    assert (await stream.run("file.list", {})).result.text == "docs:handbook/"
    assert failure(await stream.run("file.list", {"path": "notes"})).reason_name == "FILE_NOT_FOUND"
    assert structured(await stream.run("file.grep", {"pattern": "a"}))["matches"] == []


async def test_documents_are_read_and_listed_like_files(stream: ToolStream) -> None:
    assert "39.90" in (await stream.run("file.read", {"path": "docs:handbook/intro.md"})).result.text
    listing = structured(await stream.run("file.list", {"path": "docs:handbook"}))
    assert [entry["path"] for entry in listing["entries"]] == ["docs:handbook/intro.md"]


async def test_lines_are_found_by_pattern(stream: ToolStream, workspace: Path) -> None:
    (workspace / "b").mkdir()
    (workspace / "a.md").write_text("Lamp 10\ndesk 20\r\n")
    (workspace / "b/c.txt").write_text("no\nlamp 30 \xe9\n")
    (workspace / "b/d.bin").write_bytes(b"lamp\0")
    exact = structured(await stream.run("file.grep", {"pattern": r"^lamp \d+"}))
    loose = await stream.run("file.grep", {"pattern": "LAMP|20$", "ignore_case": True})
    named = structured(await stream.run("file.grep", {"pattern": "lamp", "glob": "*.md", "ignore_case": True}))
    documents = structured(await stream.run("file.grep", {"pattern": r"[\d.]+", "path": "docs:handbook/intro.md"}))

    assert exact["matches"] == [{"path": "b/c.txt", "line": 2, "text": "lamp 30 é"}]
    assert loose.result.text == "a.md:1: Lamp 10\na.md:2: desk 20\nb/c.txt:2: lamp 30 é"
    assert [match["path"] for match in named["matches"]] == ["a.md"]
    assert documents["matches"] == [{"path": "docs:handbook/intro.md", "line": 3, "text": "The lamp costs 39.90."}]


@pytest.mark.parametrize("pattern", ["(", "(?=a)", r"\1", "a{2000}{2000}"])
async def test_a_pattern_that_is_none_is_refused(stream: ToolStream, pattern: str) -> None:
    error = failure(await stream.run("file.grep", {"pattern": pattern}))
    assert error.reason_name == "TOOL_ARGUMENTS"
    assert [violation.field for violation in error.violations] == ["arguments.pattern"]


async def test_a_hostile_pattern_takes_no_longer_than_a_kind_one(stream: ToolStream, workspace: Path) -> None:
    (workspace / "a").write_text("a" * 100_000 + "!")
    done = await stream.run("file.grep", {"pattern": "(a+)+$"}, timeout=30)
    assert done.outcome == SUCCEEDED


async def test_a_full_workspace_takes_no_more_and_less_is_always_fine(stream: ToolStream) -> None:
    big = {"path": "big", "content": "x" * 90_000}
    assert (await stream.run("file.write", big)).outcome == SUCCEEDED
    refused = failure(await stream.run("file.write", {"path": "more", "content": "x" * 20_000}))
    smaller = await stream.run("file.write", {**big, "content": "x"})
    then = await stream.run("file.write", {"path": "more", "content": "x" * 20_000})

    assert refused.reason_name == "QUOTA_EXCEEDED"
    assert refused.metadata == {"quota": "workspace_bytes", "limit": "100000"}
    assert smaller.outcome == then.outcome == SUCCEEDED


async def test_a_workspace_has_so_many_files_and_folders(stream: ToolStream) -> None:
    outcomes = [(await stream.run("file.write", {"path": f"f{n}", "content": ""})).outcome for n in range(21)]
    assert outcomes[:20] == [SUCCEEDED] * 20
    assert outcomes[20] == tool_pb2.TOOL_OUTCOME_FAILED


async def test_sessions_do_not_see_one_another(tools: ToolClient) -> None:
    async with tools.stream("ses_1") as mine, tools.stream("ses_2") as other:
        await mine.run("file.write", {"path": "a.txt", "content": "mine"})
        assert failure(await other.run("file.read", {"path": "a.txt"})).reason_name == "FILE_NOT_FOUND"


async def test_deleting_a_workspace_leaves_the_others_and_may_be_repeated(tools: ToolClient, tmp_path: Path) -> None:
    for session_id in ("ses_1", "ses_2"):
        async with tools.stream(session_id) as stream:
            await stream.run("file.write", {"path": "a.txt", "content": "lamp"})
            await stream.run("search.files", {"query": "lamp"})
    for _ in range(2):
        await tools.stub.DeleteWorkspace(tool_service_pb2.DeleteWorkspaceRequest(session_id="ses_1"))

    left = {str(file.relative_to(tmp_path / "data")) for file in (tmp_path / "data").rglob("*") if file.is_file()}
    assert not any("ses_1" in file for file in left)
    assert "workspaces/ses_2/a.txt" in left
