"""What the exit codes of `meshwright` mean; docs/cli.md repeats them."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended."""

    OK = 0
    """Done: the run completed, the mesh was stopped as asked, nothing that is needed is missing."""
    FAILED = 1
    """The run failed, a service of the mesh ended for good, or something that is needed is missing."""
    USAGE = 2
    """The command or its settings are wrong, or the mesh refused the request."""
    CANCELLED = 3
    """The run was cancelled."""
    EXPIRED = 4
    """The run's time was over."""
    UNREACHABLE = 5
    """There is no mesh at the address, or it went away and did not come back."""
    INTERRUPTED = 130
    """A second Ctrl-C ended the command at once."""
    OUTPUT_CLOSED = 141
    """Nobody reads the output any more, as after `| head`; the run goes on."""
