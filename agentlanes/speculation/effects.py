"""Effect classes: what a tool does to the world, and so whether it may run ahead of its verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeVar, get_args

from langchain_core.tools import BaseTool

from agentlanes.errors import InvalidTool
from agentlanes.speculation.session import Session

__all__ = ["HARMLESS", "Effect", "EffectClass", "HappenedCheck", "Undo", "effect", "effect_of"]

EffectClass = Literal["pure", "read", "session", "reversible", "write", "irreversible"]
"""From the least to the most: `pure` computes, `read` looks, `session` moves a cursor of its own,
`reversible` can be undone, `write` changes the world, `irreversible` cannot be taken back."""

Undo = Callable[[dict[str, Any], str | None, str], Any]
"""Takes a call back: `undo(args, result, key)`, `result` `None` when nobody knows it. It may be
asynchronous, and must be idempotent: after a crash it is called again."""

HappenedCheck = Callable[[dict[str, Any], str], Any]
"""Says what a call came to: `check(args, key)` gives its result as text, or `None` when it did
not take effect. It may be asynchronous; what it raises leaves the outcome unknown."""

HARMLESS: frozenset[str] = frozenset({"pure", "read"})
"""Classes whose calls change nothing."""

_MAY: frozenset[EffectClass] = frozenset({"pure", "read", "session", "reversible"})
_MARK = "agentlanes_effect"
_T = TypeVar("_T", bound=Callable[..., Any] | BaseTool)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a tool does to the world.

    Attributes:
        effect_class: See `EffectClass`. Undeclared tools count as `irreversible`.
        run_ahead: Whether its author lets a call start before its verdict. The agent has to let
            its class run ahead too.
        undo: Takes a call of a `reversible` tool back.
        check: Says after a crash whether a call took effect.
        session: The session it works on.
        trusted: Whether what it gives may decide by itself.
        target: Name of the argument that says where a read goes.
        allow: Targets that are always fine, as `fnmatch` patterns.
        declared: False when nobody said, and the strictest class was assumed.
    """

    effect_class: EffectClass
    run_ahead: bool
    undo: Undo | None = None
    check: HappenedCheck | None = None
    session: Session[Any] | None = None
    trusted: bool = False
    target: str | None = None
    allow: tuple[str, ...] = ()
    declared: bool = True

    @property
    def harmless(self) -> bool:
        """Whether a call changes nothing, so that it may count without a verdict."""
        return self.effect_class in HARMLESS

    @property
    def ordered(self) -> bool:
        """Whether it matters what else runs at the same time."""
        return self.session is not None or self.effect_class == "reversible"

    def allows(self, args: Mapping[str, Any]) -> bool:
        """Say whether a call goes where it may go whoever worded its arguments."""
        if self.target is None:
            return True
        where = str(args.get(self.target, ""))
        return any(fnmatchcase(where, pattern) for pattern in self.allow)


_UNDECLARED = Effect(effect_class="irreversible", run_ahead=False, declared=False)


def effect(
    effect_class: EffectClass,
    *,
    run_ahead: bool | None = None,
    undo: Undo | None = None,
    check: HappenedCheck | None = None,
    session: Session[Any] | None = None,
    trusted: bool = False,
    target: str | None = None,
    allow: Sequence[str] = (),
) -> Callable[[_T], _T]:
    """Declare what a tool does to the world.

    Args:
        effect_class: See `EffectClass`.
        run_ahead: `False` keeps a tool from running ahead (metered or stateful reads). `True` is
            the default for what may: `pure`, `read`, `session` with a session, `reversible`.
        undo: Takes a call of a `reversible` tool back. Without one such a tool is a fence.
        check: Says after a crash whether a call took effect; otherwise a person is asked.
        session: The session the tool works on. Reads of a session name it too.
        trusted: What the tool gives may decide by itself: an approved plan may pass it on to a
            call that cannot be undone, and reads whose arguments depend on it may go anywhere.
        target: Name of the argument that says where a read goes: a URL, a host, a path. Once
            untrusted output has been read, such a call waits for its verdict unless its target
            is in `allow`, since even a GET can carry something out.
        allow: Targets that are always fine, as `fnmatch` patterns.

    Returns:
        A decorator for a function or a `BaseTool`, which comes back unchanged but for the mark.

    Raises:
        InvalidTool: The class is unknown, or something given contradicts it.

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
    may = effect_class in _MAY
    may = may and (effect_class != "session" or session is not None)
    may = may and (effect_class != "reversible" or undo is not None)
    if run_ahead and not may:
        raise InvalidTool(
            f"a tool of class {effect_class!r} never runs ahead as it is declared: drop "
            "run_ahead=True, declare it 'pure' or 'read' if that is what it is, or give a "
            "'reversible' tool its undo and a 'session' tool its session"
        )
    if undo is not None and effect_class != "reversible":
        raise InvalidTool(f"undo belongs to the class 'reversible', not to {effect_class!r}")
    if session is not None and effect_class not in ("session", "read"):
        raise InvalidTool(
            f"a session is for the classes 'session' and 'read', not {effect_class!r}"
        )
    if allow and target is None:
        raise InvalidTool("allow lists targets: name the argument that holds one with target=")
    declared = Effect(
        effect_class=effect_class,
        run_ahead=may and run_ahead is not False,
        undo=undo,
        check=check,
        session=session,
        trusted=trusted,
        target=target,
        allow=(allow,) if isinstance(allow, str) else tuple(allow),
    )

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
