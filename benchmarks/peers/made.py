"""Workloads that are generated from a seed and checked by code, with real tools behind them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentlanes.bench.bfcl_calls import Call, ToolSpec
from agentlanes.speculation.effects import EffectClass
from benchmarks.peers.items import Item, Truth

__all__ = ["Made", "MadeItems", "WorldOf", "spec"]


class WorldOf:
    """A small world: functions by name, over a state of its own."""

    def __init__(self, tools: Mapping[str, Callable[..., Any]], state: Any) -> None:
        self.state, self._tools = state, tools

    def execute(self, call: Call) -> str:
        """Run a call; what it raises becomes its result."""
        try:
            return json.dumps(self._tools[call.tool](self.state, **call.args))
        except Exception as error:
            return json.dumps({"error": f"{type(error).__name__}: {error}"})


def spec(
    name: str,
    description: str,
    properties: Mapping[str, str],
    effect: EffectClass,
    *,
    trusted: bool = False,
) -> ToolSpec:
    """Describe a tool whose arguments are all required.

    Args:
        name: Its name.
        description: What it does.
        properties: Its arguments, with their JSON types.
        effect: Its effect class.
        trusted: It gives its own values and nothing that somebody else wrote.
    """
    schema = {
        "type": "object",
        "properties": {key: {"type": kind} for key, kind in properties.items()},
        "required": list(properties),
    }
    return ToolSpec(
        name=name,
        owner="made",
        description=description,
        schema=schema,
        effect=effect,
        names=tuple(properties),
        defaults={},
        trusted=trusted,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One generated task.

    Attributes:
        text: The request.
        calls: The right calls.
        state: Makes the state that the tools begin with.
        right: Says what is wrong with a final state, given the calls; empty if nothing is.
    """

    text: str
    calls: tuple[Call, ...]
    state: Callable[[], Any]
    right: Callable[[Any, Sequence[Call]], str]


@dataclass(slots=True)
class MadeItems:
    """A workload of generated tasks.

    Args:
        name: Its name.
        tools: Functions of the state and their arguments.
        described: The tools as lanes see them.
        made: The tasks.
        altered: Gives a wrong call that looks like the right one.
    """

    name: str
    tools: Mapping[str, Callable[..., Any]]
    described: Mapping[str, ToolSpec]
    made: Sequence[Made]
    altered: Callable[[Call, random.Random], Call]
    _truths: dict[str, Truth] = field(default_factory=dict)

    def items(self) -> Sequence[Item]:
        """Give the tasks."""
        return [
            Item(id=f"{self.name}_{n}", turns=(one.text,), tools=(self.name,), data=one)
            for n, one in enumerate(self.made)
        ]

    def truth(self, item: Item) -> Truth:
        """Run the right calls in a world of their own."""
        if item.id not in self._truths:
            world = self.world(item)
            results = tuple(world.execute(call) for call in item.data.calls)
            self._truths[item.id] = Truth(calls=(item.data.calls,), results=(results,))
        return self._truths[item.id]

    def specs(self, item: Item) -> Mapping[str, ToolSpec]:
        """Give the tools."""
        return self.described

    def missing(self, item: Item, turn: int) -> frozenset[str]:
        """Nothing is."""
        return frozenset()

    def same(self, item: Item, one: Call, other: Call) -> bool:
        """Compare tool and arguments."""
        return one.tool == other.tool and dict(one.args) == dict(other.args)

    def wrong(self, item: Item, call: Call, draw: random.Random) -> Call:
        """Alter an argument."""
        return self.altered(call, draw)

    def world(self, item: Item) -> WorldOf:
        """Open the task's world."""
        return WorldOf(self.tools, item.data.state())

    def right(self, item: Item, made: Sequence[Sequence[Call]], world: Any) -> tuple[bool, str]:
        """Check the final state by code."""
        why = item.data.right(world.state, [call for turn in made for call in turn])
        return not why and len(made) == 1, why
