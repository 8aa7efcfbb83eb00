"""How fast a verified run could be at best: perfect overlap over the right calls.

For a user turn with right calls 1..n, where R is what the reason lane takes for the decision at
the turn's beginning, A what the act lane takes for a first draft, and T(i) what call i takes:

    ready(i) = max(A, end(j) for every j < i on which i depends)      for calls without effect
    ready(i) = max(R, the same)                                       for all others
    end(i)   = ready(i) + T(i)
    bound    = max(R, max over i of end(i)) + what the act lane takes for the answer

Calls depend on each other as `items.depends` says: by order where one of them may change
something, else by data. The sum over a task's turns is the task's bound. It supposes one decision
of the reason lane a turn, that nothing waits for a draft before it, no error, and no reply of the
act lane between calls: nothing that asks the reason lane can be faster. Errors, which cost a
correction and a second verdict, count against the contestant.
"""

from __future__ import annotations

from benchmarks.peers.items import RUNS_AHEAD, Item, depends
from benchmarks.peers.stage import Stage

__all__ = ["bound_s"]


def bound_s(stage: Stage, item: Item) -> float:
    """Give the lower bound of a task, in seconds."""
    truth, specs = stage.items.truth(item), stage.items.specs(item)
    total = 0.0
    for turn, (calls, results) in enumerate(zip(truth.calls, truth.results, strict=True)):
        at = f"{stage.seed}|{item.id}|"
        first = stage.profile.act(f"{at}act|{turn}|0", 1)
        approved = stage.profile.reason(f"{at}reason|{turn}|0")
        known = "\n".join(item.turns[: turn + 1])
        ends: list[float] = []
        for n, call in enumerate(calls):
            effect = specs[call.tool].effect
            ready = first if effect in RUNS_AHEAD else approved
            for m in range(n):
                effects = (specs[calls[m].tool].effect, effect)
                if depends(call, results[m], effects, known):
                    ready = max(ready, ends[m])
            ends.append(ready + stage.tool_s(item, call))
        total += max([approved, *ends]) + stage.profile.act(f"{at}act|{turn}|deliver", 2)
    return total
