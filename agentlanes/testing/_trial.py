"""One call of a tool under audit: what it changed, and what repeating it shows."""

from __future__ import annotations

import asyncio
import copy
import decimal
import inspect
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool

from agentlanes.speculation.effects import EffectClass, effect_of
from agentlanes.testing.snapshot import Difference, Snapshot

__all__ = ["Evidence", "Seen", "Tool", "Trial", "tool_name"]

Tool = Callable[..., Any] | BaseTool

_KEY, _KEY_ARGUMENT = "audit", "idempotency_key"
_EVIDENCE, _DIFFERENCES, _SHOWN = 8, 1000, 100
_INDEX = re.compile(r"[\[{](?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^\[\]{}]*)[\]}]")
_CLASSES: tuple[EffectClass, ...] = ("pure", "read", "session", "reversible", "write")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One thing that a call showed.

    Attributes:
        what: What it is: `changed`, `another result`, `not undone`, ...
        args: The call's arguments.
        where: The place, before and after, if there is one.
    """

    what: str
    args: Mapping[str, Any]
    where: Difference | None = None

    def __str__(self) -> str:
        called = repr(dict(self.args))
        called = called if len(called) <= _SHOWN else f"{called[: _SHOWN - 3]}..."
        return f"{self.what}{f' {self.where}' if self.where else ''}, called with {called}"


@dataclass(slots=True)
class Seen:
    """What the calls of one tool have shown so far."""

    tool: str
    declared: EffectClass
    calls: int = 0
    changing: int = 0
    failed: int = 0
    level: int = -1
    places: Counter[str] = field(default_factory=Counter)
    evidence: dict[tuple[str, str], Evidence] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)

    @property
    def observed(self) -> EffectClass | None:
        """The narrowest class that fits all calls."""
        return None if self.level < 0 else _CLASSES[self.level]

    def at_least(self, effect_class: EffectClass) -> None:
        """Take down that a call did no less than a class allows."""
        self.level = max(self.level, _CLASSES.index(effect_class))

    def note(self, text: str) -> None:
        """Take down what limits the finding."""
        self.notes[text] = None

    def add(self, what: str, args: Mapping[str, Any], where: Difference | None = None) -> None:
        """Keep evidence, the first of its kind and place."""
        key = (what, place(where) if where else "")
        if key not in self.evidence and len(self.evidence) < _EVIDENCE:
            self.evidence[key] = Evidence(what=what, args=copy.deepcopy(dict(args)), where=where)


class Trial:
    """One call, made and repeated as the class asks for that it is held to.

    Args:
        tool: The tool.
        args: The arguments.
        world: What it works on, by name.
        watch: What else must not change.
        look: Describes what no object holds.
        covered: Places that a session covers.
        timeout_s: Bound on an asynchronous call.
        seen: Where findings go.
    """

    def __init__(
        self,
        tool: Tool,
        args: Mapping[str, Any],
        *,
        world: Mapping[str, Any],
        watch: Mapping[str, Any],
        look: Callable[[], Any] | None,
        covered: Sequence[str],
        timeout_s: float,
        seen: Seen,
    ) -> None:
        self._tool, self._args = tool, args
        self._world, self._look = dict(world), look
        self._covered, self._timeout_s, self._seen = covered, timeout_s, seen
        self._effect = effect_of(tool)
        self._is_session = seen.declared == "session"
        self._session = self._effect.session
        if self._session is not None:
            self._world["session"] = self._session.value
        code = getattr(tool, "coroutine", None) or getattr(tool, "func", None) or tool
        code = getattr(code, "__func__", code)
        around = {"decimal": decimal.getcontext(), f"{seen.tool}()": code}
        self._roots = {**self._world, **watch, **around}
        self._fork: Any = None

    async def run(self, *, keep: bool) -> Any:
        """Make the call and give its result; put the world back unless it is to be kept."""
        seen = self._seen
        before = self._snap()
        fork = None
        if self._is_session and self._session is not None:
            self._fork = self._session.fork(self._session.value)
            fork = Snapshot({"session": self._fork})
        result, raised, given = await self._make()
        after = self._snap()
        seen.calls += 1
        if raised is not None:
            seen.failed += 1
            seen.add(f"raised {type(raised).__name__}: {raised}"[:_SHOWN], self._args)
        changes = self._changes(before, after)
        changes += _arguments(self._args).differences(_arguments(given))
        moved = fork.differences(Snapshot({"session": self._fork})) if fork is not None else []
        if changes or moved:
            seen.changing += 1
            seen.places.update({place(change) for change in (*changes, *moved)})
        self._note(before)
        if seen.declared == "reversible":
            await self._take_back(before, None if raised else result, bool(changes))
        elif changes:
            self._judge(changes)
        elif moved:
            seen.at_least("session")
        else:
            await self._again(before, _outcome(result, raised))
        (after if keep else before).restore()
        if keep and self._session is not None and self._fork is not None:
            self._session.value = self._fork
        return result

    def _snap(self) -> Snapshot:
        roots = self._roots if self._look is None else {**self._roots, "look()": self._look()}
        return Snapshot(roots)

    def _changes(self, before: Snapshot, after: Snapshot) -> list[Difference]:
        found = before.differences(after, limit=_DIFFERENCES)
        if isinstance(self._tool, BaseTool):  # which fills caches of its own
            caches = tuple(f"{self._seen.tool}().{name}" for name in dir(BaseTool))
            found = [change for change in found if not change.path.startswith(caches)]
        return found

    def _note(self, before: Snapshot) -> None:
        if before.opaque:
            self._seen.note(f"could not look into: {', '.join(sorted(before.opaque))}")
        if self._is_session and self._session is None and not self._covered:
            self._seen.note("no session says what it covers: changes were not told apart")

    def _judge(self, changes: Sequence[Difference]) -> None:
        """Say what the changes of a call amount to."""
        seen, outside = self._seen, list(changes)
        if self._session is None and (self._covered or self._is_session):
            patterns = self._covered or ("*",)
            outside = [
                change
                for change in changes
                if not any(fnmatchcase(_INDEX.sub("", change.path), each) for each in patterns)
            ]
        seen.at_least("write" if outside else "session")
        for change in outside:
            past = self._is_session and (self._session is not None or self._covered)
            seen.add("changed, outside of the session," if past else "changed", self._args, change)
        for change in changes:
            if change not in outside:
                seen.add("moved its session", self._args, change)

    async def _again(self, before: Snapshot, first: Snapshot) -> None:
        """Repeat a call that changed nothing, if its class lets it be repeated."""
        seen = self._seen
        if seen.declared not in ("pure", "read"):
            seen.at_least("read")
            return
        seen.at_least(seen.declared)
        result, raised, _ = await self._make()
        changes = self._changes(before, self._snap())
        if changes:
            seen.changing += 1
            seen.places.update({place(change) for change in changes})
            self._judge(changes)
            return
        same = first.differences(_outcome(result, raised), limit=1)
        if same and seen.declared == "read":
            seen.note("it gave another result in the same world: it reads what was not looked at")
        elif same:
            seen.at_least("read")
            seen.add("gave another result", self._args, same[0])
        elif seen.declared == "pure":
            await self._elsewhere(before, first)

    async def _elsewhere(self, before: Snapshot, first: Snapshot) -> None:
        """Make the call in another world, where something pure gives the same."""
        Snapshot(self._world).scramble()
        try:
            result, raised, _ = await self._make()
        finally:
            before.restore()
        same = first.differences(_outcome(result, raised), limit=1)
        if same:
            self._seen.at_least("read")
            self._seen.add("gave another result in another world", self._args, same[0])

    async def _take_back(self, before: Snapshot, result: Any, changed: bool) -> None:
        seen, undo = self._seen, self._effect.undo
        seen.at_least("reversible" if changed else "read")
        if undo is None:
            seen.note("it declares no undo")
            if changed:
                seen.at_least("write")
            return
        text = None if result is None else _text(result)
        for wrong in ("was not undone:", "undo called again changed"):
            try:
                given = undo(copy.deepcopy(dict(self._args)), text, _KEY)
                if inspect.isawaitable(given):
                    async with asyncio.timeout(self._timeout_s):
                        await given
            except Exception as error:
                seen.at_least("write")
                seen.add(f"undo raised {type(error).__name__}: {error}"[:_SHOWN], self._args)
                return
            left = self._changes(before, self._snap())
            for difference in left:
                seen.at_least("write")
                seen.add(wrong, self._args, difference)
            if left:
                return

    async def _make(self) -> tuple[Any, Exception | None, dict[str, Any]]:
        """Make the call with a copy of the arguments; give its result, or what it raised."""
        given = copy.deepcopy(dict(self._args))
        there: AbstractContextManager[Any] = nullcontext()
        if self._session is not None and self._fork is not None:
            there = self._session.using(self._fork)
        try:
            with there:
                return await self._called(given), None, given
        except Exception as error:
            return None, error, given

    async def _called(self, given: dict[str, Any]) -> Any:
        tool = self._tool
        key = {_KEY_ARGUMENT: _KEY} if _takes_key(tool) and _KEY_ARGUMENT not in given else {}
        if not isinstance(tool, BaseTool):
            result = tool(**given, **key)
            if inspect.isawaitable(result):
                async with asyncio.timeout(self._timeout_s):
                    result = await result
            return result
        call = {"name": tool.name, "args": {**given, **key}, "id": "audit", "type": "tool_call"}
        if getattr(tool, "func", None) is not None or type(tool)._arun is BaseTool._arun:
            message = tool.invoke(call)
        else:
            async with asyncio.timeout(self._timeout_s):
                message = await tool.ainvoke(call)
        return message.content if isinstance(message, ToolMessage) else message


def tool_name(tool: Tool) -> str:
    """Give a tool's name."""
    if isinstance(tool, BaseTool):
        return tool.name
    return str(getattr(tool, "__name__", None) or type(tool).__name__)


def place(difference: Difference) -> str:
    """Give a place without its keys and positions."""
    return _INDEX.sub("[*]", difference.path)


def _takes_key(tool: Tool) -> bool:
    if isinstance(tool, BaseTool):
        return _KEY_ARGUMENT in tool.get_input_jsonschema().get("properties", {})
    try:
        return _KEY_ARGUMENT in inspect.signature(tool).parameters
    except (TypeError, ValueError):
        return False


def _arguments(args: Mapping[str, Any]) -> Snapshot:
    return Snapshot({"args": dict(args)})


def _outcome(result: Any, raised: Exception | None) -> Snapshot:
    if raised is not None:
        return Snapshot({"raised": f"{type(raised).__name__}: {raised}"})
    return Snapshot({"result": result})


def _text(result: Any) -> str:
    """Word a result as the transcript holds it."""
    if isinstance(result, str):
        return result
    try:
        return json.dumps(result, ensure_ascii=False)
    except (TypeError, ValueError):
        return str(result)
