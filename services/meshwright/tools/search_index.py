"""A full-text index of one folder, kept up to date by what its files look like from outside. Everything here blocks."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from meshwright.serving.errors import MeshError
from meshwright.tools.files.text import encoding_of, split_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meshwright.tools.file_root import Entry, FileRoot
    from meshwright.tools.threads import Job

MAX_FILE_BYTES = 4 * 1024 * 1024
"""Larger files are not searched."""
PASSAGE_LINES = 30
PASSAGE_CHARS = 2000
MAX_LINE_CHARS = 2000
MAX_SNIPPET_CHARS = 400
COMMIT_FILES = 200
"""After so many files their index is kept, so that a search that runs out of time does not start over the next time."""
BUSY_SECONDS = 5.0
NAME_WEIGHT, TEXT_WEIGHT = 4.0, 1.0
MARK = "\x02"

SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, modified_ns INTEGER NOT NULL, size INTEGER NOT NULL,
    first_passage INTEGER NOT NULL, end_passage INTEGER NOT NULL
) WITHOUT ROWID;
CREATE VIRTUAL TABLE IF NOT EXISTS passages USING fts5 (
    path UNINDEXED, first_line UNINDEXED, name, text, tokenize = 'porter unicode61 remove_diacritics 2'
);
"""
FIND = f"""
SELECT path, first_line, highlight(passages, 3, '{MARK}', '')
FROM passages WHERE passages MATCH :expression AND (path = :path OR substr(path, 1, length(:below)) = :below)
ORDER BY bm25(passages, 0, 0, {NAME_WEIGHT}, {TEXT_WEIGHT}) LIMIT :limit
"""  # noqa: S608 (constants)


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found."""

    path: str
    line: int
    snippet: str
    by_name: bool
    """The file's name matches, and nothing in the passage does."""


class SearchIndex:
    """The index of `root` in the SQLite file `database`. One user at a time."""

    def __init__(self, root: FileRoot, database: Path) -> None:
        self._root = root
        self._database = database

    def search(self, expression: str, parts: tuple[str, ...], limit: int, job: Job) -> list[Hit]:
        """The passages below `parts` that match the FTS5 expression, as the folder is now, the best first."""
        path = self._root.shown(parts)
        below = f"{path}/" if parts else ""
        with closing(self._connect()) as connection:
            self._refresh(connection, job)
            found = {"expression": expression, "path": path, "below": below, "limit": limit}
            rows = connection.execute(FIND, found).fetchall()
        return [_hit(path, first_line, marked) for path, first_line, marked in rows]

    def _connect(self) -> sqlite3.Connection:
        self._database.parent.mkdir(0o700, parents=True, exist_ok=True)
        connection = sqlite3.connect(self._database, timeout=BUSY_SECONDS)
        connection.execute("PRAGMA journal_mode = WAL")
        # Safe with WAL; what a power cut loses is indexed again.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(SCHEMA)
        return connection

    def _refresh(self, connection: sqlite3.Connection, job: Job) -> None:
        known = {path: state for path, *state in connection.execute("SELECT path, modified_ns, size FROM files")}
        changed = [
            entry
            for entry in self._files(job)
            if known.pop(self._root.shown(entry.parts), None) != [entry.modified_ns, entry.size]
        ]
        for path in known:
            _forget(connection, path)
        for number, entry in enumerate(changed):
            job.check(f"Indexed {number} of {len(changed)} files", number / len(changed))
            self._index(connection, entry)
            if number % COMMIT_FILES == 0:
                connection.commit()
        connection.commit()

    def _files(self, job: Job) -> Iterator[Entry]:
        for entry in self._root.entries((), recursive=True):
            job.check()
            if not entry.is_folder:
                yield entry

    def _index(self, connection: sqlite3.Connection, entry: Entry) -> None:
        path = self._root.shown(entry.parts)
        _forget(connection, path)
        [first] = connection.execute("SELECT coalesce(max(rowid), 0) + 1 FROM passages").fetchone()
        pieces = list(passages(self._text(entry))) or [(1, "")]
        # The name stands with the first passage only: it says nothing about the others.
        names = [name_words(path), *[""] * (len(pieces) - 1)]
        rows = [
            (first + number, path, line, name, text)
            for number, (name, (line, text)) in enumerate(zip(names, pieces, strict=True))
        ]
        connection.executemany(
            "INSERT INTO passages (rowid, path, first_line, name, text) VALUES (?, ?, ?, ?, ?)", rows
        )
        state = (path, entry.modified_ns, entry.size, first, first + len(rows))
        connection.execute("INSERT INTO files VALUES (?, ?, ?, ?, ?)", state)

    def _text(self, entry: Entry) -> str:
        try:
            data = self._root.read(entry.parts, MAX_FILE_BYTES)
        except MeshError:
            # Too large, not for us to read, or gone since it was listed.
            return ""
        encoding = encoding_of(data)
        return data.decode(encoding, "replace") if encoding else ""


def passages(text: str) -> Iterator[tuple[int, str]]:
    """The text in pieces of some lines, each with the number of its first line."""
    first, size = 1, 0
    piece: list[str] = []
    for number, line in enumerate(split_lines(text, "\n", "\r"), 1):
        kept = line[:MAX_LINE_CHARS].replace(MARK, " ")
        if piece and (len(piece) == PASSAGE_LINES or size + len(kept) > PASSAGE_CHARS):
            yield first, "\n".join(piece)
            piece, first, size = [], number, 0
        piece.append(kept)
        size += len(kept)
    if piece:
        yield first, "\n".join(piece)


def name_words(path: str) -> str:
    """The path as words, so that a file is found by its name too."""
    return " ".join(re.findall(r"[^\W_]+", path))


def _forget(connection: sqlite3.Connection, path: str) -> None:
    # By number, because the index cannot find passages by path without reading all of them.
    for passages_of in connection.execute(
        "SELECT first_passage, end_passage FROM files WHERE path = ?", (path,)
    ).fetchall():
        connection.execute("DELETE FROM passages WHERE rowid >= ? AND rowid < ?", passages_of)
    connection.execute("DELETE FROM files WHERE path = ?", (path,))


def _hit(path: str, first_line: int, marked: str) -> Hit:
    lines = marked.split("\n")
    best = max(range(len(lines)), key=lambda number: lines[number].count(MARK))
    around = lines[max(0, best - 1) : best + 2]
    snippet = "\n".join(around).replace(MARK, "").strip()
    return Hit(path, first_line + best, snippet[:MAX_SNIPPET_CHARS], by_name=MARK not in marked)
