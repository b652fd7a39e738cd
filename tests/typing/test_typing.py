"""mypy and pyright infer what ``inferred.py`` says, and refuse what ``wrong.py`` marks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INFERRED = Path(__file__).with_name("inferred.py")
WRONG = Path(__file__).with_name("wrong.py")

Errors = dict[tuple[str, int], str]
"""What a checker said, by the name of the file and the number of the line."""


def mypy(cache: Path) -> Errors:
    options = [
        "--strict", "--config-file=", "--follow-imports=silent", "--no-error-summary",
        "--hide-error-context", "--no-color-output", f"--cache-dir={cache}",
    ]  # fmt: skip
    told = run("mypy", *options)
    found = re.findall(r"^.*?(\w+\.py):(\d+): error: (.*)$", told, re.MULTILINE)
    return {(file, int(line)): message for file, line, message in found}


def pyright(cache: Path) -> Errors:
    # Both wheels, of pyright and of node, bring all they need: nothing is downloaded.
    told = run("pyright", "--outputjson", "--pythonpath", sys.executable)
    return {
        (Path(one["file"]).name, one["range"]["start"]["line"] + 1): one["message"]
        for one in json.loads(told)["generalDiagnostics"]
        if one["severity"] == "error"
    }


def run(checker: str, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", checker, *options, INFERRED, WRONG],
        cwd=ROOT,
        env=os.environ | {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_infers_what_is_written_and_refuses_what_is_wrong(
    checker: Callable[[Path], Errors], tmp_path: Path
) -> None:
    marker = re.compile(rf"# wrong(: {checker.__name__})?$")
    lines = enumerate(WRONG.read_text(encoding="utf-8").splitlines(), 1)
    marked = {(WRONG.name, number) for number, line in lines if marker.search(line)}
    errors = checker(tmp_path)
    accepted = sorted(marked - errors.keys())
    refused = {place: errors[place] for place in sorted(errors.keys() - marked)}
    assert (accepted, refused) == ([], {})
