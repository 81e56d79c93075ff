"""Names of keys and channels. All keys of a session lie in one slot of a cluster, by the tag in braces."""

from __future__ import annotations

SCHEDULE = "mw:open"
"""Sorted set: sessions with runs that have not ended, by the time in microseconds at which to look at them again."""
CANARY_SCHEDULE = "mw:open:canary"
"""Sorted set: those of them at which the canary is to look, and when."""
SIGNALS = "mw:signals"
"""Channel: signals for every replica."""
TRIMMING = "mw:trimming"
"""String: which replica trims the logs; gone when it has not said so for a while."""
STATES = "mw:{*}:state"
"""Pattern: the hashes of all sessions."""

RUNS, OPEN, APPROVALS, PENDING, CHILDREN = 3, 4, 5, 6, 7
"""Places of the sorted sets among a session's keys, as the script counts."""


def state(session_id: str) -> str:
    """Hash: the session, its runs and its approvals."""
    return f"mw:{{{session_id}}}:state"


def log(session_id: str) -> str:
    """Stream: the session's events; an entry's id is `<sequence>-0`."""
    return f"mw:{{{session_id}}}:log"


def runs(session_id: str) -> str:
    """Sorted set: the session's runs in their order."""
    return f"mw:{{{session_id}}}:runs"


def open_runs(session_id: str) -> str:
    """Sorted set: those of its runs that have not ended, without children."""
    return f"mw:{{{session_id}}}:open"


def approvals(session_id: str) -> str:
    """Sorted set: the session's approvals in their order."""
    return f"mw:{{{session_id}}}:approvals"


def pending(session_id: str) -> str:
    """Sorted set: those of its approvals that wait."""
    return f"mw:{{{session_id}}}:pending"


def children(session_id: str) -> str:
    """Sorted set: runs that others delegated and that have not ended, as `<parent>/<child>`."""
    return f"mw:{{{session_id}}}:children"


def answer(session_id: str, request_id: str) -> str:
    """String: what a request was answered."""
    return f"mw:{{{session_id}}}:answer:{request_id}"


def live(session_id: str) -> str:
    """Channel: the session's events as they are appended."""
    return f"mw:{{{session_id}}}:live"


def session_of(name: str) -> str:
    """The session of a key or a channel."""
    return name[len("mw:{") : name.rindex("}:")]


def sessions(principal: str) -> str:
    """Sorted set: the principal's sessions by the time of their last use in microseconds."""
    return f"mw:p:{{{principal}}}:sessions"


def reservation(principal: str, request_id: str) -> str:
    """String: which request of the principal has this id, and on which session."""
    return f"mw:p:{{{principal}}}:request:{request_id}"


def runs_of(principal: str) -> str:
    """Sorted set: the principal's runs that have not ended, as `<session>/<run>`, by the time at which they came."""
    return f"mw:p:{{{principal}}}:runs"


def tokens(principal: str, day: int) -> str:
    """Number: tokens that the principal's runs used on a day."""
    return f"mw:p:{{{principal}}}:tokens:{day}"


def counted(principal: str, run_id: str) -> str:
    """Number: those of a run's tokens that are counted for its principal."""
    return f"mw:p:{{{principal}}}:counted:{run_id}"


def of_session(session_id: str) -> list[str]:
    """A session's keys in the order in which the script counts them."""
    return [
        state(session_id),
        log(session_id),
        runs(session_id),
        open_runs(session_id),
        approvals(session_id),
        pending(session_id),
        children(session_id),
    ]
