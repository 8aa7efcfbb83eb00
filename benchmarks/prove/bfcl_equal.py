"""BFCL's 800 multi-turn tasks, run serially and ahead, on virtual time.

`python -m benchmarks.prove.bfcl_equal --tasks 40`. The same agent with the same seed is run with
`max_run_ahead=0` and with run-ahead, at several shares of calls that the act lane gets wrong at
first. A task is equal when the committed calls with their results, the answers, and everything the
API instances hold, private attributes included, are.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import signal
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial

from agentlanes.bench.bfcl_data import CATEGORIES, Task, fetch_wheel, load_tasks
from agentlanes.bench.bfcl_inprocess import Outcome, Stage
from agentlanes.bench.bfcl_oracle import Oracle
from agentlanes.testing import VirtualClock

__all__ = ["Bench", "Comparison", "compare_tasks", "run_bfcl_equal"]

RATES = (0.0, 0.1, 0.3, 0.5, 1.0)
_CHUNK = 10


@dataclass(frozen=True, slots=True)
class Comparison:
    """A task at a rate, run both ways.

    Attributes:
        task: Its id.
        rate: Share of calls that the act lane gets wrong at first.
        planning: Whether turns began with a plan.
        difference: What differs; empty when nothing does.
        serial_s: Virtual seconds of the serial run.
        ahead_s: Virtual seconds of the other.
        thrown_away: Calls that ran ahead and were discarded.
    """

    task: str
    rate: float
    planning: str
    difference: str
    serial_s: float = 0.0
    ahead_s: float = 0.0
    thrown_away: int = 0


def all_tasks() -> list[Task]:
    """Read the tasks of all four categories, one of each in turn."""
    wheel = fetch_wheel()
    by_category = [load_tasks(wheel, category=category) for category in CATEGORIES]
    return [task for row in zip(*by_category, strict=True) for task in row]


class Bench:
    """Both agents over the same tasks, kept from rate to rate.

    A task is run with a plan for each turn, or with none and a verdict for each call: which of
    them is drawn from its id and the rate. Admission is off, so that everything that may run
    ahead does, however often the act lane is wrong.

    Args:
        tasks: The tasks.
        seed: Seed of the act lane's errors.
    """

    def __init__(self, tasks: Sequence[Task], seed: int = 0) -> None:
        self._oracle = Oracle(fetch_wheel(), seed=seed, tasks=tasks)
        stage = partial(Stage, self._oracle, admission=False)
        self._stages = {
            planning: (stage(max_run_ahead=0, planning=planning), stage(planning=planning))
            for planning in ("always", "never")
        }

    def compare(self, task: Task, rate: float) -> Comparison:
        """Run a task serially and ahead, and say what differs."""
        self._oracle.act_error = rate
        planning = ("always", "never")[zlib.crc32(f"{task.id}|{rate}".encode()) % 2]
        serial, ahead = self._stages[planning]
        try:
            wanted = VirtualClock.run(serial.run(task))
            got = VirtualClock.run(ahead.run(task))
        except Exception as error:
            return Comparison(task.id, rate, planning, f"{type(error).__name__}: {error}")
        return Comparison(
            task=task.id,
            rate=rate,
            planning=planning,
            difference=self._difference(task, wanted, got),
            serial_s=wanted.took_s,
            ahead_s=got.took_s,
            thrown_away=got.thrown_away,
        )

    def _difference(self, task: Task, wanted: Outcome, got: Outcome) -> str:
        if got.turns != wanted.turns:
            return f"committed {got.turns} instead of {wanted.turns}"
        found = wanted.world.differences(got.world, limit=1)
        if found:
            return f"the final state: {found[0]}"
        # The corrected drafts are right, so anything else would be two runs wrong alike.
        parse = self._oracle.catalog.parse
        right = [[str(parse(text, task.classes)) for text in turn] for turn in task.truth]
        made = [[call for _, call, _ in committed] for committed, _ in got.turns]
        return "" if made == right else f"both committed {made} instead of {right}"


def compare_tasks(
    tasks: Sequence[Task], rates: Sequence[float], seed: int = 0
) -> Iterator[Comparison]:
    """Run tasks at each rate, serially and ahead."""
    bench = Bench(tasks, seed)
    return (bench.compare(task, rate) for rate in rates for task in tasks)


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
    count = len(all_tasks()[:tasks])
    jobs = [
        (at, min(at + _CHUNK, count), rate, seed)
        for rate in rates
        for at in range(0, count, _CHUNK)
    ]
    found: dict[float, list[Comparison]] = {rate: [] for rate in rates}
    done, began = 0, time.monotonic()
    with multiprocessing.get_context("spawn").Pool(processes, _ignore_ctrl_c) as pool:
        for results in pool.imap_unordered(_job, jobs):
            for one in results:
                found[one.rate].append(one)
                if one.difference:
                    how = f"planning={one.planning!r}, seed={seed}"
                    print(f"{one.task} at error rate {one.rate}, {how}: {one.difference[:2000]}")
            done += len(results)
            if done % 200 < _CHUNK:
                took = time.monotonic() - began
                print(f"{done} of {count * len(rates)} runs, {took:.0f} s", flush=True)
    for rate, compared in found.items():
        thrown = sum(one.thrown_away for one in compared)
        gain = sum(one.serial_s for one in compared) / sum(one.ahead_s for one in compared)
        print(f"error rate {rate:g}: {thrown} calls ran ahead in vain, {gain:.2f}x as fast")
    return {
        f"{rate:g}": f"{sum(not one.difference for one in compared)}/{count}"
        for rate, compared in found.items()
    }


def _ignore_ctrl_c() -> None:
    # The parent hears it and ends its children.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@cache
def _bench(seed: int) -> tuple[list[Task], Bench]:
    """Give a worker's own tasks and agents, made with its first job."""
    tasks = all_tasks()
    return tasks, Bench(tasks, seed)


def _job(job: tuple[int, int, float, int]) -> list[Comparison]:
    first, end, rate, seed = job
    tasks, bench = _bench(seed)
    return [bench.compare(task, rate) for task in tasks[first:end]]


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prove.bfcl_equal")
    parser.add_argument("--tasks", type=int, default=None, help="how many; all 800 by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    try:
        found = run_bfcl_equal(tasks=options.tasks, processes=options.processes, seed=options.seed)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    print(json.dumps({"bfcl_equal": found}))
    return int(any(len(set(equal.split("/"))) > 1 for equal in found.values()))


if __name__ == "__main__":
    sys.exit(main())
