"""The examples of docs/adapters.md run, in order, as one program."""

from __future__ import annotations

from pathlib import Path

from tests.test_documentation import run_blocks


def test_examples_print_what_their_comments_say(tmp_path: Path) -> None:
    experimental = "ignore:[SESSION_STORE] SessionStore is experimental:FutureWarning"
    printed = run_blocks("docs/adapters.md", tmp_path, "-W", experimental)
    assert "Dapr: b'\"4.20\"'" in printed
    assert "Dapr: {'items': ['tea'], 'total': Decimal('4.20')}" in printed
    assert "Agent Framework: AgentSession['ann']: another write came first" in printed
    assert "Your own: Lamp['hall']" in printed
