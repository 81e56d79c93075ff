"""search.files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from meshwright.serving.errors import Violation
from meshwright.tools.arguments import Arguments, invalid_arguments
from meshwright.tools.context import CallContext
from meshwright.tools.output import Output
from meshwright.tools.paths import PathText
from meshwright.tools.tool import Annotations, tool
from meshwright.tools.workspaces import Place

if TYPE_CHECKING:
    from meshwright.tools.search_index import Hit

MAX_TERMS = 32
MAX_PASSAGES = 300
"""Of each folder, before those are left out that are too many for their file."""
PASSAGES_OF_A_FILE = 3
"""At most, so that one long file does not push out the others."""
TERM = re.compile(r'"([^"]+)"|(\S+)')
WORD = re.compile(r"\w+")


class SearchArguments(Arguments):
    """Arguments of search.files."""

    query: str = Field(
        min_length=1,
        max_length=1024,
        description='Words to look for, in any form and order; "several words" in quotes are looked for as they stand.',
    )
    path: PathText = Field(
        default="",
        description="Folder to search, such as notes or docs:handbook. Leave it out for the workspace and all documents.",
    )
    limit: int = Field(default=10, ge=1, le=100, description="How many passages at most.")


class Found(BaseModel):
    """A passage that was found."""

    path: str = Field(description="The file.")
    line: int = Field(description="Number of its best line, from 1.")
    snippet: str = Field(description="That line with those around it.")


class SearchResult(BaseModel):
    """Passages that were found."""

    results: list[Found] = Field(description="The best first.")


@tool("search.files", Annotations(read_only=True, idempotent=True, default_timeout=60.0))
async def search_files(args: SearchArguments, call: CallContext) -> Output[SearchResult]:
    """Finds passages of the workspace's files and of the documents by what they say, the best first. Read on around a
    passage with file.read. To find an exact text or pattern, use file.grep."""
    expression = match_expression(args.query)
    files = call.session.files
    places = [files.place(args.path)]
    if not args.path:
        places += [Place(root, ()) for root in files.documents.values()]
    hits = [
        hit
        for place in places
        for hit in await call.session.search.search(call, place, expression, MAX_PASSAGES)
    ]
    taken = _best(hits, args.limit)
    text = "\n\n".join(f"{found.path}:{found.line}\n{found.snippet}" for found in taken)
    return Output(text=text or "Nothing was found.", structured=SearchResult(results=taken))


def _best(hits: list[Hit], limit: int) -> list[Found]:
    taken: list[Found] = []
    for hit in sorted(hits, key=lambda hit: hit.score):
        if len(taken) == limit:
            break
        if sum(found.path == hit.path for found in taken) < PASSAGES_OF_A_FILE:
            taken.append(Found(path=hit.path, line=hit.line, snippet=hit.snippet))
    return taken


def match_expression(query: str) -> str:
    """The query as an FTS5 expression: any of its words and phrases. Raises TOOL_ARGUMENTS when it has none."""
    phrases = [" ".join(WORD.findall(phrase or word)) for phrase, word in TERM.findall(query)]
    terms = [f'"{phrase}"' for phrase in phrases if phrase]
    if not terms:
        raise invalid_arguments("search.files", [Violation("arguments.query", "must contain a word")])
    return " OR ".join(terms[:MAX_TERMS])
