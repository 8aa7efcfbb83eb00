"""Scripted lanes for BFCL: stand-ins that know the ground truth, and err at a set rate.

They answer the same requests that models would get, from what the request shows and nothing
else; the model's name (`bfcl-act/<task id>`) says which task. Whether the act lane errs at a call
is drawn from (seed, task, turn, call), so it does not depend on who asks when, or how often.

The act lane plans no further than it could know: an argument that first appears in the result of
an earlier step of the plan is a reference to that result, and one that is only part of such a
result is left open.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentlanes.bench.bfcl_calls import Call, Catalog
from agentlanes.bench.bfcl_data import Task, load_tasks
from agentlanes.bench.bfcl_tools import World
from agentlanes.bench.bfcl_wrong import wrong_call
from agentlanes.context.prompts import ASIDE_PREFIXES, CORRECTION_PREFIX
from agentlanes.plan import resolve_step
from agentlanes.references import written
from agentlanes.testing import Reply

__all__ = ["ACT_PREFIX", "REASON_PREFIX", "Oracle"]

ACT_PREFIX, REASON_PREFIX = "bfcl-act/", "bfcl-reason/"
_BLOCK = re.compile(r"```json\s*(\{.*\})\s*```", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a request stands in its task.

    Attributes:
        turn: The user turn, from 0.
        position: Calls since the last thing the user said.
        shown: What the conversation shows so far, as one text.
        aside: The library's own last message, or an empty text.
    """

    turn: int
    position: int
    shown: str
    aside: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Truth:
    """The ground truth of a task: its calls and what they give, turn by turn."""

    calls: tuple[tuple[Call, ...], ...]
    results: tuple[tuple[str, ...], ...]


class Oracle:
    """Both scripted lanes over the first tasks of the wheel.

    Args:
        wheel: The file that `fetch_wheel` gave.
        act_error: Share of its calls that the act lane gets wrong at first, from 0 to 1.
        seed: Seed of its errors.
        limit: How many tasks it knows; all by default.
        tasks: The tasks it knows, in place of the first ones of `multi_turn_base`.

    Example:
        EndpointServer({"bfcl-act/*": oracle.act, "bfcl-reason/*": oracle.reason})
    """

    def __init__(
        self,
        wheel: Path,
        *,
        act_error: float = 0.0,
        seed: int = 0,
        limit: int | None = None,
        tasks: Sequence[Task] | None = None,
    ) -> None:
        self.catalog = Catalog(wheel)
        known = load_tasks(wheel, limit) if tasks is None else tasks
        self.tasks: dict[str, Task] = {task.id: task for task in known}
        self.act_error = act_error
        self.seed = seed
        self._truths: dict[str, _Truth] = {}

    def act(self, body: Mapping[str, Any]) -> Reply:
        """Answer as the act lane: a call, a plan, or text."""
        task = self._task(body, ACT_PREFIX)
        place = _place(body["messages"])
        corrected = CORRECTION_PREFIX in place.aside
        if "response_format" in body:
            steps = self.plan(task, place, corrected=corrected)
            return Reply(content=json.dumps({"steps": steps}))
        due = self._truth(task).calls[place.turn][place.position :]
        if not body.get("tools") or not due:
            return Reply(content=_summary(place))
        call = due[0]
        if not corrected:
            call = self.draft(task, place.turn, place.position)
        return Reply(tool_calls=[(call.tool, dict(call.args))])

    def reason(self, body: Mapping[str, Any]) -> Reply:
        """Answer as the reason lane: a verdict on what it is shown."""
        task = self._task(body, REASON_PREFIX)
        place = _place(body["messages"])
        found = _BLOCK.search(place.aside)
        if found is None:
            return Reply(content=_summary(place))
        asked = json.loads(found[1])
        proposal = asked["proposal"]
        position = place.position + len(asked.get("together") or ())
        due = self._truth(task).calls[place.turn][position:]
        if proposal["kind"] == "plan":
            wrong = self._plan_fault(task, place, proposal["steps"])
        elif proposal["kind"] == "finish":
            wrong = ("there is more to do", due[0]) if due else None
        else:
            call = Call(proposal["tool"], proposal["args"])
            wrong = self._call_fault(task, call, due)
        verdict = _verdict(wrong)
        if proposal["kind"] == "plan" and wrong is not None:
            verdict["steps"] = self.plan(task, place, corrected=True)
        return Reply(content=json.dumps(verdict))

    def draft(self, task: Task, turn: int, position: int) -> Call:
        """Give the act lane's first proposal for a call: the truth, or at the set rate an error."""
        call = self._truth(task).calls[turn][position]
        key = f"{self.seed}|{task.id}|{turn}|{position}"
        draw = random.Random(hashlib.sha256(key.encode()).digest())
        if draw.random() >= self.act_error:
            return call
        return wrong_call(self.catalog, task.classes, call, draw)

    def plan(self, task: Task, place: _Place, *, corrected: bool) -> list[dict[str, Any]]:
        """Give the act lane's plan for what is left of a turn, with the errors of its drafts."""
        truth = self._truth(task)
        steps: list[dict[str, Any]] = []
        for index, call in enumerate(truth.calls[place.turn][place.position :]):
            earlier = truth.results[place.turn][place.position : place.position + index]
            args = dict(_foreseen(call, place.shown, earlier))
            tool = call.tool
            if not corrected and args.keys() == call.args.keys():
                # A step with an open argument gets its error, if it is due, when the call is
                # drafted: a call has one chance to be wrong, not two.
                drafted = self.draft(task, place.turn, place.position + index)
                tool = drafted.tool
                args |= {k: v for k, v in drafted.args.items() if v != call.args.get(k)}
            steps.append(_step(tool, args, whole=args.keys() == call.args.keys()))
        return steps

    def _call_fault(
        self, task: Task, call: Call, due: Sequence[Call]
    ) -> tuple[str, Call | None] | None:
        if not due:
            return "nothing more is to be done", None
        if self.catalog.same(call, due[0], task.classes):
            return None
        return "another call is due here", due[0]

    def _plan_fault(
        self, task: Task, place: _Place, steps: Sequence[Mapping[str, Any]]
    ) -> tuple[str, Call | None] | None:
        truth = self._truth(task)
        calls = truth.calls[place.turn][place.position :]
        results = truth.results[place.turn][place.position :]
        tools = self.catalog.tools(task.classes)
        for index, call in enumerate(calls):
            if index >= len(steps):
                return f"step {index + 1} is missing", call
            step: Any = steps[index]
            spec = tools.get(step["tool"])
            args = resolve_step(step, results[:index], spec.schema if spec else None)
            if args is None:
                return f"step {index + 1} refers to what is not there", call
            allowed = dict(_foreseen(call, place.shown, results[:index]))
            for name, value in call.args.items():
                if name not in args and name not in allowed:
                    args[name] = value  # rightly left open: it cannot be known yet
            if not self.catalog.same(Call(step["tool"], args), call, task.classes):
                return f"step {index + 1} should be another call", call
        return ("the plan does more than was asked", None) if len(steps) > len(calls) else None

    def _task(self, body: Mapping[str, Any], prefix: str) -> Task:
        return self.tasks[str(body["model"]).removeprefix(prefix)]

    def _truth(self, task: Task) -> _Truth:
        known = self._truths.get(task.id)
        if known is None:
            world = World(self.catalog, task)
            calls = tuple(
                tuple(self.catalog.parse(text, task.classes) for text in turn)
                for turn in task.truth
            )
            results = tuple(tuple(world.execute(call) for call in turn) for turn in calls)
            known = self._truths[task.id] = _Truth(calls=calls, results=results)
        return known


