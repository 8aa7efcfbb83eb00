"""The tasks, and two scripted lanes that know them; what they say goes by the request alone."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from agentlanes.testing import ScriptedModel
from tests.crash.points import Points
from tests.crash.world import FENCED, RESULTS, World
from tests.oracle import Call, Oracle

__all__ = ["TASKS", "Lanes", "Task", "task_of"]

_REQUEST = re.compile(r"^carry out (\S+) for (\S+)$")

Step = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task: its right calls, and where the act lane is wrong at first.

    Attributes:
        steps: Tools and numbers, in order.
        wrong: What is drafted first instead, by place.
    """

    steps: Sequence[Step]
    wrong: Mapping[int, Step] = field(default_factory=dict)

    def expected(self) -> list[tuple[str, int, str]]:
        """Give the calls that a run without any crash commits, with their results."""
        done, stands = [], 0
        for tool, n in self.steps:
            given = {"look": str(stands), "double": str(2 * n)}.get(tool) or RESULTS[tool]
            stands += tool in RESULTS
            done.append((tool, n, given))
        return done


def _of_class(tool: str) -> Task:
    return Task(
        steps=[("look", 1), (tool, 1), ("look", 2), (tool, 2), ("look", 3)],
        wrong={1: (tool, 91)},
    )


TASKS: Mapping[str, Task] = {
    **{tool: _of_class(tool) for tool in ("double", "look", "jot", *FENCED)},
    "mixed": Task(
        steps=[
            *[("look", 1), ("double", 2), ("jot", 1), ("pay", 1), ("look", 2)],
            *[("cd", 1), ("jot", 2), ("store", 1), ("look", 3), ("send", 1), ("look", 4)],
        ],
        wrong={2: ("jot", 91), 3: ("send", 92), 7: ("jot", 93), 9: ("pay", 94)},
    ),
    "ahead": Task(
        steps=[("look", 1), ("jot", 1), ("look", 2), ("jot", 2), ("look", 3), ("send", 1)],
        wrong={3: ("jot", 91), 4: ("look", 92)},
    ),
}
"""A task for every tool, one of all, and one that runs far ahead."""


def task_of(name: str) -> Task:
    """Find a task."""
    return TASKS[name]


def request(task: str, who: str) -> str:
    """Word a task as a user's message."""
    return f"carry out {task} for {who}"


class Lanes:
    """Both lanes of a process.

    Args:
        world: Where verdicts are written down when they are given.
        points: Where this process may die.
        act_s: Seconds a draft takes.
        reason_s: Seconds a verdict takes.
    """

    def __init__(self, world: World, points: Points, *, act_s: float, reason_s: float) -> None:
        self._world, self._points = world, points
        self._act_s, self._reason_s = act_s, reason_s
        self.act = ScriptedModel(script=self._say_act, model_name="act")
        self.reason = ScriptedModel(script=self._say_reason, model_name="reason")

    async def _say_act(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        await self._points.reach("act:before")
        oracle, _ = _oracle(messages)
        reply = _answer(oracle.act, messages, kwargs)
        await asyncio.sleep(self._act_s)
        await self._points.reach("act:after")
        return reply

    async def _say_reason(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        await self._points.reach("reason:before")
        oracle, who = _oracle(messages)
        reply = _answer(oracle.reason, messages, kwargs)
        await asyncio.sleep(self._reason_s)
        await self._points.reach("reason:after")
        said = json.loads(str(reply.text))["verdict"]
        self._world.journal(who).write(
            what="verdict", said=said, proposal=oracle.judged[-1]["proposal"]
        )
        return reply


def _answer(model: ScriptedModel, messages: list[BaseMessage], kwargs: Any) -> AIMessage:
    script: Callable[[list[BaseMessage], Any], AIMessage] = model.script  # type: ignore[assignment]
    return script(messages, kwargs)


def _oracle(messages: Sequence[BaseMessage]) -> tuple[Oracle, str]:
    """Make the oracle of the conversation's task."""
    for message in messages:
        found = _REQUEST.match(str(message.text)) if isinstance(message, HumanMessage) else None
        if found is not None:
            task, who = task_of(found[1]), found[2]
            return Oracle(
                [_call(step, who) for step in task.steps],
                wrong={place: _call(step, who) for place, step in task.wrong.items()},
            ), who
    raise LookupError("no task in the conversation")


def _call(step: Step, who: str) -> Call:
    return step[0], {"who": who, "n": step[1]}
