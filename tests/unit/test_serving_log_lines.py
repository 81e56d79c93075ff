"""How loud the line of a call is."""

from __future__ import annotations

import pytest
from grpc import StatusCode
from structlog.testing import capture_logs

from meshwright.serving.calls import Call
from meshwright.serving.observer import Observer


@pytest.mark.parametrize(
    ("code", "elsewhere", "level"),
    [
        (StatusCode.OK, False, "info"),
        (StatusCode.RESOURCE_EXHAUSTED, False, "info"),
        (StatusCode.RESOURCE_EXHAUSTED, True, "debug"),
        (StatusCode.UNAVAILABLE, True, "warning"),
        (StatusCode.INTERNAL, False, "warning"),
    ],
)
def test_faults_are_loud_and_who_is_sent_on_to_another_replica_is_quiet(
    code: StatusCode, elsewhere: bool, level: str
) -> None:
    call, observer = Call("/a.B/C", "r1"), Observer()
    with capture_logs() as lines:
        observer.begin(call)
        observer.end(call, code, elsewhere=elsewhere)
    assert [(line["event"], line["log_level"]) for line in lines] == [("rpc", level)]
