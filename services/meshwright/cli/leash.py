"""Ending with the process that started us, however that one ends."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

PR_SET_PDEATHSIG = 1
LOOK_SECONDS = 0.5
LAST_SECONDS = 10.0


def tie_to(parent: int) -> None:
    """End this process when `parent`, the process that started it, is gone, even by SIGKILL.

    On Linux the kernel does it at once. Elsewhere a thread looks twice a second, asks for an orderly stop and, where
    that takes too long, ends the process.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), name="leash", daemon=True).start()
    if os.getppid() != parent:  # It died before the line above.
        os._exit(1)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LAST_SECONDS)
    os._exit(1)
