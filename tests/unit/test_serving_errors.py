"""Errors travel whole, small and typed."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.struct_pb2 import Struct
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode
from hypothesis import example, given
from hypothesis import strategies as st

from meshwright.serving.errors import DOMAIN, MeshError, Quota, Violation
from meshwright.serving.reasons import CODES_BY_NUMBER, STATUS_CODES, reason_by_name, reason_name
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.error_reason_pb2 import ErrorReason

PROTO = Path(__file__).parents[2] / "protos/meshwright/v1/error_reason.proto"
SENT = [value for value in ErrorReason.values() if value != reasons.ERROR_REASON_UNSPECIFIED]


def promised_codes() -> dict[str, str]:
    """The code that the comment of each value in error_reason.proto promises, by value name."""
    codes = "|".join(code.name for code in StatusCode)
    promises = {}
    comment = ""
    for line in PROTO.read_text().splitlines():
        if text := re.match(r"\s*//(.*)", line):
            comment += text[1]
        elif value := re.match(r"\s*(ERROR_REASON_\w+) = ", line):
            found = re.search(rf"[.] ?({codes})\b(?!\")", comment.split("Example:")[0])
            promises[value[1]] = found[1] if found else ""
            comment = ""
        else:
            comment = ""
    return promises


def test_every_reason_has_the_code_that_the_contract_promises() -> None:
    promises = promised_codes()
    for reason in SENT:
        assert STATUS_CODES[reason].name == promises[ErrorReason.Name(reason)]
    assert len(STATUS_CODES) == len(SENT)


@pytest.mark.parametrize("reason", SENT, ids=reason_name)
def test_every_reason_survives_the_way_to_the_caller(reason: ErrorReason.ValueType) -> None:
    error = MeshError(reason, "It went wrong.", metadata={"count": 2, "final": True, "name": "x"})
    back = MeshError.from_status(error.to_status())
    assert (back.reason, back.code, back.message) == (reason, STATUS_CODES[reason], "It went wrong.")
    assert back.metadata == {"count": "2", "final": "true", "name": "x"}
    assert back.retry_after == error.retry_after
    assert reason_by_name(error.reason_name) == reason


def details_of(status: status_pb2.Status) -> list[str]:
    return [packed.TypeName() for packed in status.details]


def test_exactly_one_error_info_and_only_the_details_that_are_due() -> None:
    plain = MeshError(reasons.ERROR_REASON_RUN_NOT_FOUND, "No such run.").to_status()
    assert details_of(plain) == ["google.rpc.ErrorInfo"]
    quota = MeshError(reasons.ERROR_REASON_QUOTA_EXCEEDED, "Too many runs.", quota=Quota("concurrent_runs", 10))
    assert details_of(quota.to_status()) == ["google.rpc.ErrorInfo", "google.rpc.RetryInfo", "google.rpc.QuotaFailure"]
    assert quota.metadata == {"quota": "concurrent_runs", "limit": "10"}
    assert MeshError.from_status(quota.to_status()).quota == Quota("concurrent_runs", 10, "concurrent_runs")
    fields = MeshError.invalid_fields([("start_run.task", "must not be empty"), Violation("labels[a]", "is too long")])
    assert details_of(fields.to_status()) == ["google.rpc.ErrorInfo", "google.rpc.BadRequest"]
    assert fields.metadata == {"count": "2"}
    assert "start_run.task must not be empty" in fields.message


@pytest.mark.parametrize(
    ("reason", "given_seconds", "sent"),
    [
        (reasons.ERROR_REASON_UNAVAILABLE, None, 1.0),
        (reasons.ERROR_REASON_NO_BROWSER_AVAILABLE, None, 1.0),
        (reasons.ERROR_REASON_MODEL_RATE_LIMITED, 20.5, 20.5),
        (reasons.ERROR_REASON_MESSAGE_TOO_LARGE, None, None),
        (reasons.ERROR_REASON_RUN_NOT_FOUND, None, None),
    ],
)
def test_retry_info_goes_where_a_retry_can_help(
    reason: ErrorReason.ValueType, given_seconds: float | None, sent: float | None
) -> None:
    error = MeshError(reason, "Later.", retry_after=given_seconds)
    assert MeshError.from_status(error.to_status()).retry_after == sent


@example(message="ä€𐍈" * 2000, metadata={}, violations=[])
@example(message="x", metadata={f"key{n}": "€" * 500 for n in range(16)}, violations=[("€" * 400, "€" * 400)] * 100)
@given(
    message=st.text(alphabet=st.characters(), max_size=4000),
    metadata=st.dictionaries(st.text(max_size=80), st.text(alphabet=st.characters(), max_size=2000), max_size=40),
    violations=st.lists(st.tuples(st.text(max_size=400), st.text(max_size=400)), max_size=100),
)
def test_an_error_of_any_size_fits_a_trailer(
    message: str, metadata: dict[str, str], violations: list[tuple[str, str]]
) -> None:
    status = MeshError(
        reasons.ERROR_REASON_INVALID_FIELDS, message, metadata=metadata, violations=violations
    ).to_status()
    assert status.ByteSize() * 4 / 3 + len(quote(status.message, safe=" ")) < 8000
    assert MeshError.from_status(status).reason == reasons.ERROR_REASON_INVALID_FIELDS


def test_lone_surrogates_do_not_break_an_error() -> None:
    error = MeshError(reasons.ERROR_REASON_FILE_NOT_FOUND, "No \udcff.", metadata={"path": "\ud800"})
    assert error.to_status().message == "No ?."
    assert error.metadata == {"path": "?"}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (StatusCode.UNAVAILABLE, reasons.ERROR_REASON_UNAVAILABLE),
        (StatusCode.RESOURCE_EXHAUSTED, reasons.ERROR_REASON_UNAVAILABLE),
        (StatusCode.DEADLINE_EXCEEDED, reasons.ERROR_REASON_DEADLINE_EXCEEDED),
        (StatusCode.UNIMPLEMENTED, reasons.ERROR_REASON_NOT_IMPLEMENTED),
        (StatusCode.UNAUTHENTICATED, reasons.ERROR_REASON_UNAUTHENTICATED),
        (StatusCode.UNKNOWN, reasons.ERROR_REASON_INTERNAL),
        (StatusCode.NOT_FOUND, reasons.ERROR_REASON_INTERNAL),
    ],
)
def test_a_status_of_a_stranger_becomes_ours_without_its_text(code: StatusCode, reason: ErrorReason.ValueType) -> None:
    error = MeshError.from_status(
        status_pb2.Status(code=code.value[0], message="password=hunter2"), service="meshwright.v1.ToolService"
    )
    assert (error.reason, error.code) == (reason, STATUS_CODES[reason])
    assert "hunter2" not in str(error.to_status())
    assert error.metadata == {"service": "meshwright.v1.ToolService"}


def foreign_details() -> list[status_pb2.Status]:
    other_domain, unknown_reason, other_detail = Any(), Any(), Any()
    other_domain.Pack(error_details_pb2.ErrorInfo(reason="RUN_NOT_FOUND", domain="example.com"))
    unknown_reason.Pack(error_details_pb2.ErrorInfo(reason="NOT_YET_INVENTED", domain=DOMAIN))
    other_detail.Pack(Struct())
    torn = Any(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff\xff")
    return [status_pb2.Status(code=14, details=[d]) for d in (other_domain, unknown_reason, other_detail, torn)]


@pytest.mark.parametrize("status", foreign_details())
def test_details_that_are_not_of_this_contract_fall_back_to_the_code(status: status_pb2.Status) -> None:
    assert MeshError.from_status(status).reason == reasons.ERROR_REASON_UNAVAILABLE


def rpc_error(code: StatusCode, details: bytes | None) -> grpc.aio.AioRpcError:
    trailing = grpc.aio.Metadata() if details is None else grpc.aio.Metadata(("grpc-status-details-bin", details))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, "secret", None)


def test_a_failed_call_hands_on_the_error_behind_it() -> None:
    stale = MeshError(reasons.ERROR_REASON_STALE_REF, "Take a new snapshot.", metadata={"ref": "e12"})
    error = MeshError.from_rpc_error(rpc_error(stale.code, stale.to_status().SerializeToString()))
    assert (error.reason, error.message, error.metadata) == (stale.reason, stale.message, {"ref": "e12"})


@pytest.mark.parametrize("details", [None, b"\xff\xff\xff"])
def test_a_failed_call_without_readable_details_is_typed_all_the_same(details: bytes | None) -> None:
    error = MeshError.from_rpc_error(rpc_error(StatusCode.UNAVAILABLE, details))
    assert error.reason == reasons.ERROR_REASON_UNAVAILABLE
    assert "secret" not in error.message


@pytest.mark.parametrize(
    ("details", "reason"),
    [("Internal error from Core", reasons.ERROR_REASON_UNAVAILABLE), ("a defect", reasons.ERROR_REASON_INTERNAL)],
)
def test_a_call_that_ended_as_something_was_to_be_sent_is_no_defect_of_the_peer(
    details: str, reason: reasons.ErrorReason.ValueType
) -> None:
    """grpc.aio makes a status of its own then."""
    ended = grpc.aio.AioRpcError(StatusCode.INTERNAL, grpc.aio.Metadata(), grpc.aio.Metadata(), details, None)
    assert MeshError.from_rpc_error(ended).reason == reason


def test_status_codes_are_found_by_their_number() -> None:
    assert CODES_BY_NUMBER[5] is StatusCode.NOT_FOUND
