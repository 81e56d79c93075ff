"""search.files."""

from __future__ import annotations

import re
from collections import Counter
from operator import itemgetter
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
    from collections.abc import Iterator

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
    found = [await call.session.search.search(call, place, expression, MAX_PASSAGES) for place in places]
    taken = _best(found, args.limit)
    text = "\n\n".join(f"{found.path}:{found.line}\n{found.snippet}" for found in taken)
    return Output(text=text or "Nothing was found.", structured=SearchResult(results=taken))


def _best(found: list[list[Hit]], limit: int) -> list[Found]:
    """The best of every folder in turn: scores of different indexes do not compare, ranks do."""
    ranked = [(rank, hit) for hits in found for rank, hit in enumerate(_fair(hits))]
    ranked.sort(key=itemgetter(0))
    return [Found(path=hit.path, line=hit.line, snippet=hit.snippet) for _, hit in ranked[:limit]]


def _fair(hits: list[Hit]) -> Iterator[Hit]:
    """Some passages of each file, and one for its name alone where there is no better one."""
    with_text = {hit.path for hit in hits if not hit.by_name}
    count: Counter[str] = Counter()
    for hit in hits:
        if hit.by_name and hit.path in with_text:
            continue
        count[hit.path] += 1
        if count[hit.path] <= PASSAGES_OF_A_FILE:
            yield hit


def match_expression(query: str) -> str:
    """The query as an FTS5 expression: any of its words and phrases. Raises TOOL_ARGUMENTS when it has none."""
    phrases = [" ".join(WORD.findall(phrase or word)) for phrase, word in TERM.findall(query)]
    terms = [f'"{phrase}"' for phrase in phrases if phrase]
    if not terms:
        raise invalid_arguments("search.files", [Violation("arguments.query", "must contain a word")])
    return " OR ".join(terms[:MAX_TERMS])
