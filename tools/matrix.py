"""Run the tests on every Python of this machine, with the oldest and the newest libraries.

Each combination has a virtual environment in ``.venv-matrix``, and its log beside it. Arguments
choose combinations: ``py3.13`` or ``sa2.0`` or ``py3.13-sa2.0``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
HOME = ROOT / ".venv-matrix"
VERSION = "import ensurepip, sys; print('{}.{}'.format(*sys.version_info))"


def pythons(oldest: str) -> dict[str, Path]:
    """Return an interpreter for each minor version from the oldest up, pyenv's before others."""
    known = [*Path.home().glob(".pyenv/versions/*/bin/python3")]
    on_path = (shutil.which(f"python3.{minor}") for minor in range(_minor(oldest), 30))
    known += [Path(found) for found in on_path if found]
    found: dict[str, Path] = {}
    for path in known:
        asked = subprocess.run([path, "-c", VERSION], capture_output=True, text=True, check=False)
        version = asked.stdout.strip()
        if asked.returncode == 0 and _minor(version) >= _minor(oldest):
            found.setdefault(version, path)
    return dict(sorted(found.items(), key=lambda item: _minor(item[0])))


def _minor(version: str) -> int:
    return int(version.split(".")[1])


def constraints(project: dict[str, Any]) -> dict[str, str]:
    """Return what pip may install: the lowest that pyproject.toml allows, and the newest."""
    required = " ".join(project["dependencies"])
    lowest = [
        f"{name}=={re.findall(rf'{name}>=([0-9.]+)', required)[0]}\n"
        for name in ("sqlalchemy", "alembic", "msgspec")
    ]
    # A driver of compiled code has wheels for a later Python in a later release of its series.
    driver = re.findall(r">=([0-9.]+)", project["optional-dependencies"]["postgresql"][0])[0]
    lowest += [f"psycopg=={driver}.*\n", f"psycopg-binary=={driver}.*\n"]
    return {"sa2.0": "".join(lowest), "sa2.1": "sqlalchemy>=2.1\n"}


def run(name: str, python: Path, constraint: str) -> bool:
    """Run ``make test`` in an environment of its own, and print how it went."""
    HOME.mkdir(exist_ok=True)
    limits = HOME / f"{name}.txt"
    if limits.exists() and limits.read_text(encoding="utf-8") != constraint:
        shutil.rmtree(HOME / name, ignore_errors=True)  # what is there is another combination
    limits.write_text(constraint, encoding="utf-8")
    inherited = {key: text for key, text in os.environ.items() if not key.startswith("MAKE")}
    log = HOME / f"{name}.log"
    began = time.monotonic()
    with log.open("w", encoding="utf-8") as output:
        done = subprocess.run(
            ["make", "test", f"VENV=.venv-matrix/{name}", f"PYTHON={python}", "ARGS=-q"],
            cwd=ROOT,
            env=inherited | {"PIP_CONSTRAINT": str(limits)},
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    told = log.read_text(encoding="utf-8")
    counts = {word: int(n) for n, word in re.findall(r"\b(\d+) (passed|failed|error)", told)}
    passed, failed = counts.get("passed", 0), counts.get("failed", 0) + counts.get("error", 0)
    well = done.returncode == 0 and passed > 0
    print(
        f"{name:14} {passed:6} passed {failed:5} failed {time.monotonic() - began:6.0f} s", end=""
    )
    print("" if well else f"  FAILED: {log.relative_to(ROOT)}", flush=True)
    return well


def main() -> int:
    """Run all combinations, or those that the arguments choose."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest = project["requires-python"].removeprefix(">=")
    combinations = {
        f"py{version}-{label}": (python, constraint)
        for version, python in pythons(oldest).items()
        for label, constraint in constraints(project).items()
    }
    chosen = [
        name
        for name in combinations
        if not sys.argv[1:] or any(part in (name, *name.split("-")) for part in sys.argv[1:])
    ]
    results = [run(name, *combinations[name]) for name in chosen]
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
