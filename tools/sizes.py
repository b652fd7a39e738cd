"""Fail when a file or a function of theater_sql has outgrown a reader's patience."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

FILE_LINES = 300
FUNCTION_LINES = 40  # without its docstring

ALLOWED: dict[str, str] = {
    # "theater_sql/module.py" or "theater_sql/module.py:function": "the reason",
}


def oversized(root: Path) -> Iterator[tuple[str, int]]:
    """Yield the name and length of everything that is too long."""
    for path in sorted((root / "theater_sql").rglob("*.py")):
        name = path.relative_to(root).as_posix()
        source = path.read_text(encoding="utf-8")
        if (lines := len(source.splitlines())) > FILE_LINES:
            yield name, lines
        for node in ast.walk(ast.parse(source)):
            if (lines := function_lines(node)) > FUNCTION_LINES:
                yield f"{name}:{getattr(node, 'name', '')}", lines


def function_lines(node: ast.AST) -> int:
    """Count the lines of a function, its signature included, its docstring not."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return 0
    docstring = ast.get_docstring(node, clean=False)
    documented = 0 if docstring is None else docstring.count("\n") + 1
    return (node.end_lineno or node.lineno) - node.lineno + 1 - documented


def main() -> int:
    """Print what is too long, and what is listed without need."""
    found = dict(oversized(Path(__file__).parent.parent))
    for name in sorted(found.keys() - ALLOWED.keys()):
        print(f"{name}: {found[name]} lines; split it, or list it in tools/sizes.py with a reason")
    for name in sorted(ALLOWED.keys() - found.keys()):
        print(f"{name}: no longer too long; take it off the list in tools/sizes.py")
    return 1 if found.keys() != ALLOWED.keys() else 0


if __name__ == "__main__":
    sys.exit(main())
