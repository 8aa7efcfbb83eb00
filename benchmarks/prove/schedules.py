"""Generated schedules on the virtual clock: running ahead against waiting, crashes, cancellations.

Draws schedules (see `tests/simulation`) in two kinds, three of four undisturbed and one of four
cancelled or killed and resumed, runs each and checks every claim. A violation prints the schedule
that shows it.

    python -m benchmarks.prove.schedules --count 2000
    python -m benchmarks.prove.schedules --shrink --kind troubled
    python -m benchmarks.prove.schedules --replay 'Schedule(kit="reads", ...)'
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from tests.simulation.claims import check, check_troubled
from tests.simulation.schedules import Schedule, Trouble, schedules, troubled

__all__ = ["run_schedules"]

Kind = Literal["calm", "troubled"]
_CHUNK = 200
_SHOWN = 5
_DRAWN: dict[Kind, Callable[[], Any]] = {"calm": schedules, "troubled": troubled}
_CHECKS: dict[Kind, Callable[[Schedule], Any]] = {"calm": check, "troubled": check_troubled}


@dataclass(frozen=True, slots=True)
class _Job:
    kind: Kind
    count: int
    seed: int


@dataclass(slots=True)
class _Done:
    job: _Job
    ran: int = 0
    violations: list[str] = field(default_factory=list)


def run_schedules(count: int, *, seed: int = 0, processes: int = 2) -> dict[str, Any]:
    """Run schedules and count those that break a claim.

    Args:
        count: How many, at least.
        seed: Other seeds draw other schedules.
        processes: How many run at a time.

    Returns:
        `schedules` that ran, of which `troubled_schedules` were disturbed, and `violations`.
    """
    started = time.monotonic()
    ran: Counter[str] = Counter()
    violations: list[str] = []
    jobs = list(_jobs(count, seed))
    with multiprocessing.get_context("spawn").Pool(processes, _ignore_ctrl_c) as pool:
        # Leaving the block ends the processes, also on Ctrl-C.
        for done in pool.imap_unordered(_work, jobs):
            ran[done.job.kind] += done.ran
            violations += done.violations
            _progress(sum(ran.values()), count, len(violations), time.monotonic() - started)
    print(file=sys.stderr)
    for text in violations[:_SHOWN]:
        print(text)
    return {
        "schedules": sum(ran.values()),
        "troubled_schedules": ran["troubled"],
        "violations": len(violations),
    }


def _jobs(count: int, first: int) -> Iterator[_Job]:
    # Hypothesis draws fewer than asked for only when it has seen all there is.
    for number in range(-(-count // _CHUNK)):
        kind: Kind = "troubled" if number % 4 == 3 else "calm"
        yield _Job(kind, min(_CHUNK, count - number * _CHUNK), first * 1_000_003 + number)


def _ignore_ctrl_c() -> None:
    # The parent hears Ctrl-C and ends its processes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _work(job: _Job) -> _Done:
    """Run one job's schedules; go on after a violation."""
    done = _Done(job)

    @seed(job.seed)
    @_drawing(job.count, Phase.generate)
    @given(_DRAWN[job.kind]())
    def each(schedule: Schedule) -> None:
        done.ran += 1
        try:
            _CHECKS[job.kind](schedule)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            done.violations.append(f"VIOLATED by {schedule!r}\n  {said[:1000]}")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        each()
    return done


def _drawing(count: int, *phases: Phase) -> settings:
    return settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=phases,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )


def _shrink(kind: Kind, count: int, first: int) -> None:
    """Draw until a claim is broken, then look for the smallest schedule that breaks it."""
    smallest: list[str] = []

    @seed(first)
    @_drawing(count, Phase.generate, Phase.shrink)
    @given(_DRAWN[kind]())
    def each(schedule: Schedule) -> None:
        try:
            _CHECKS[kind](schedule)
        except Exception:
            smallest[:] = [repr(schedule)]
            raise

    try:
        each()
    except Exception as error:
        print(f"{smallest[-1]}\n{type(error).__name__}: {error}")


def _progress(ran: int, count: int, violations: int, seconds: float) -> None:
    line = f"\r{ran:,} of {count:,} schedules, {violations} violations, {seconds:.0f} s"
    print(line, end="", file=sys.stderr, flush=True)


def main() -> int:
    """Run schedules, shrink what fails, or run one again.

    Returns:
        0 when every claim held, 1 when one did not, 130 on Ctrl-C.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prove.schedules")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--kind", choices=list(_DRAWN), default="calm", help="for --shrink")
    parser.add_argument("--shrink", action="store_true", help="find a small schedule that fails")
    parser.add_argument("--replay", help="the repr of a schedule, as a violation prints it")
    options = parser.parse_args()
    try:
        if options.replay:
            known = {"Schedule": Schedule, "Trouble": Trouble, "frozenset": frozenset}
            schedule = eval(options.replay, {"__builtins__": {}}, known)
            _CHECKS["troubled" if schedule.troubles else "calm"](schedule)
            return 0
        if options.shrink:
            _shrink(options.kind, options.count, options.seed)
            return 0
        report = run_schedules(options.count, seed=options.seed, processes=options.processes)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    print(json.dumps(report))
    return 1 if report["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
