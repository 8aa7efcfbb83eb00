"""BFCL's 800 multi-turn tasks, run serially and ahead, on virtual time.

`python -m benchmarks.prove.bfcl_equal --tasks 40`. The same agent with the same seed is run with
`run_ahead=0` and with run-ahead, at several shares of calls that the act lane gets wrong at first.
A task is equal when the committed calls with their results, the answers, and everything the API
instances hold, private attributes included, are.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from agentlanes.bench.bfcl_data import CATEGORIES, Task, fetch_wheel, load_tasks
from agentlanes.bench.bfcl_inprocess import Stage
from agentlanes.bench.bfcl_oracle import Oracle
from agentlanes.testing import VirtualClock

__all__ = ["compare_tasks", "run_bfcl_equal"]

RATES = (0.0, 0.1, 0.3, 0.5, 1.0)
_CHUNK = 10


def all_tasks() -> list[Task]:
    """Read the tasks of all four categories, one of each in turn."""
    wheel = fetch_wheel()
    by_category = [load_tasks(wheel, category=category) for category in CATEGORIES]
    return [task for row in zip(*by_category, strict=True) for task in row]


def compare_tasks(tasks: Sequence[Task], rates: Sequence[float], seed: int = 0) -> Iterator[Any]:
    """Run tasks at each rate, serially and ahead.

    Yields:
        `(task id, rate, what differs)` for each; an empty text means that nothing does.
    """
    oracle = Oracle(fetch_wheel(), seed=seed, tasks=tasks)
    for rate in rates:
        oracle.act_error = rate
        serial, ahead = Stage(oracle, run_ahead=0), Stage(oracle)
        for task in tasks:
            yield task.id, rate, _difference(serial, ahead, task)


def _difference(serial: Stage, ahead: Stage, task: Task) -> str:
    try:
        wanted = VirtualClock.run(serial.run(task))
        got = VirtualClock.run(ahead.run(task))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if got.turns != wanted.turns:
        return f"committed {got.turns} instead of {wanted.turns}"
    differing = [owner for owner in wanted.world if wanted.world[owner] != got.world[owner]]
    return f"the final state of {', '.join(differing)}" if differing else ""


def run_bfcl_equal(
    rates: Sequence[float] = RATES,
    tasks: int | None = None,
    processes: int = 2,
    seed: int = 0,
) -> dict[str, str]:
    """Compare all tasks, or the first ones, in a few processes.

    Returns:
        For each rate how many tasks are equal, as `"800/800"`.
    """
    chosen = all_tasks()[:tasks]
    jobs = [
        (chosen[at : at + _CHUNK], rate, seed)
        for rate in rates
        for at in range(0, len(chosen), _CHUNK)
    ]
    equal = dict.fromkeys(rates, 0)
    done, began = 0, time.monotonic()
    with multiprocessing.get_context("spawn").Pool(processes, _ignore_ctrl_c) as pool:
        for results in pool.imap_unordered(_job, jobs):
            for task_id, rate, difference in results:
                equal[rate] += not difference
                if difference:
                    print(f"{task_id} at error rate {rate}: {difference[:2000]}")
            done += len(results)
            if done % 200 < _CHUNK:
                took = time.monotonic() - began
                print(f"{done} of {len(chosen) * len(rates)} runs, {took:.0f} s", flush=True)
    return {f"{rate:g}": f"{count}/{len(chosen)}" for rate, count in equal.items()}


def _job(job: tuple[list[Task], float, int]) -> list[Any]:
    tasks, rate, seed = job
    return list(compare_tasks(tasks, [rate], seed))


def _ignore_ctrl_c() -> None:
    # The parent hears it and ends its children.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prove.bfcl_equal")
    parser.add_argument("--tasks", type=int, default=None, help="how many; all 800 by default")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    found = run_bfcl_equal(tasks=options.tasks, seed=options.seed)
    print(json.dumps({"bfcl_equal": found}))
    return int(any(len(set(equal.split("/"))) > 1 for equal in found.values()))


if __name__ == "__main__":
    sys.exit(main())
