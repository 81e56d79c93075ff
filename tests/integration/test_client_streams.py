"""Streams of the SDK against a server that breaks off, repeats itself, leaves out, falls silent and sends away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.rpc import code_pb2

from meshwright.client import (
    Gap,
    InternalError,
    InvalidArgument,
    Mesh,
    MeshError,
    NotFound,
    ResourceExhausted,
    RunFinished,
    TextDelta,
    Unavailable,
    UnknownEvent,
    feed,
)
from meshwright.client.request_id import derived_request_id
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.event_pb2 import Event as ProtoEvent
from meshwright.v1.event_pb2 import EventKind
from meshwright.v1.run_pb2 import Run, RunOutcome, RunState
from meshwright.v1.stream_pb2 import GoingAway, Heartbeat
from tests.support.scripted_agent import (
    ATTACHED,
    PROXY_ERROR,
    RUN,
    SESSION,
    TOO_SLOW,
    UNAVAILABLE,
    Heard,
    Refuse,
    Silence,
    Step,
    accepted,
    events,
    finished,
    queued,
    scripted_agent,
    text,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meshwright.client import Event

CAUGHT_UP_AT_2 = pb.ConverseResponse(caught_up=pb.CaughtUp(cursor=2))
GOING_AWAY = pb.ConverseResponse(going_away=GoingAway(cursor=2))
GAP = pb.ConverseResponse(gap=pb.Gap(after_sequence=0, first_available_sequence=4))


async def watch(*streams: Sequence[Step], count: int) -> tuple[list[int], list[int]]:
    """The sequences of so many events of a session, and the cursors with which the streams were opened."""
    async with scripted_agent(*streams) as agent, Mesh(agent.address) as mesh:
        await mesh.agent()
        following = mesh.session(SESSION).events()
        got = [(await anext(following)).sequence for _ in range(count)]
        assert following.cursor == got[-1]
        await following.aclose()
        return got, agent.cursors


@pytest.mark.parametrize(
    ("end", "because"),
    [
        (UNAVAILABLE, "the mesh shuts down"),
        (PROXY_ERROR, "a proxy lost the mesh"),
        (TOO_SLOW, "the reader was too slow"),
        (Refuse(code_pb2.INTERNAL), "a proxy reset the stream"),
        (Refuse(code_pb2.CANCELLED), "somebody on the way gave the stream up"),
        (GOING_AWAY, "the mesh sends everybody away"),
        (None, "the stream just ended"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
async def test_a_stream_goes_on_after_its_cursor_when(end: Step | None, because: str) -> None:
    first: list[Step] = [ATTACHED, texts(1, 2)]
    if end is not None:
        first.append(end)
    got, cursors = await watch(first, [ATTACHED, texts(3), Silence()], count=3)
    assert got == [1, 2, 3], because
    assert cursors == [0, 2], because


async def test_events_that_come_again_are_shown_once() -> None:
    got, _ = await watch([texts(1, 2), texts(2, 3), texts(3), texts(1, 2, 3, 4), Silence()], count=4)
    assert got == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "hole",
    [texts(4), events(text(3), text(5)), pb.ConverseResponse(heartbeat=Heartbeat(cursor=5))],
    ids=["before a frame", "inside a frame", "before a heartbeat"],
)
async def test_left_out_events_are_asked_for_again(hole: pb.ConverseResponse) -> None:
    got, cursors = await watch([texts(1, 2), hole, Silence()], [texts(3, 4), Silence()], count=4)
    assert got == [1, 2, 3, 4]
    assert cursors == [0, 2]


async def test_events_that_are_left_out_again_are_an_error_and_not_a_loop() -> None:
    with pytest.raises(InternalError, match="left out events after sequence 2"):
        await watch([texts(1, 2), texts(5)], [texts(5)], count=3)


async def test_a_filtered_stream_may_have_holes_and_keeps_its_filter() -> None:
    heartbeat = pb.ConverseResponse(heartbeat=Heartbeat(cursor=9))
    streams: list[list[Step]] = [[texts(3), texts(7), heartbeat, UNAVAILABLE], [texts(12), Silence()]]
    async with scripted_agent(*streams) as agent, Mesh(agent.address) as mesh:
        following = mesh.session(SESSION).events(kinds=(TextDelta,), exclude=(RunFinished,))
        assert [(await anext(following)).sequence for _ in range(3)] == [3, 7, 12]
        assert agent.cursors == [0, 9]
        for request in agent.filters:
            assert list(request.filter.kinds) == [EventKind.EVENT_KIND_TEXT_DELTA]
            assert list(request.filter.excluded_kinds) == [EventKind.EVENT_KIND_RUN_FINISHED]
        await following.aclose()


async def test_a_silent_connection_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "SILENCE_SECONDS", 1.0)
    got, cursors = await watch([texts(1, 2), CAUGHT_UP_AT_2, Silence()], [texts(3), Silence()], count=3)
    assert got == [1, 2, 3]
    assert cursors == [0, 2]


async def test_trimmed_events_are_told_and_not_hidden() -> None:
    async with scripted_agent([GAP, texts(4, 5), Silence()]) as agent, Mesh(agent.address) as mesh:
        following = mesh.session(SESSION).events()
        gap = await anext(following)
        assert isinstance(gap, Gap)
        assert (gap.after_sequence, gap.sequence) == (0, 3)
        assert following.cursor == 3
        assert [(await anext(following)).sequence for _ in range(2)] == [4, 5]
        await following.aclose()


@pytest.mark.parametrize(
    ("refusal", "raised"),
    [
        (Refuse(code_pb2.NOT_FOUND, "SESSION_NOT_FOUND"), NotFound),
        (Refuse(code_pb2.INVALID_ARGUMENT, "INVALID_FIELDS"), InvalidArgument),
        (Refuse(code_pb2.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED"), ResourceExhausted),
        (Refuse(code_pb2.INTERNAL, "INTERNAL"), InternalError),
    ],
)
async def test_what_the_mesh_refuses_is_not_asked_again(refusal: Refuse, raised: type[MeshError]) -> None:
    async with scripted_agent([texts(1), refusal]) as agent, Mesh(agent.address) as mesh:
        following = mesh.session(SESSION).events()
        await anext(following)
        with pytest.raises(raised) as error:
            await anext(following)
        assert error.value.reason == refusal.reason
        assert agent.cursors == [0]


async def test_a_mesh_that_stays_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "PATIENCE_SECONDS", 0.5)
    with pytest.raises(Unavailable):
        await watch([texts(1), UNAVAILABLE], [UNAVAILABLE], count=2)


async def test_kinds_of_a_newer_mesh_are_kept() -> None:
    newer = ProtoEvent(session_id=SESSION, sequence=1)
    async with scripted_agent([events(newer), Silence()]) as agent, Mesh(agent.address) as mesh:
        event = await anext(mesh.session(SESSION).events())
        assert isinstance(event, UnknownEvent)
        assert event.proto == newer


async def follow_task(*streams: Sequence[Step], run: Run | None = None) -> tuple[list[Event], list[list[str]]]:
    """The events of a task in a new session, and what each stream was told."""
    async with scripted_agent(*streams) as agent, Mesh(agent.address) as mesh:
        if run is not None:
            agent.run = run
        got = [event async for event in mesh.run("go", request_id="r1")]
        told = [
            [
                f"{request.WhichOneof('command')} {request.start.session_id or request.command_id}"
                for request in stream
                if not request.HasField("close")
            ]
            for stream in agent.commands
        ]
        return got, told


async def test_a_task_whose_stream_breaks_before_its_receipt_is_given_again_under_the_same_id() -> None:
    got, told = await follow_task(
        [Heard(2), UNAVAILABLE],
        [ATTACHED, Heard(2), events(queued(1)), UNAVAILABLE],
        [ATTACHED, Heard(2), accepted("r1"), texts(2), UNAVAILABLE],
        [ATTACHED, events(text(2), finished(3)), Silence()],
    )
    assert [event.sequence for event in got] == [1, 2, 3]
    assert told == [
        [f"start {derived_request_id('r1')}", "start_run r1"],
        [f"start {derived_request_id('r1')}", "start_run r1"],
        ["start ses_1", "start_run r1"],
        ["start ses_1"],
    ]


async def test_events_of_other_runs_are_not_shown() -> None:
    frames = [ATTACHED, events(text(1, "run_0"), queued(2)), accepted("r1"), events(text(3, "run_0"), finished(4))]
    got, _ = await follow_task([*frames, Silence()])
    assert [(event.sequence, event.run_id) for event in got] == [(2, RUN), (4, RUN)]


async def test_the_end_of_a_run_is_known_even_when_it_was_trimmed() -> None:
    run = Run(
        run_id=RUN,
        session_id=SESSION,
        state=RunState.RUN_STATE_FINISHED,
        outcome=RunOutcome.RUN_OUTCOME_COMPLETED,
        answer="done",
        finish_sequence=3,
    )
    got, _ = await follow_task([ATTACHED, accepted("r1"), GAP, texts(4), Silence()], run=run)
    assert isinstance(got[0], Gap)
    assert isinstance(got[-1], RunFinished)
    assert (got[-1].answer, got[-1].sequence) == ("done", 3)


async def test_a_stream_is_closed_in_good_order() -> None:
    async with scripted_agent([ATTACHED, accepted("r1"), events(finished(1)), Silence()]) as agent:
        async with Mesh(agent.address) as mesh:
            await mesh.run("go", request_id="r1").result()
        assert agent.commands[0][-1].HasField("close")


async def test_calls_are_repeated_while_the_mesh_is_unavailable() -> None:
    async with scripted_agent() as agent, Mesh(agent.address) as mesh:
        agent.unary = [UNAVAILABLE, PROXY_ERROR]
        assert (await mesh.agent()).version == "9.9.9"
        assert agent.calls == 3


async def test_calls_are_given_up_at_their_deadline() -> None:
    async with scripted_agent() as agent, Mesh(agent.address, timeout=0.5) as mesh:
        agent.unary = [UNAVAILABLE] * 20
        with pytest.raises(Unavailable):
            await mesh.agent()
        assert 1 < agent.calls < 10


@pytest.mark.parametrize("refusal", [Refuse(code_pb2.INTERNAL, "INTERNAL"), Refuse(code_pb2.INTERNAL)])
async def test_calls_that_failed_otherwise_are_not_repeated(refusal: Refuse) -> None:
    async with scripted_agent() as agent, Mesh(agent.address) as mesh:
        agent.unary = [refusal]
        with pytest.raises(InternalError):
            await mesh.agent()
        assert agent.calls == 1
