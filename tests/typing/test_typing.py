"""mypy infers what ``inferred.py`` says, and refuses the lines marked wrong, and no others."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

FILE = Path(__file__).with_name("inferred.py")
WRONG = """
from tests.typing.inferred import Cart, CartState, actors, carts
from theater_sql import SQLStorage, AsyncSQLStorage

def threads(storage: SQLStorage) -> None:
    storage.put(carts, "a", CartState())
    storage.put(carts, "a", "no cart")  # wrong
    storage.put(carts, "a", None)  # wrong
    storage.put(carts, 1.5, CartState())  # wrong
    storage.put(carts, "a", CartState(), expect="text")  # wrong
    storage.put(carts, "a", CartState(), expect=None)  # wrong
    storage.handle(carts, "a").put("no cart")  # wrong
    storage.handle(Cart, "a").put("no cart")  # wrong
    storage.get(carts, "a").state  # wrong
    actors.register("A")  # wrong
    actors.register("A", state=CartState, table=5)  # wrong
    actors.register("A", state=CartState, no_option=5)  # wrong

async def coroutines(storage: AsyncSQLStorage) -> None:
    await storage.put(carts, "a", CartState())
    await storage.put(carts, "a", "no cart")  # wrong
    await storage.handle(Cart, "a").put("no cart")  # wrong
"""


def test_mypy_infers_what_is_written_and_refuses_what_is_wrong(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(WRONG, encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent",
            "--no-error-summary", f"--cache-dir={tmp_path / 'cache'}", str(FILE), str(wrong),
        ],
        cwd=FILE.parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )  # fmt: skip
    assert "inferred.py" not in done.stdout, done.stdout
    errors = {int(line) for line in re.findall(r"wrong\.py:(\d+): error", done.stdout)}
    marked = {n for n, line in enumerate(WRONG.splitlines(), 1) if line.endswith("# wrong")}
    assert errors == marked, done.stdout + done.stderr
