"""Claims on the embedded store: what a claim costs does not grow with the runs there ever were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshwright.store.sqlite import claims
from meshwright.store.sqlite.schema import connect, prepare

if TYPE_CHECKING:
    from pathlib import Path


def test_a_claim_looks_at_open_runs_only(tmp_path: Path) -> None:
    connection = connect(tmp_path / "store.db")
    prepare(connection)
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    assert claims.claim(connection, "somebody", 1) is None
    assert claims.claimable(connection) == 0
    connection.set_trace_callback(None)
    queries = [query for query in asked if "SELECT" in query]
    assert len(queries) == 2
    for query in queries:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
        assert plan[0] == "SCAN runs USING INDEX runs_open", plan
    connection.close()
