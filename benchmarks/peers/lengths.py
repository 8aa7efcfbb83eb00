"""Errands of a set number of calls, to see how times grow with a task's length.

Every fourth call writes what the call before it has read; the others are reads whose arguments
stand in the request. So a planner can plan all of it, with references, and three calls in four can
run ahead of their verdict.

What a read gives is a number of the shop's own, so the tools are declared `trusted`: an approved
plan may pass the number on to a write. Where nobody has declared that, agentlanes asks for a
verdict on each such write; `-untrusted` behind the name of the workload is that case.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from functools import partial
from typing import Any

from agentlanes.bench.bfcl_calls import Call
from benchmarks.peers.made import Made, MadeItems, spec

__all__ = ["PREFIX", "UNTRUSTED", "of_length"]

PREFIX, UNTRUSTED = "steps-", "-untrusted"
_SHELVES = 2000
_EVERY = 4


def _stock() -> dict[str, Any]:
    draw = random.Random(19)
    count = {f"shelf{n:04d}": draw.randrange(100_000, 999_999) for n in range(_SHELVES)}
    return {"count": count, "booked": []}


def _look(state: Any, shelf: str) -> Any:
    return {"count": state["count"].get(shelf)}


def _book(state: Any, shelf: str, count: int) -> Any:
    state["booked"].append((shelf, count))
    return {"booked": shelf}


def _altered(call: Call, draw: random.Random) -> Call:
    other = f"shelf{draw.randrange(_SHELVES):04d}"
    if other == call.args["shelf"]:
        other = f"{other}x"
    return Call(call.tool, {**call.args, "shelf": other})


def _fault(calls: Sequence[Call], wanted: Sequence[Any], state: Any, made: Sequence[Call]) -> str:
    if state["booked"] != wanted:
        return "other counts are booked than should be"
    return "" if list(made) == list(calls) else "not the calls that were asked for"


def of_length(steps: int, tasks: int = 20, *, trusted: bool = True) -> MadeItems:
    """Generate tasks of so many calls each.

    Args:
        steps: The calls of a task.
        tasks: How many tasks.
        trusted: What the tools are declared to be.
    """
    draw, stock, made = random.Random(f"steps-{steps}"), _stock()["count"], []
    for _ in range(tasks):
        calls: list[Call] = []
        told: list[str] = []
        for n, shelf in enumerate(draw.sample(list(stock), steps)):
            if n % _EVERY == _EVERY - 1:
                before = calls[-1].args["shelf"]
                calls.append(Call("book", {"shelf": before, "count": stock[before]}))
                told.append(f"book the count of {before}")
            else:
                calls.append(Call("look", {"shelf": shelf}))
                told.append(f"look at {shelf}")
        wanted = [(c.args["shelf"], c.args["count"]) for c in calls if c.tool == "book"]
        right = partial(_fault, calls, wanted)
        text = f"Do this in order: {json.dumps(told)}"
        made.append(Made(text=text, calls=tuple(calls), state=_stock, right=right))
    return MadeItems(
        f"{PREFIX}{steps}{'' if trusted else UNTRUSTED}",
        {"look": _look, "book": _book},
        {
            "look": spec(
                "look", "Count what lies on a shelf.", {"shelf": "string"}, "read", trusted=trusted
            ),
            "book": spec(
                "book",
                "Book a count.",
                {"shelf": "string", "count": "integer"},
                "write",
                trusted=trusted,
            ),
        },
        made,
        _altered,
    )
