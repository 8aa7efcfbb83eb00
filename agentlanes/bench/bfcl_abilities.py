"""How far the lanes of a BFCL run got, also where the task as a whole did not come out right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from agentlanes.bench.bfcl_calls import Call, Catalog
from agentlanes.bench.bfcl_data import Task
from agentlanes.bench.bfcl_run import TaskRun

__all__ = ["abilities"]


def abilities(catalog: Catalog, pairs: Sequence[tuple[Task, TaskRun]]) -> dict[str, Any]:
    """Count what was done against the ground truth, in one pass.

    Calls are compared with the ground truth of their own turn, each of whose calls counts once.
    That is stricter than BFCL's checker, which accepts detours: it shows what the lanes can do
    and decides nothing.

    Args:
        catalog: The wheel's tools.
        pairs: Tasks and how they were run.

    Returns:
        `turns` that there are, those `finished`, and those `stopped` by kind of error; `calls`
        committed (in stopped turns too), `right_calls` of them, `wanted_calls` of the turns that
        were begun, and `first_calls_right` among those turns. `judged`: verdicts on calls, where
        they were kept, by whether the turn's ground truth has the call.
    """
    turns = finished = calls = right = wanted = firsts = 0
    stopped: Counter[str] = Counter()
    judged: Counter[str] = Counter()
    for task, run in pairs:
        turns += len(task.truth)
        finished += len(run.committed)
        if run.error:
            stopped[run.error.partition(":")[0]] += 1
        truth = [[catalog.parse(text, task.classes) for text in turn] for turn in task.truth]
        begun = [*run.committed, *([run.left_off] if run.error else [])]
        for made, due in zip(begun, truth, strict=False):
            calls += len(made)
            wanted += len(due)
            right += _in_common(catalog, task, made, due)
            firsts += bool(made and due and catalog.same(made[0], due[0], task.classes))
        for at, call, status in run.judged:
            known = any(catalog.same(call, other, task.classes) for other in truth[at])
            judged[f"{status}_{'right' if known else 'wrong'}"] += 1
    return {
        "turns": turns,
        "finished": finished,
        "stopped": dict(stopped),
        "calls": calls,
        "right_calls": right,
        "wanted_calls": wanted,
        "first_calls_right": firsts,
        "judged": dict(judged),
    }


def _in_common(catalog: Catalog, task: Task, made: Sequence[Call], due: Sequence[Call]) -> int:
    left, found = list(due), 0
    for call in made:
        place = next(
            (n for n, other in enumerate(left) if catalog.same(call, other, task.classes)), None
        )
        if place is not None:
            del left[place]
            found += 1
    return found
