"""What both doors do: the verbs of AgentService, once."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from meshwright.agent.compose import Composer, current_time
from meshwright.agent.decisions import decided
from meshwright.agent.identifiers import new_id
from meshwright.agent.lineage import path_of
from meshwright.agent.page_token import page_of, token_after
from meshwright.serving.calls import current_call
from meshwright.serving.errors import MeshError
from meshwright.store.interface import Draft, Once
from meshwright.store.refusals import run_not_found, session_busy
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.agent_service_pb2 import (
    CancelRunRequest,
    CreateSessionRequest,
    DeleteSessionRequest,
    ListApprovalsRequest,
    ListApprovalsResponse,
    ListRunsRequest,
    ListRunsResponse,
    ListSessionsRequest,
    ListSessionsResponse,
    ResolveApprovalRequest,
    StartRunRequest,
    SteerRunRequest,
)
from meshwright.v1.event_pb2 import RunFinished, RunQueued, SteeringReceipt, SteeringState
from meshwright.v1.run_pb2 import Run, RunOutcome, RunSpec, RunState, SteeringMode
from meshwright.v1.session_pb2 import Session

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from meshwright.agent.models import Models
    from meshwright.agent.run_options import Choices
    from meshwright.store.interface import Quotas, Store
    from meshwright.v1.event_pb2 import Approval
    from meshwright.v1.run_pb2 import Track

AT_ONCE = (SteeringMode.STEERING_MODE_STEER, SteeringMode.STEERING_MODE_INTERRUPT)


class Verbs:
    """The mutating and reading verbs; `principal` is always the caller. Errors are those of the RPC of the same name."""

    def __init__(self, store: Store, models: Models, choices: Choices, quotas: Quotas, track: Track.ValueType) -> None:
        """`track` is that of the runs which are accepted here."""
        self._store = store
        self._track = track
        self._quotas = quotas
        self._models = models
        self._choices = choices

    async def create_session(self, principal: str, request: CreateSessionRequest) -> Session:
        """AgentService.CreateSession."""
        session = Session(
            session_id=new_id("ses"),
            principal=principal,
            title=request.session.title,
            labels=request.session.labels,
            model=request.session.model,
        )
        self._models.check(session.model)
        return await self._store.create_session(session, _once(request.request_id, request), self._quotas)

    async def get_session(self, principal: str, session_id: str) -> Session:
        """AgentService.GetSession."""
        return await self._store.get_session(principal, session_id)

    async def list_sessions(self, principal: str, request: ListSessionsRequest) -> ListSessionsResponse:
        """AgentService.ListSessions."""
        page = page_of(request.page_size, request.page_token)
        found = await self._store.list_sessions(principal, page)
        shown = found[: page.limit - 1]
        return ListSessionsResponse(
            sessions=[session for session, _ in shown],
            next_page_token=token_after(shown[-1][1]) if len(found) == page.limit else "",
        )

    async def delete_session(self, principal: str, request: DeleteSessionRequest) -> None:
        """AgentService.DeleteSession, without the session's files."""
        await self._store.delete_session(principal, request.session_id, _once(request.request_id, request))

    async def start_run(self, principal: str, request: StartRunRequest) -> Run:
        """AgentService.StartRun."""
        if request.spec.attachment_ids:
            raise _not_yet("This agent does not take attachments yet.")
        session = await self._store.get_session(principal, request.session_id)
        if request.when_busy in AT_ONCE:
            steered = await self._steer_if_busy(principal, request)
            if steered is not None:
                return steered
        run = self._new_run(session, request.spec)
        composer = Composer(session.session_id, run.run_id, traceparent=run.traceparent)
        return await self._store.enqueue_run(
            principal,
            run,
            [composer.draft(run_queued=RunQueued(spec=run.spec))],
            _once(request.request_id, request),
            reject_if_busy=request.when_busy == SteeringMode.STEERING_MODE_REJECT,
            quotas=self._quotas,
        )

    async def steer_run(self, principal: str, request: SteerRunRequest) -> SteeringReceipt:
        """AgentService.SteerRun."""
        mode = request.mode or SteeringMode.STEERING_MODE_STEER
        receipt = SteeringReceipt(steering_id=request.request_id, mode=mode, text=request.text)
        if mode in AT_ONCE:
            await self._deliver(
                principal, request.session_id, request.run_id, receipt, _once(request.request_id, request)
            )
            return receipt
        session = await self._store.get_session(principal, request.session_id)
        if mode == SteeringMode.STEERING_MODE_REJECT:
            busy = session.active_run_id or session.queued_runs
            raise (
                session_busy(session.session_id, session.active_run_id)
                if busy
                else run_not_found(session.session_id, "")
            )
        return await self._enqueue_input(principal, session, receipt, request)

    async def _enqueue_input(
        self, principal: str, session: Session, receipt: SteeringReceipt, request: SteerRunRequest
    ) -> SteeringReceipt:
        """Make a run of an input."""
        run = self._new_run(session, RunSpec(task=request.text))
        receipt.state = SteeringState.STEERING_STATE_APPLIED
        receipt.enqueued_run_id = run.run_id
        composer = Composer(session.session_id, run.run_id, traceparent=run.traceparent)
        drafts = [composer.draft(run_queued=RunQueued(spec=run.spec)), composer.draft(steering_receipt=receipt)]
        once = _once(request.request_id, request)
        stored = await self._store.enqueue_run(principal, run, drafts, once, reject_if_busy=False, quotas=self._quotas)
        receipt.enqueued_run_id = stored.run_id
        return receipt

    async def _steer_if_busy(self, principal: str, request: StartRunRequest) -> Run | None:
        """Give a task to the run at work as an input; None when there is none."""
        steering_id = request.request_id or new_id("input")
        receipt = SteeringReceipt(steering_id=steering_id, mode=request.when_busy, text=request.spec.task)
        once = _once(request.request_id, request)
        try:
            return await self._deliver(principal, request.session_id, "", receipt, once)
        except MeshError as error:
            if error.reason != reasons.ERROR_REASON_RUN_NOT_FOUND:
                raise
            return None

    async def _deliver(
        self, principal: str, session_id: str, run_id: str, receipt: SteeringReceipt, once: Once | None
    ) -> Run:
        """Have the store own an input from now on, and the run's worker know of it."""
        receipt.state = SteeringState.STEERING_STATE_ACCEPTED
        path = await path_of(self._store, principal, session_id, run_id)

        def accepted(run: Run) -> Draft:
            composer = Composer(session_id, run.run_id, traceparent=run.traceparent, agent_path=path)
            return composer.draft(steering_receipt=receipt)

        interrupt = receipt.mode == SteeringMode.STEERING_MODE_INTERRUPT
        return await self._store.deliver_input(principal, session_id, run_id, once, accepted, interrupt=interrupt)

    async def list_runs(self, principal: str, request: ListRunsRequest) -> ListRunsResponse:
        """AgentService.ListRuns."""
        page = page_of(request.page_size, request.page_token)
        found = await self._store.list_runs(principal, request.session_id, page)
        shown = found[: page.limit - 1]
        return ListRunsResponse(
            runs=[run for run, _ in shown],
            next_page_token=token_after(shown[-1][1]) if len(found) == page.limit else "",
        )

    async def list_approvals(self, principal: str, request: ListApprovalsRequest) -> ListApprovalsResponse:
        """AgentService.ListApprovals."""
        page = page_of(request.page_size, request.page_token)
        found = await self._store.list_approvals(principal, request.session_id, page, pending_only=request.pending_only)
        shown = found[: page.limit - 1]
        return ListApprovalsResponse(
            approvals=[approval for approval, _ in shown],
            next_page_token=token_after(shown[-1][1]) if len(found) == page.limit else "",
        )

    async def resolve_approval(self, principal: str, request: ResolveApprovalRequest) -> Approval:
        """AgentService.ResolveApproval."""
        session_id, approval_id = request.session_id, request.approval_id
        asked = (await self._store.get_approval(principal, session_id, approval_id)).approval
        path = await path_of(self._store, principal, session_id, asked.run_id)
        composer = Composer(session_id, asked.run_id, agent_path=path)
        settled = await self._store.resolve_approval(
            principal,
            session_id,
            approval_id,
            _once(request.request_id, request),
            lambda approval: decided(approval, request.decision, composer, principal),
        )
        return settled.approval

    async def cancel_run(self, principal: str, request: CancelRunRequest) -> Run:
        """AgentService.CancelRun."""
        once = _once(request.request_id, request)
        return await self._store.cancel_run(principal, request.session_id, request.run_id, once, cancelled_in_queue)

    def _new_run(self, session: Session, spec: RunSpec) -> Run:
        """A run that is not stored yet. MODEL_NOT_FOUND."""
        run = Run(
            run_id=new_id("run"), session_id=session.session_id, state=RunState.RUN_STATE_QUEUED, track=self._track
        )
        run.create_time.CopyFrom(current_time())
        run.spec.CopyFrom(spec)
        self._choices.fill_in(run, session)
        call = current_call()
        run.traceparent = call.traceparent if call is not None else ""
        return run


def _not_yet(message: str) -> MeshError:
    return MeshError(
        reasons.ERROR_REASON_NOT_IMPLEMENTED, message, metadata={"method": "/meshwright.v1.AgentService/StartRun"}
    )


def cancelled_in_queue(run: Run) -> tuple[Run, Draft]:
    """What becomes of a run that is cancelled before it began."""
    run.state = RunState.RUN_STATE_FINISHED
    run.outcome = RunOutcome.RUN_OUTCOME_CANCELLED
    run.finish_time.CopyFrom(current_time())
    finished = RunFinished(outcome=run.outcome, usage=run.usage)
    return run, Composer(run.session_id, run.run_id).draft(run_finished=finished)


def _once(request_id: str, request: Message) -> Once | None:
    """The idempotency record of a request; None for a caller that gave no id."""
    if not request_id:
        return None
    body = request.DESCRIPTOR.full_name.encode() + b"\0" + request.SerializeToString(deterministic=True)
    return Once(request_id, hashlib.sha256(body).digest())
