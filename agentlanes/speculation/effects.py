"""Effect classes: what a tool does to the world, and so whether it may run ahead of its verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

from langchain_core.tools import BaseTool

from agentlanes.errors import InvalidTool

__all__ = ["Effect", "EffectClass", "effect", "effect_of"]

EffectClass = Literal["pure", "read", "session", "reversible", "write", "irreversible"]
"""From the least to the most: `pure` computes, `read` looks, `session` moves a cursor of its own,
`reversible` can be undone, `write` changes the world, `irreversible` cannot be taken back."""

_RUNS_AHEAD: frozenset[EffectClass] = frozenset({"pure", "read"})
_MARK = "agentlanes_effect"
_T = TypeVar("_T", bound=Callable[..., Any] | BaseTool)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a tool does to the world.

    Attributes:
        effect_class: See `EffectClass`. Undeclared tools count as `irreversible`.
        run_ahead: Whether a call may start before its verdict. Only `pure` and `read` may.
        declared: False when nobody said, and the strictest class was assumed.
    """

    effect_class: EffectClass
    run_ahead: bool
    declared: bool = True


_UNDECLARED = Effect(effect_class="irreversible", run_ahead=False, declared=False)


def effect(effect_class: EffectClass, *, run_ahead: bool | None = None) -> Callable[[_T], _T]:
    """Declare what a tool does to the world.

    Args:
        effect_class: See `EffectClass`.
        run_ahead: `False` keeps a `pure` or `read` tool from running ahead (metered or stateful
            reads). `True` is the default for those two and not allowed for the others.

    Returns:
        A decorator for a function or a `BaseTool`, which comes back unchanged but for the mark.

    Raises:
        InvalidTool: The class is unknown, or `run_ahead=True` contradicts it.

    Example:
        >>> @effect("read")
        ... def get_weather(city: str) -> str:
        ...     "Current weather of a city."
        ...     return f"sunny in {city}"
        >>> effect_of(get_weather).run_ahead
        True
    """
    if effect_class not in get_args(EffectClass):
        raise InvalidTool(
            f"unknown effect class {effect_class!r}; use one of {', '.join(get_args(EffectClass))}"
        )
    may = effect_class in _RUNS_AHEAD
    if run_ahead and not may:
        raise InvalidTool(
            f"a tool of class {effect_class!r} never runs ahead; drop run_ahead=True or declare "
            "it 'pure' or 'read' if that is what it is"
        )
    declared = Effect(effect_class=effect_class, run_ahead=may and run_ahead is not False)

    def mark(tool: _T) -> _T:
        if isinstance(tool, BaseTool):
            tool.metadata = {**(tool.metadata or {}), _MARK: declared}
        else:
            setattr(tool, _MARK, declared)
        return tool

    return mark


def effect_of(tool: Callable[..., Any] | BaseTool) -> Effect:
    """Give the declared effect of a tool, or the strictest when none was declared."""
    if isinstance(tool, BaseTool):
        found = (tool.metadata or {}).get(_MARK)
        for attribute in ("func", "coroutine"):
            found = found or getattr(getattr(tool, attribute, None), _MARK, None)
    else:
        found = getattr(tool, _MARK, None)
    return found if isinstance(found, Effect) else _UNDECLARED