def _place(messages: Sequence[Mapping[str, Any]]) -> _Place:
    turn, position, aside = -1, 0, ""
    shown: list[str] = []
    for message in messages:
        text = _text(message.get("content"))
        if message["role"] == "user":
            if text.startswith(ASIDE_PREFIXES):
                aside = text
                continue
            turn, position = turn + 1, 0
        elif message["role"] == "tool":
            position += 1
        if message["role"] != "system":
            shown.append(text)
        for call in message.get("tool_calls") or ():
            shown.append(call["function"]["arguments"])
    return _Place(turn=turn, position=position, shown="\n".join(shown), aside=aside)


def _text(content: Any) -> str:
    if isinstance(content, str) or content is None:
        return content or ""
    return "".join(part.get("text", "") for part in content)


def _foreseen(call: Call, shown: str, earlier: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Give a step's arguments as a planner can know them before the earlier steps have run.

    Args:
        call: The call.
        shown: The conversation so far, as text.
        earlier: Results that the plan's steps before it will give.
    """
    for name, value in call.args.items():
        planned = _planned(value, shown, earlier)
        if planned is not _OPEN:
            yield name, planned


_OPEN = object()


def _planned(value: Any, shown: str, earlier: Sequence[str]) -> Any:
    if isinstance(value, bool) or _mentions(shown, value):
        return value
    reference = _reference(value, earlier)
    if reference is not None:
        return reference
    if isinstance(value, list):
        parts = [_planned(one, shown, earlier) for one in value]
        return parts if all(part is not _OPEN for part in parts) else _OPEN
    # in no result either: the planner's own knowledge
    return _OPEN if any(_mentions(result, value) for result in earlier) else value


def _step(tool: str, args: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    """Write a step of a plan; what it is for is asked where an argument is left open."""
    intent = {} if whole else {"intent": tool.replace("_", " ")}
    return {"tool": tool, **intent, "args": args}


def _mentions(text: str, value: Any) -> bool:
    if isinstance(value, list | dict):
        leaves = value.values() if isinstance(value, dict) else value
        return all(_mentions(text, leaf) for leaf in leaves)
    return re.search(rf"(?<!\w){re.escape(str(value))}(?!\w)", text) is not None


def _reference(value: Any, results: Sequence[str]) -> dict[str, Any] | None:
    for number, result in enumerate(results, start=1):
        try:
            held = json.loads(result)
        except ValueError:
            continue
        for path, found in _leaves(held, ()):
            if path and (_equal(found, value) or _equal(_text_of(found), value)):
                return {"$step": number, "$path": ".".join(path)}
    return None


def _equal(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other


def _text_of(found: Any) -> str | None:
    number = isinstance(found, int | float) and not isinstance(found, bool)
    return written(found) if number else None


def _leaves(held: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, held
    inside: Iterable[tuple[Any, Any]] = ()
    if isinstance(held, dict):
        inside = held.items()
    elif isinstance(held, list):
        inside = enumerate(held)
    for key, value in inside:
        yield from _leaves(value, (*path, str(key)))


def _verdict(wrong: tuple[str, Call | None] | None) -> dict[str, Any]:
    if wrong is None:
        return {"reason": "as it should be", "verdict": "approve", "suggestion": None}
    reason, call = wrong
    suggestion = {"tool": call.tool, "args": dict(call.args)} if call else None
    return {"reason": reason, "verdict": "reject", "suggestion": suggestion}


def _summary(place: _Place) -> str:
    return f"Done: {place.position} calls were made for this request."
