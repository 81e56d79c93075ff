"""The example in docs/tools.md works as it stands there."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from meshwright.agent.delegate_tool import NAME
from meshwright.tools.catalogue import catalogue
from meshwright.tools.settings import ToolSettings
from meshwright.v1 import tool_pb2, tool_service_pb2
from tests.support.tool_stream import structured, tool_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meshwright.tools.tool import Tool

DOCS = (Path(__file__).parents[2] / "docs/tools.md").read_text()


@pytest.fixture
def example() -> Iterator[Tool]:
    """The tool of the page's only Python block, defined in a module as a reader would."""
    [source] = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
    module = ModuleType("example_of_the_docs")
    sys.modules[module.__name__] = module
    exec(source, module.__dict__)  # noqa: S102 (our own documentation)
    yield module.count_words
    del sys.modules[module.__name__]


async def test_the_example_of_the_docs_is_a_tool(tmp_path: Path, example: Tool) -> None:
    async with tool_server(tmp_path, [example]) as client, client.stream() as stream:
        listed = await client.stub.ListTools(tool_service_pb2.ListToolsRequest())
        done = await stream.run("text.count_words", {"text": "one two three"})

    assert [tool.description for tool in listed.tools] == ["Counts the words of a text."]
    assert done.outcome == tool_pb2.TOOL_OUTCOME_SUCCEEDED
    assert structured(done) == {"words": 3}


def test_every_tool_is_in_the_docs_and_no_other() -> None:
    table = DOCS.partition("## The tools")[2].partition("## Adding one")[0]
    named = set(re.findall(r"`([a-z]+\.[a-z_]+)`", table))
    assert named == {NAME} | {tool.name for tool in catalogue(ToolSettings.load(browser_evaluate=True))}
