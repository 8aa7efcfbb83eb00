"""Declaring what a tool does."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.tools import tool

from agentlanes import effect
from agentlanes.errors import InvalidTool
from agentlanes.speculation.effects import effect_of


def look(key: str) -> str:
    """Look."""
    return key


@pytest.mark.parametrize("effect_class", ["pure", "read"])
def test_looking_runs_ahead_unless_told_otherwise(effect_class: Any) -> None:
    assert effect_of(effect(effect_class)(lambda: None)).run_ahead
    assert not effect_of(effect(effect_class, run_ahead=False)(lambda: None)).run_ahead


@pytest.mark.parametrize("effect_class", ["session", "reversible", "write", "irreversible"])
def test_nothing_else_runs_ahead(effect_class: Any) -> None:
    assert not effect_of(effect(effect_class)(lambda: None)).run_ahead
    with pytest.raises(InvalidTool, match="never runs ahead"):
        effect(effect_class, run_ahead=True)


def test_the_undeclared_counts_as_the_strictest() -> None:
    found = effect_of(look)
    assert (found.effect_class, found.run_ahead, found.declared) == ("irreversible", False, False)


def test_an_unknown_class_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidTool, match="pure, read, session"):
        effect("harmless")  # type: ignore[arg-type]


def test_the_mark_survives_either_order_of_decorators() -> None:
    outer = effect("read")(tool(look))
    inner = tool(effect("read")(lambda key: key), description="Look.")  # type: ignore[call-overload]
    assert effect_of(outer).effect_class == "read"
    assert effect_of(inner).effect_class == "read"
