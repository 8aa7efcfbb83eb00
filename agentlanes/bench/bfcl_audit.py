"""Auditing BFCL's simulated APIs: is every class in `bfcl_effects` true?

Each API is driven with the ground truth's calls of the multi-turn tasks. Then, in the state that
a task ends in, all of its tools are called with further arguments, most of which no task uses.
"""

from __future__ import annotations

import copy
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from agentlanes.bench.bfcl_calls import Call, Catalog, ToolSpec
from agentlanes.bench.bfcl_data import Task
from agentlanes.bench.bfcl_tools import World
from agentlanes.testing.audit import Auditor, EffectAudit

__all__ = ["SESSIONS", "audit_apis", "mutating_getters"]

SESSIONS = (
    "GorillaFileSystem._current_dir",
    "MessageAPI.current_user",
    "TicketAPI.current_user",
    "TradingBot.authenticated",
    "TravelAPI.access_token",
    "TravelAPI.token_*",
    "TravelAPI.user_*",
    "TwitterAPI.authenticated",
    "*._random",
)
"""Where the APIs keep what belongs to a session: who is logged in, where they are, what they will
draw next."""

_LOOKING = re.compile(
    r"(get|list|view|search|find|check|display|show|estimate|compute|retrieve|filter|verify)(_|[A-Z])"
    r"|(ls|cat|pwd|wc|du|tail|diff|grep|sort|logarithm|mean|sum_values|square_root|notify)"
)
_ENUM = re.compile(r"\[Enum\]:\s*\[?([^\]]+)\]?")
_VARIANTS = 3
_TYPES: Mapping[str, type] = {"string": str, "integer": int, "number": float}
_OTHERS: Mapping[str, list[Any]] = {
    "string": ["USD", "fuel", ".", "a", "2024-01-01", "San Francisco"],
    "integer": [0, 1, 2, 7],
    "number": [0.5, 1.5, 100.0],
    "boolean": [True, False],
    "array": [[1, 2], ["a"], []],
    "object": [{}],
}


async def audit_apis(
    catalog: Catalog,
    tasks: Sequence[Task],
    *,
    explore_every: int = 8,
    seed: int = 0,
    on_task: Callable[[int], None] | None = None,
) -> list[EffectAudit]:
    """Audit the tools of all APIs that some tasks offer.

    Args:
        catalog: The wheel's tools.
        tasks: The tasks whose ground truth is run.
        explore_every: After every so many tasks, all tools are called with further arguments.
        seed: Seed of those arguments.
        on_task: Called with the number of tasks that are done.
    """
    import mpmath  # an extra: read only when APIs that need it are there

    digits = mpmath.mp.dps
    auditor = Auditor(session=SESSIONS, look=lambda: {"mpmath precision": mpmath.mp.dps})
    known = _known_arguments(catalog, tasks)
    try:
        for number, task in enumerate(tasks):
            world = World(catalog, task)
            for text in (text for turn in task.truth for text in turn):
                await _call(auditor, catalog, world, catalog.parse(text, task.classes), keep=True)
            if number % explore_every == 0:
                draw = random.Random(f"{seed}|{task.id}")
                for spec in catalog.tools(task.classes).values():
                    there = list(_groups(vars(world.instances[spec.owner])))
                    for _ in range(_VARIANTS):
                        call = Call(spec.name, dict(_made_up(spec, known, there, draw)))
                        await _call(auditor, catalog, world, call, keep=False)
            if on_task is not None:
                on_task(number + 1)
    finally:
        mpmath.mp.dps = digits
    return auditor.audits()


def mutating_getters(audits: Iterable[EffectAudit]) -> list[EffectAudit]:
    """Give the tools whose names say that they only look or compute, and that change something."""
    return [audit for audit in audits if audit.changing and _LOOKING.match(audit.tool)]


async def _call(
    auditor: Auditor, catalog: Catalog, world: World, call: Call, *, keep: bool
) -> None:
    # The API's own method, so that its code is looked at too. It may keep its mutable defaults,
    # which would carry something from one world into the next: it gets fresh ones.
    spec = catalog.tools(list(world.instances))[call.tool]
    fresh = {
        name: copy.deepcopy(value)
        for name, value in spec.defaults.items()
        if isinstance(value, list | dict) and name not in call.args
    }
    method = getattr(world.instances[spec.owner], spec.name)
    everything = tuple(world.instances.values())
    await auditor.call(method, {**call.args, **fresh}, everything, declared=spec.effect, keep=keep)


def _known_arguments(catalog: Catalog, tasks: Sequence[Task]) -> dict[str, list[Any]]:
    """Gather the values that the ground truth gives to arguments, by the argument's name."""
    known: dict[str, dict[str, Any]] = defaultdict(dict)
    for task in tasks:
        for text in (text for turn in task.truth for text in turn):
            for name, value in catalog.parse(text, task.classes).args.items():
                known[name].setdefault(repr(value), value)
    return {name: list(values.values()) for name, values in known.items()}


def _groups(held: Any) -> Iterator[list[Any]]:
    """Give the names and the values that a world holds, those of each container together."""
    if isinstance(held, Mapping):
        yield list(held)
    inside = list(held.values()) if isinstance(held, Mapping) else held
    if isinstance(inside, list):
        yield inside
        for value in inside:
            yield from _groups(value)


def _made_up(
    spec: ToolSpec,
    known: Mapping[str, list[Any]],
    there: Sequence[Sequence[Any]],
    draw: random.Random,
) -> Iterator[tuple[str, Any]]:
    """Give arguments: listed ones, known ones of the same name, ones that the world has."""
    for name in spec.names:
        if name in spec.defaults and draw.random() < 0.4:
            continue
        about = spec.schema["properties"][name]
        kind = about["type"][0] if isinstance(about["type"], list) else about["type"]
        listed = _ENUM.search(about.get("description", ""))
        fitting = [[v for v in group if type(v) is _TYPES.get(kind)] for group in there]
        choices = draw.choice([group for group in fitting if group] or [[]])
        if listed and kind == "string":
            choices = [item.strip(" \"'") for item in listed[1].split(",")]
        elif name in known and draw.random() < 0.5:
            choices = known[name]
        elif not choices or draw.random() < 0.5:
            choices = _OTHERS[kind]
        yield name, copy.deepcopy(draw.choice(choices))
