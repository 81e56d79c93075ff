"""The programs of docs/sdk.md are run as they stand there, against a mesh."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from meshwright import Mesh
from tests.support.agent_process import agent_process

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "sdk.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def pieces() -> list[str]:
    """Those that go into an asynchronous function; the sync ones are programs of another kind."""
    return [
        block for block in BLOCK.findall(PAGE.read_text()) if "asyncio.run" not in block and "SyncMesh" not in block
    ]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with agent_process(tmp_path_factory.mktemp("agent")) as running:
        yield running


async def test_every_piece_of_the_documentation_works(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "downloads").mkdir()
    assert len(pieces()) >= 7
    async with Mesh(address) as mesh:
        names: dict[str, object] = {"mesh": mesh}
        for number, piece in enumerate(pieces()):
            code = compile(piece, f"{PAGE.name}, piece {number + 1}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            result = eval(code, names)  # noqa: S307  # our own documentation
            if inspect.isawaitable(result):
                await result
    assert "SESSION_NOT_FOUND" in capsys.readouterr().out
