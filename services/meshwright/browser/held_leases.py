"""Leases of callers that hold no stream: each lives until it is released or its TTL passes."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from contextvars import Context
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from meshwright.browser import failures
from meshwright.browser.lease import Lease
from meshwright.browser.terms import Terms
from meshwright.serving.calls import current_principal
from meshwright.serving.elsewhere import MAX_SEARCHES

if TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration

    from meshwright.browser.pool import Pool
    from meshwright.browser.settings import BrowserSettings
    from meshwright.v1 import browser_pb2
    from meshwright.v1.browser_service_pb2 import AcquireLeaseRequest

TTL_SECONDS = 60.0
REMEMBERED_REQUESTS = 4096


class HeldLease:
    """A lease with its time to live. Commands that run keep it alive."""

    def __init__(self, lease: Lease, ttl: float) -> None:
        self.lease = lease
        self.ttl = ttl
        self._expires = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.renew()

    def renew(self, ttl: float | None = None) -> None:
        """Start the time anew."""
        self.ttl = ttl or self.ttl
        self._expires = time.monotonic() + self.ttl
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self.ttl, self._expire)

    def expire_time(self) -> Timestamp:
        """When it ends unless it is used or renewed."""
        stamp = Timestamp()
        stamp.FromNanoseconds(time.time_ns() + round((self._expires - time.monotonic()) * 1e9))
        return stamp

    def forget(self) -> None:
        """The lease has ended."""
        if self._timer is not None:
            self._timer.cancel()

    def _expire(self) -> None:
        if self.lease.is_busy:
            self.renew()
        else:
            self.lease.fail(failures.lease_expired(self.lease.lease_id, "ttl", self.ttl))


@dataclass(frozen=True, slots=True)
class _Remembered:
    digest: bytes
    acquiring: asyncio.Task[HeldLease]


class HeldLeases:
    """All of them, by id."""

    def __init__(self, pool: Pool, settings: BrowserSettings) -> None:
        self._pool = pool
        self._settings = settings
        self._leases: dict[str, HeldLease] = {}
        self._requests: OrderedDict[tuple[str, str], _Remembered] = OrderedDict()
        """By principal and request id."""

    async def acquire(self, request: AcquireLeaseRequest, attempt: int) -> HeldLease:
        """A new lease, or the one that the same request got before. Raises NO_BROWSER_AVAILABLE, QUOTA_EXCEEDED, REQUEST_ID_REUSED.

        `attempt` is as in `Lease.begin`.
        """
        terms = Terms.of(request.spec, self._settings, path="spec")
        ttl = seconds(request.ttl) or TTL_SECONDS
        if not request.request_id:
            return await self._acquire(terms, ttl, attempt)
        digest = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
        key = (terms.principal, request.request_id)
        remembered = self._requests.get(key)
        if remembered is None:
            # Not the caller's: it may lose its connection and come back with the same id.
            acquiring = asyncio.create_task(self._acquire(terms, ttl, attempt), context=Context())
            remembered = self._requests[key] = _Remembered(digest, acquiring)
            acquiring.add_done_callback(lambda task: self._forget_failed(key, task))
            if len(self._requests) > REMEMBERED_REQUESTS:
                self._requests.popitem(last=False)
        if remembered.digest != digest:
            raise failures.request_id_reused(request.request_id)
        return await asyncio.shield(remembered.acquiring)

    def find(self, lease_id: str) -> HeldLease:
        """The current principal's lease with the id. Raises LEASE_NOT_FOUND."""
        held = self._leases.get(lease_id)
        if held is None or held.lease.terms.principal != current_principal():
            raise failures.lease_not_found(lease_id)
        return held

    def release(self, lease_id: str, attempt: int) -> None:
        """End the current principal's lease, if it is there.

        Raises LEASE_NOT_FOUND where the caller asks another replica then, as `attempt` tells; the last one says that all is well.
        """
        held = self._leases.get(lease_id)
        if held is not None and held.lease.terms.principal == current_principal():
            held.lease.end()
        elif 0 < attempt < MAX_SEARCHES:
            raise failures.lease_not_found(lease_id)

    async def run(self, lease_id: str, command: browser_pb2.BrowserCommand) -> browser_pb2.BrowserResult:
        """Run a command on the lease and renew it. Ends with its caller."""
        held = self.find(lease_id)
        held.renew()
        task = held.lease.submit(command)
        try:
            return await task
        finally:
            task.cancel()
            if not held.lease.ended:
                held.renew()

    def end_all(self) -> None:
        """End every lease."""
        for held in list(self._leases.values()):
            held.lease.end()

    async def _acquire(self, terms: Terms, ttl: float, attempt: int) -> HeldLease:
        lease = await Lease.begin(self._pool, self._settings, terms, attempt)
        held = self._leases[lease.lease_id] = HeldLease(lease, ttl)
        lease.on_end(lambda: self._ended(held))
        return held

    def _ended(self, held: HeldLease) -> None:
        held.forget()
        self._leases.pop(held.lease.lease_id, None)

    def _forget_failed(self, key: tuple[str, str], task: asyncio.Task[HeldLease]) -> None:
        if task.cancelled() or task.exception() is not None:
            self._requests.pop(key, None)


def seconds(duration: Duration) -> float:
    """The duration in seconds."""
    return duration.seconds + duration.nanos / 1e9
