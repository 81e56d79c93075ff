"""What all tests share."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import meshwright.cli  # noqa: F401  # as every program of the mesh does first
from meshwright.serving.private_folder import PrivateFolder

# How long a case takes says how busy the machine is, and nothing else.
settings.register_profile("meshwright", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("meshwright")

_folder = pytest.StashKey[PrivateFolder]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Put all that is temporary into one folder of this run, with a short path wherever the system's is: a socket's has 103 bytes.

    And hear Ctrl-C: a shell's job in the background ignores it, and so would the programs that tests press it for.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if worker := getattr(config, "workerinput", None):
        # In that of the process which started this one.
        own = Path(tempfile.gettempdir()) / worker["workerid"]
        own.mkdir()
    else:
        config.stash[_folder] = PrivateFolder("mw-", Path("/tmp"))
        own = config.stash[_folder].path
    os.environ["TMPDIR"] = tempfile.tempdir = str(own)
    config.option.basetemp = own / "t"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remove the folder, unless something failed: what lies there may tell why, until the next run begins."""
    if (folder := session.config.stash.get(_folder, None)) and not session.testsfailed:
        folder.remove()
