"""Inputs that reach a run while it works, and their receipts. The log is where they wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshwright.agent.history import read_events
from meshwright.models.interface import UserTurn
from meshwright.v1.event_pb2 import EventKind, Message, Role, SteeringReceipt, SteeringState
from meshwright.v1.run_pb2 import SteeringMode

if TYPE_CHECKING:
    from meshwright.agent.run_log import RunLog
    from meshwright.serving.errors import MeshError
    from meshwright.store.interface import Draft, Store

KINDS = (EventKind.EVENT_KIND_STEERING_RECEIPT, EventKind.EVENT_KIND_MESSAGE)


class Inputs:
    """What a run was given since it was asked, in the order in which it was accepted."""

    def __init__(self, store: Store, log: RunLog) -> None:
        self._store = store
        self._log = log
        self._cursor = log.run.first_sequence - 1
        self._waiting: dict[str, SteeringReceipt] = {}
        self._messages: dict[str, int] = {}
        self.seen = 0
        """How many inputs have been read, whatever became of them."""

    async def apply(self) -> list[UserTurn]:
        """Make a message of every input that waits, before the next model step; what the model is told."""
        await self.refresh()
        turns = []
        for accepted in tuple(self._waiting.values()):
            sequence = self._messages.get(_message_id(accepted)) or await self._say(accepted)
            await self._log.append(self._receipt(accepted, SteeringState.STEERING_STATE_APPLIED, sequence))
            del self._waiting[accepted.steering_id]
            turns.append(UserTurn(accepted.text))
        return turns

    async def refresh(self) -> None:
        """Read what has come."""
        run = self._log.run
        async for event in read_events(self._store, run.session_id, self._cursor, KINDS):
            self._cursor = event.sequence
            if event.run_id != run.run_id:
                continue
            if event.HasField("message"):
                self._messages[event.message.message_id] = event.sequence
            elif event.steering_receipt.state == SteeringState.STEERING_STATE_ACCEPTED:
                self.seen += 1
                self._waiting[event.steering_receipt.steering_id] = event.steering_receipt
            else:
                self._waiting.pop(event.steering_receipt.steering_id, None)

    async def look(self) -> tuple[int, bool]:
        """How many inputs there are, and whether one that waits is to interrupt; whoever applies them has them still before it."""
        run_id, known, waiting = self._log.run.run_id, self.seen, dict(self._waiting)
        async for event in read_events(self._store, self._log.run.session_id, self._cursor, KINDS[:1]):
            receipt = event.steering_receipt
            if event.run_id == run_id and receipt.state == SteeringState.STEERING_STATE_ACCEPTED:
                known += 1
                waiting[receipt.steering_id] = receipt
            elif event.run_id == run_id:
                waiting.pop(receipt.steering_id, None)
        interrupting = any(each.mode == SteeringMode.STEERING_MODE_INTERRUPT for each in waiting.values())
        return known, interrupting and known > self.seen

    def returned(self, reason: MeshError) -> list[Draft]:
        """Receipts that give back what waits, because the run ends."""
        drafts = []
        for accepted in self._waiting.values():
            receipt = SteeringReceipt()
            receipt.CopyFrom(accepted)
            receipt.state = SteeringState.STEERING_STATE_RETURNED
            receipt.reason.CopyFrom(reason.to_status())
            drafts.append(self._log.draft(steering_receipt=receipt))
        return drafts

    async def _say(self, accepted: SteeringReceipt) -> int:
        said = Message(message_id=_message_id(accepted), role=Role.ROLE_USER, text=accepted.text)
        (event,) = await self._log.append(self._log.draft(message=said))
        return event.sequence

    def _receipt(self, accepted: SteeringReceipt, state: SteeringState.ValueType, sequence: int) -> Draft:
        receipt = SteeringReceipt()
        receipt.CopyFrom(accepted)
        receipt.state = state
        receipt.applied_sequence = sequence
        return self._log.draft(steering_receipt=receipt)


def _message_id(accepted: SteeringReceipt) -> str:
    """The message's id follows from the input's, so that a takeover finds a message whose receipt was not written any more."""
    return f"input-{accepted.steering_id}"
