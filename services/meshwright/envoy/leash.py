"""Run as a script: `python leash.py PARENT_PID PROGRAM ARGUMENT...` becomes PROGRAM, killed by the kernel with its parent.

Done in a process of its own because a function that runs between fork and exec (`preexec_fn`) deadlocks or crashes in a
process that uses gRPC, which has threads. Only the standard library's fastest parts are imported.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent where the system can (Linux), then become the program."""
    parent, program = int(sys.argv[1]), sys.argv[2]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # It died before the line above.
            sys.exit(1)
    os.execv(program, sys.argv[2:])  # noqa: S606  # our own arguments, no shell


if __name__ == "__main__":
    main()
