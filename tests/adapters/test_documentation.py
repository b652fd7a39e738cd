"""The examples of docs/adapters.md run, each as a program of its own."""

from __future__ import annotations

from pathlib import Path

from tests.test_documentation import blocks_of, run_program


def test_examples_print_what_their_comments_say(tmp_path: Path) -> None:
    experimental = "ignore:[SESSION_STORE] SessionStore is experimental:FutureWarning"
    programs = blocks_of("docs/adapters.md")
    dapr, framework, own = (run_program(each, tmp_path, "-W", experimental) for each in programs)
    assert "Dapr: b'\"4.20\"'" in dapr
    assert "Dapr: {'items': ['tea'], 'total': Decimal('4.20')}" in dapr
    assert "Agent Framework: AgentSession['ann']: another write came first" in framework
    assert "Your own: Lamp['hall']" in own
