"""Generate the Python stubs of the contract: protos/ -> services/meshwright/v1/.

Usage: python scripts/protos.py            generate
       python scripts/protos.py --check    generate elsewhere and fail if the committed stubs differ
       python scripts/protos.py --imports  only lay out third_party/googleapis, which buf and protoc import from
"""

from __future__ import annotations

import argparse
import filecmp
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
GOOGLEAPIS = ROOT / "third_party" / "googleapis"
PACKAGE = Path("meshwright") / "v1"
STUBS = ROOT / "services" / PACKAGE
INIT = '"""The contract `meshwright.v1` in Python, generated from protos/ by `make protos`. Never edit it."""\n'


def lay_out_imports() -> None:
    """Copy the .proto files of the installed googleapis-common-protos into the ignored third_party folder."""
    distribution = importlib.metadata.distribution("googleapis-common-protos")
    stamp = GOOGLEAPIS / ".version"
    if stamp.exists() and stamp.read_text() == distribution.version:
        return
    shutil.rmtree(GOOGLEAPIS, ignore_errors=True)
    for file in distribution.files or []:
        if file.suffix == ".proto":
            target = GOOGLEAPIS / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.locate(), target)
    stamp.write_text(distribution.version)


def generate(out: Path) -> None:
    """Write the stubs of every proto into the folder `out`, which stands for services/."""
    protos = sorted((PROTOS / PACKAGE).glob("*.proto"))
    services = [proto for proto in protos if "\nservice " in proto.read_text()]
    protoc(protos, f"--python_out={out}", f"--mypy_out=quiet:{out}")
    if services:
        protoc(services, f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet,only_async:{out}")
    (out / PACKAGE / "__init__.py").write_text(INIT)


def protoc(protos: list[Path], *outputs: str) -> None:
    """Run the protoc of grpcio-tools with the plugins of this virtual environment."""
    arguments = [f"-I{PROTOS}", f"-I{GOOGLEAPIS}", *outputs, *map(str, protos)]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", *arguments], check=True, env={**os.environ, "PATH": path}
    )


def differences(fresh: Path) -> list[str]:
    """Names of stubs that are missing, left over or different in the committed folder."""
    names = {file.name for folder in (fresh, STUBS) for file in folder.glob("*.py*")}
    same, _, _ = filecmp.cmpfiles(fresh, STUBS, names, shallow=False)
    return sorted(names - set(same))


def replace(fresh: Path) -> None:
    """Make the committed folder equal to the freshly generated one."""
    STUBS.mkdir(parents=True, exist_ok=True)
    for name in differences(fresh):
        if (fresh / name).exists():
            shutil.copyfile(fresh / name, STUBS / name)
        else:
            (STUBS / name).unlink()
        print(f"services/{PACKAGE / name}")


def main() -> int:
    """Run one of the three usages; 1 where --check found drift or protoc failed."""
    parser = argparse.ArgumentParser(description="Generate the Python stubs of protos/.")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--check", action="store_true", help="fail if the committed stubs are not what protos/ gives")
    group.add_argument("--imports", action="store_true", help="only lay out third_party/googleapis")
    arguments = parser.parse_args()

    lay_out_imports()
    if arguments.imports:
        return 0
    with tempfile.TemporaryDirectory() as folder:
        try:
            generate(Path(folder))
        except subprocess.CalledProcessError:
            return 1
        fresh = Path(folder) / PACKAGE
        if not arguments.check:
            replace(fresh)
        elif drift := differences(fresh):
            print("services/meshwright/v1 is not what protos/ gives. Run `make protos`. Different:", *drift, sep="\n  ")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
