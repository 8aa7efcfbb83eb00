"""The effect auditor: runs a tool, looks at what it changed, and compares that with its class.

A tool that is declared `read` and changes something breaks what agentlanes promises, and nothing
at run time can notice it. So tools are audited beforehand, in a world made for it: the calls are
real calls.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
import sys
import threading
import types
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from rich.table import Table

from agentlanes.speculation.effects import EffectClass, effect_of
from agentlanes.testing._trial import Evidence, Seen, Tool, Trial, tool_name

__all__ = ["Auditor", "EffectAudit", "Evidence", "audit_effect", "audit_table"]

_ORDER: tuple[EffectClass, ...] = get_args(EffectClass)


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectAudit:
    """What the calls of a tool say about its effect class.

    Evidence of a change is proof; that none was seen holds for the calls that were made, and for
    the objects that were looked at.

    Attributes:
        tool: The tool's name.
        declared: The class it declares; `irreversible` when it declares none.
        observed: The narrowest class that fits what was seen; `None` when no call was made.
        calls: Calls that were looked at, repetitions not counted.
        changing: Calls that changed something.
        failed: Calls that raised.
        places: Where something changed and how often, keys and positions left out.
        evidence: What was seen, the first few of each kind and place.
        notes: What limits the finding.
    """

    tool: str
    declared: EffectClass
    observed: EffectClass | None
    calls: int
    changing: int
    failed: int
    places: Mapping[str, int]
    evidence: tuple[Evidence, ...]
    notes: tuple[str, ...]

    @property
    def contradicted(self) -> bool:
        """Whether a call did more than the declared class allows."""
        return self.observed is not None and _rank(self.observed) > _rank(self.declared)

    @property
    def could_be(self) -> EffectClass | None:
        """A narrower class that nothing seen speaks against."""
        if self.observed is None or _rank(self.observed) >= _rank(self.declared):
            return None
        return None if self.observed == "write" else self.observed

    def explain(self) -> str:
        """Say what was found, and how far it goes."""
        if self.contradicted:
            verdict = f"is declared {self.declared!r}, and is {self.observed!r} at least"
        elif self.observed is None:
            verdict = f"is declared {self.declared!r}; nothing was called"
        else:
            verdict = f"is declared {self.declared!r}, and nothing seen contradicts that"
        lines = [f"{self.tool} {verdict}"]
        if self.could_be is not None:
            lines.append(f"  could be declared {self.could_be!r}: no more was seen")
        if not self.changing:
            lines.append(f"  no change seen in {self.calls} calls")
        else:
            lines.append(f"  {self.changing} of {self.calls} calls changed something")
        lines += [f"  {evidence}" for evidence in self.evidence]
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)


def audit_effect(
    tool: Tool,
    args_list: Iterable[Mapping[str, Any]],
    world: Any = (),
    *,
    declared: EffectClass | None = None,
    session: Collection[str] = (),
    watch: Any = (),
    look: Callable[[], Any] | None = None,
    timeout_s: float = 30.0,
) -> EffectAudit:
    """Run a tool in a world and say whether its declared effect class is true.

    Before and after every call everything the world holds is compared, private attributes
    included, with what the tool's own code keeps (closures, defaults, globals it names), the
    call's arguments and the random generators of the process. Then, by declared class:

    - `pure`: the call is made again, and once more with every plain value of the world changed;
      the result has to be the same each time.
    - `read`: nothing may change.
    - `session`: the call works on a fork of its `Session`, and nothing else may change, the
      committed state included; without a `Session`, nothing outside the places in `session`.
    - `reversible`: its `undo` has to bring everything back, and do nothing when called again.
    - `write`, `irreversible`: anything may change, and the call is made once.

    The world is put back after every call. What a tool raises is recorded, never raised. Changes
    outside of the process, and inside objects of C code, are only seen through `look`.

    Args:
        tool: A function or a LangChain tool, synchronous or not.
        args_list: The arguments of each call.
        world: What the tool works on: an object, or a tuple of several.
        declared: The class to hold it to, instead of the one it declares.
        session: Places that its session covers, as `fnmatch` patterns of paths:
            `"Shell._folder"`.
        watch: Further objects that must not change; a result may depend on them.
        look: Describes what no object holds (files, rows), as plain data.
        timeout_s: Bound on a call of an asynchronous tool.

    Example:
        >>> class Bank:
        ...     def __init__(self):
        ...         self._log = []
        ...     def balance(self, name: str) -> int:
        ...         self._log.append(name)
        ...         return 10
        >>> bank = Bank()
        >>> audit = audit_effect(bank.balance, [{"name": "ada"}], bank, declared="read")
        >>> audit.contradicted, audit.observed, dict(audit.places)
        (True, 'write', {'Bank._log[*]': 1})
        >>> bank._log
        []
    """
    auditor = Auditor(session=session, watch=watch, look=look, timeout_s=timeout_s)

    async def run() -> EffectAudit:
        for args in args_list:
            await auditor.call(tool, args, world, declared=declared)
        return auditor.audit(tool, declared=declared)

    return _run(run())


def audit_table(audits: Iterable[EffectAudit]) -> Table:
    """Give a table of audits, a line a tool, for `rich` to print."""
    table = Table("tool", "declared", "seen", "calls", "changed", "where", "finding")
    for audit in audits:
        finding = "CONTRADICTED" if audit.contradicted else ""
        if audit.could_be is not None:
            finding = f"could be {audit.could_be}"
        where = ", ".join(list(audit.places)[:3]) + (", ..." if len(audit.places) > 3 else "")
        row = (audit.tool, audit.declared, audit.observed or "-", str(audit.calls))
        table.add_row(*row, str(audit.changing), where.replace("[", r"\["), finding)
    return table


class Auditor:
    """Audits several tools while a world goes on from call to call.

    Args:
        session: As for `audit_effect`, as are the others.
        watch: Objects that must not change.
        look: Describes what no object holds.
        timeout_s: Bound on a call of an asynchronous tool.

    Example:
        >>> async def replay(auditor, calls, world):
        ...     for tool, args in calls:
        ...         await auditor.call(tool, args, world, keep=True)
        ...     return auditor.audits()
    """

    def __init__(
        self,
        *,
        session: Collection[str] = (),
        watch: Any = (),
        look: Callable[[], Any] | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        self._session = tuple(session)
        self._watch = _named(watch) | _generators()
        self._look = look
        self._timeout_s = timeout_s
        self._seen: dict[str, Seen] = {}

    async def call(
        self,
        tool: Tool,
        args: Mapping[str, Any],
        world: Any = (),
        *,
        declared: EffectClass | None = None,
        keep: bool = False,
    ) -> Any:
        """Make one call, repeat it as its class asks for, and take down what it showed.

        Args:
            tool: The tool.
            args: The arguments; the tool gets a copy.
            world: What it works on.
            declared: The class to hold it to, instead of the one it declares.
            keep: Leave the world as the call left it; otherwise it is put back.

        Returns:
            The call's result, `None` when it raised.
        """
        trial = Trial(
            tool,
            args,
            world=_named(world),
            watch=self._watch,
            look=self._look,
            covered=self._session,
            timeout_s=self._timeout_s,
            seen=self._of(tool, declared),
        )
        return await trial.run(keep=keep)

    def audit(self, tool: Tool, *, declared: EffectClass | None = None) -> EffectAudit:
        """Give what was found about one tool.

        Args:
            tool: The tool.
            declared: The class it was held to, if it was not its own.
        """
        return _audit(self._of(tool, declared))

    def audits(self) -> list[EffectAudit]:
        """Give what was found about every tool that was called, by name."""
        return [_audit(seen) for _, seen in sorted(self._seen.items())]

    def _of(self, tool: Tool, declared: EffectClass | None) -> Seen:
        name, effect = tool_name(tool), effect_of(tool)
        seen = self._seen.get(name)
        if seen is None:
            seen = self._seen[name] = Seen(name, declared or effect.effect_class)
            if declared is None and not effect.declared:
                seen.note("it declares no class, so the strictest counts")
        return seen


def _audit(seen: Seen) -> EffectAudit:
    return EffectAudit(
        tool=seen.tool,
        declared=seen.declared,
        observed=seen.observed,
        calls=seen.calls,
        changing=seen.changing,
        failed=seen.failed,
        places=dict(seen.places),
        evidence=tuple(seen.evidence.values()),
        notes=tuple(seen.notes),
    )


def _rank(effect_class: EffectClass) -> int:
    return _ORDER.index(effect_class)


def _named(things: Any) -> dict[str, Any]:
    """Name objects by their classes, as paths begin."""
    named: dict[str, Any] = {}
    for thing in things if type(things) is tuple else (things,):
        name = type(thing).__name__
        if isinstance(thing, types.ModuleType):
            name = thing.__name__.rpartition(".")[2]
        number = 2
        while name in named:
            name, number = f"{type(thing).__name__}#{number}", number + 1
        named[name] = thing
    return named


def _generators() -> dict[str, Any]:
    """Give the random generators that a process shares."""
    shared: dict[str, Any] = {"random": random.seed.__self__}  # type: ignore[attr-defined]
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        shared["numpy.random"] = numpy.random.mtrand._rand
    return shared


def _run(work: Coroutine[Any, Any, EffectAudit]) -> EffectAudit:
    """Run to the end, also where an event loop runs already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    given: list[EffectAudit] = []
    context = contextvars.copy_context()
    thread = threading.Thread(target=lambda: given.append(context.run(asyncio.run, work)))
    thread.start()
    thread.join()
    return given[0]
