"""What is done to runs: a kill at every point, two workers at once, kills at random times."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from tests.crash.driver import Case, Outcome, Server, crash_and_resume, take_stock
from tests.crash.lanes import TASKS

__all__ = [
    "RACES",
    "combinations",
    "crash_points",
    "kill_at_random",
    "meet",
    "race",
    "row_of",
    "stop_in_the_middle",
]

_PATIENCE_S = 60.0

_ROWS = (
    ("ledger:before:lease", 35),
    ("ledger:after:lease", 35),
    ("ledger:before:started", 29),
    ("ledger:after:started", 30),
    ("ledger:before:done", 31),
    ("ledger:after:done", 32),
    ("ledger:", 35),
    ("undo:", 35),
    ("check:", 30),
    ("tool:before:jot", 35),
    ("tool:after:jot", 35),
    ("tool:before:look", 35),
    ("tool:after:look", 35),
    ("tool:before", 30),
    ("tool:after", 31),
    ("saver:before", 33),
    ("saver:after", 34),
    ("act:before", 27),
    ("reason:before", 27),
    ("act:after", 28),
    ("reason:after", 28),
)


def row_of(point: str) -> int:
    """Number a point: 27/28 before/after a model, 29/30 before/after the intent is recorded.

    31/32 after the effect and after its record, 33/34 before/after a checkpoint, 35 during
    run-ahead.
    """
    return next(row for prefix, row in _ROWS if point.startswith(prefix))


def combinations(tasks: Iterable[str] = tuple(TASKS)) -> Iterator[dict[str, Any]]:
    """Give tasks x planning x durability, and reversible tools running ahead or not."""
    for task, planning, durability in itertools.product(
        tasks, ("never", "always"), ("sync", "async")
    ):
        for ahead in (True, False) if task in ("jot", "mixed") else (True,):
            yield {"task": task, "planning": planning, "durability": durability, "ahead": ahead}


def crash_points(passed: Sequence[str], chance: random.Random) -> Iterator[dict[str, Any]]:
    """Choose a passing of every point that a run without a crash has passed."""
    for name in sorted(set(passed)):
        yield {"kill_at": name, "kill_nth": chance.randint(1, passed.count(name))}


RACES: Sequence[tuple[str, dict[str, Any], str]] = (
    ("send", {"kill_at": "ledger:before:started"}, "ledger:after:lease"),
    ("pay", {"kill_at": "ledger:before:started"}, "ledger:after:lease"),
    ("send", {"kill_at": "ledger:before:started"}, "ledger:before:lease"),
    ("send", {"kill_at": "ledger:after:started"}, "ledger:before:lease"),
    ("store", {"kill_at": "act:before", "kill_nth": 2}, "act:before"),
    ("ahead", {"kill_at": "act:after", "kill_nth": 2}, "act:before"),
    ("jot", {"kill_at": "act:after", "kill_nth": 2}, "ledger:after:lease"),
    ("ahead", {"kill_at": "ledger:after:kept"}, "ledger:before:lease"),
    ("mixed", {"kill_at": "act:before", "kill_nth": 3}, "act:before"),
)
"""Tasks, where the first process dies, and where the two that resume its run meet. A payment whose
`check` is asked while another worker is making it is not among them: no answer would be right."""


def meet(
    gate: Path,
    runs: Sequence[Future[Any]],
    number: int,
    then: Callable[[], None] = lambda: None,
) -> bool:
    """Wait until so many processes are at a gate, do something, and open it.

    Returns:
        Whether they all came.
    """
    ends = time.monotonic() + _PATIENCE_S
    while time.monotonic() < ends:
        here = len(list(gate.parent.glob(f"{gate.name}.*.here")))
        if here >= number or any(run.done() for run in runs):
            break
        time.sleep(0.005)
    then()
    gate.touch()
    return here >= number


def race(
    server: Server, case: Case, before: dict[str, Any], at: str, gate: Path
) -> tuple[Outcome, list[dict[str, Any]]]:
    """Kill a run, resume it in two processes that meet at a point, then resume it alone.

    Args:
        server: The fork server.
        case: The case, of one thread.
        before: Points of the first process: where it dies.
        at: Where the two meet.
        gate: File to open the way with.

    Returns:
        What the case came to, and how the two ended.
    """
    server.run(case.job(points=before))
    # Whom the two ask is nobody: a person looks at the world once nobody works in it any more.
    job = case.job(points={"gates": {at: str(gate)}}, person=False)
    both = [server.begin(job) for _ in range(2)]
    met = meet(gate, both, 2)
    replies = [run.result(timeout=_PATIENCE_S * 2) for run in both]
    ends = [(reply.get("runs") or {}).get(case.whos[0], reply) for reply in replies]
    outcome = crash_and_resume(server, case)
    outcome.processes += 3
    # A worker that finds the thread further on than it is itself stops on the way.
    stopped = any(end.get("type") == "LeaseLost" for end in ends)
    if not met and not stopped:
        outcome.wrong.append(f"the two never met at {at}: {ends}")
    return outcome, ends


def kill_at_random(
    server: Server, case: Case, kills: int, chance: random.Random, span_s: float
) -> Outcome:
    """Kill a process of many threads at random times, as often as asked or until all have ended.

    Args:
        server: The fork server.
        case: The case, of many threads.
        kills: How often, at most.
        chance: When.
        span_s: Longest life of a process, in seconds after it has opened its stores.
    """
    outcome, ends = Outcome(), dict[str, Any]()
    while True:
        life = chance.uniform(0, span_s) if outcome.killed < kills else None
        reply = server.run(case.job(kill_after_s=life))
        outcome.processes += 1
        outcome.killed += reply["code"] == -9
        if "failed" in reply:
            outcome.wrong.append(f"a process failed: {reply['failed']}")
            break
        if reply["code"] == 0:
            ends = reply["runs"]
            break
        if life is None:
            break
    take_stock(outcome, case, ends)
    return outcome


def stop_in_the_middle(
    server: Server, case: Case, points: dict[str, Any], fault: Callable[[], None] | None, gate: Path
) -> tuple[Outcome, dict[str, Any]]:
    """Break a store under a run, see how the run ends, and resume it once the store is back.

    Args:
        server: The fork server.
        case: The case, of one thread.
        points: Points of the process; a gate among them waits for the fault.
        fault: Breaks the store, and may mend it at once. `None`: the points do it.
        gate: The gate's file.

    Returns:
        What the case came to, and how the process in which the store broke ended.
    """
    run = server.begin(case.job(points=points))
    if fault is not None and not meet(gate, [run], 1, then=fault):
        raise RuntimeError("the run never came to the gate")
    reply = run.result(timeout=2 * _PATIENCE_S)
    outcome = crash_and_resume(server, case)
    outcome.processes += 1
    return outcome, (reply.get("runs") or {}).get(case.whos[0], reply)
