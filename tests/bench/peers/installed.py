"""The peers' own environment, made when it is first needed: nothing of theirs is a dependency of the mesh."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
FOLDER = HERE.parents[2] / ".make" / "peers"
INSTALL_SECONDS = 900


def installed() -> Path:
    """The `bin` folder of an environment that holds exactly the pinned versions; made, or made anew, if need be."""
    stamp = FOLDER / "requirements.txt"
    wanted = REQUIREMENTS.read_text()
    programs = FOLDER / "bin"
    if stamp.exists() and stamp.read_text() == wanted:
        return programs
    print("Installing the peers into .make/peers ...", file=sys.stderr)
    venv.create(FOLDER, clear=True, with_pip=True)
    install = [str(programs / "pip"), "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"]
    subprocess.run([*install, str(REQUIREMENTS)], check=True, timeout=INSTALL_SECONDS)
    stamp.write_text(wanted)
    return programs
