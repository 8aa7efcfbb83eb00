"""What a contestant is given to do: a task whose right calls are known and whose end is checked."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from agentlanes.bench.bfcl_calls import Call, Catalog, ToolSpec
from agentlanes.bench.bfcl_check import Checker
from agentlanes.bench.bfcl_data import (
    CATEGORIES,
    MORE_TOOLS,
    Task,
    fetch_wheel,
    load_tasks,
)
from agentlanes.bench.bfcl_tools import World
from agentlanes.bench.bfcl_wrong import wrong_call

__all__ = ["BfclItems", "Item", "Items", "Truth", "depends"]

RUNS_AHEAD = frozenset({"pure", "read"})
"""Effect classes without an effect: such calls commute with each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The right calls of a task and what they give, turn by turn."""

    calls: tuple[tuple[Call, ...], ...]
    results: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One task.

    Attributes:
        id: Its name.
        turns: What the user says.
        tools: Names the set of tools; tasks with the same name share them.
        data: What the workload keeps for itself.
    """

    id: str
    turns: tuple[str, ...]
    tools: tuple[str, ...]
    data: Any


class Items(Protocol):
    """A workload."""

    name: str

    def items(self) -> Sequence[Item]:
        """Give all of its tasks, in a fixed order in which the first N are a fair sample."""
        ...

    def truth(self, item: Item) -> Truth:
        """Give the right calls."""
        ...

    def specs(self, item: Item) -> Mapping[str, ToolSpec]:
        """Give the tools of a task by name."""
        ...

    def missing(self, item: Item, turn: int) -> frozenset[str]:
        """Name the tools that are not there yet in a turn."""
        ...

    def same(self, item: Item, one: Call, other: Call) -> bool:
        """Say whether two calls are the same."""
        ...

    def wrong(self, item: Item, call: Call, draw: random.Random) -> Call:
        """Give a wrong call that looks like the right one."""
        ...

    def world(self, item: Item) -> Any:
        """Open what the tools work on: it has `execute(call) -> str`."""
        ...

    def right(self, item: Item, made: Sequence[Sequence[Call]], world: Any) -> tuple[bool, str]:
        """Check how a task ended; the text says what is wrong."""
        ...


def depends(later: Call, result: str, effects: tuple[str, str], known: str) -> bool:
    """Say whether a call has to wait for an earlier one.

    It has to when either of them may change something, or when an argument stands in the earlier
    one's result and nowhere in what was known before.

    Args:
        later: The later call.
        result: What the earlier one gives.
        effects: Both effect classes, the earlier call's first.
        known: The text of the request.
    """
    if not set(effects) <= RUNS_AHEAD:
        return True
    leaves = [_text(leaf) for value in later.args.values() for leaf in _leaves(value)]
    return any(leaf in result and leaf not in known for leaf in leaves)


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [leaf for inner in value.values() for leaf in _leaves(inner)]
    if isinstance(value, list | tuple):
        return [leaf for inner in value for leaf in _leaves(inner)]
    return [] if isinstance(value, bool) or value is None else [value]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


class BfclItems:
    """BFCL's 800 multi-turn tasks, judged by BFCL's checker and by the live APIs' final state.

    Args:
        joined: All turns of a task are given as one request. Its right calls are those of all
            turns in order, and every tool is there from the beginning.
    """

    def __init__(self, *, joined: bool) -> None:
        self.name = "bfcl-joined" if joined else "bfcl"
        wheel = fetch_wheel()
        self.catalog = Catalog(wheel)
        self._checker = Checker(wheel, self.catalog)
        by_category = [load_tasks(wheel, category=category) for category in CATEGORIES]
        tasks = [task for row in zip(*by_category, strict=True) for task in row]
        # Drawn once: neighbours in a category look alike, so the first N would be no fair sample.
        random.Random(0).shuffle(tasks)
        self._items = [
            Item(id=task.id, turns=task.turns, tools=task.classes, data=task)
            for task in (map(_joined, tasks) if joined else tasks)
        ]
        self._truths: dict[str, Truth] = {}

    def items(self) -> Sequence[Item]:
        """Give the tasks in a fixed, shuffled order."""
        return self._items

    def truth(self, item: Item) -> Truth:
        """Give the right calls and what they return in a world of their own."""
        known = self._truths.get(item.id)
        if known is None:
            world = World(self.catalog, item.data)
            calls = tuple(
                tuple(self.catalog.parse(text, item.data.classes) for text in turn)
                for turn in item.data.truth
            )
            results = tuple(tuple(world.execute(call) for call in turn) for turn in calls)
            known = self._truths[item.id] = Truth(calls=calls, results=results)
        return known

    def specs(self, item: Item) -> Mapping[str, ToolSpec]:
        """Give the tools of the task's APIs."""
        return self.catalog.tools(item.tools)

    def missing(self, item: Item, turn: int) -> frozenset[str]:
        """Name BFCL's held-out tools."""
        task: Task = item.data
        return task.missing_at(turn)

    def same(self, item: Item, one: Call, other: Call) -> bool:
        """Compare with defaults filled in."""
        return self.catalog.same(one, other, item.tools)

    def wrong(self, item: Item, call: Call, draw: random.Random) -> Call:
        """Change an argument or the tool."""
        return wrong_call(self.catalog, item.tools, call, draw)

    def world(self, item: Item) -> World:
        """Load the task's APIs."""
        return World(self.catalog, item.data)

    def right(self, item: Item, made: Sequence[Sequence[Call]], world: Any) -> tuple[bool, str]:
        """Ask BFCL's checker, and compare the live APIs with the ground truth's."""
        finding = self._checker.check(item.data, made, world)
        return finding.correct, finding.why


def _joined(task: Task) -> Task:
    said = [text for text in task.turns if text != MORE_TOOLS]
    request = "\n\n".join(f"{number}. {text}" for number, text in enumerate(said, start=1))
    flat = tuple(call for turn in task.truth for call in turn)
    return replace(
        task, turns=(f"Do all of this, in order.\n\n{request}",), truth=(flat,), missing={}
    )
