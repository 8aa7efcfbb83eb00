"""Crash tests at length: kill -9 at every point and at random times, on SQLite and PostgreSQL.

Run as `python -m benchmarks.prove.crashes --kills 500`. Prints a table of runs by row of the fault
list and store, and one JSON object as its last line. What goes wrong is printed with what
reproduces it, and its files are kept.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.driver import Case, Outcome, Server, crash_and_resume
from tests.crash.lanes import TASKS
from tests.crash.scenarios import (
    RACES,
    combinations,
    crash_points,
    kill_at_random,
    race,
    row_of,
    stop_in_the_middle,
)
from tests.crash.sites import Site
from tests.postgres import NoPostgres, PostgresServer

__all__ = ["run_crashes"]

_AT_ONCE = 3  # children wait for their stores most of the time
_THREADS = 8
_SPAN_S = 0.5
_SLOW_STEPS = 8

Restart = Callable[[], None]


@dataclass(slots=True, kw_only=True)
class _Tally:
    """Counts, by row and store."""

    runs: Counter[tuple[str, str]] = field(default_factory=Counter)
    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: Counter[tuple[str, str]] = field(default_factory=Counter)
    duplicates: int = 0
    lost: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, row: str, site: Site, case: Case, outcome: Outcome, how: str) -> None:
        with self.lock:
            place = row, site.name
            self.runs[place] += len(case.whos)
            self.kills[place] += outcome.killed
            self.wrong[place] += bool(outcome.wrong)
            self.duplicates += outcome.duplicates
            self.lost += outcome.lost
            if outcome.wrong:
                _say(f"\nwrong: row {row}, {case.task}, {case.planning}, {case.durability}, {how}")
                _say("\n".join(f"  {what}" for what in outcome.wrong[:5]))
                _say(f"  files: {case.folder}")
            else:
                site.done(case)
            if sys.stderr.isatty():
                done, kills = sum(self.runs.values()), sum(self.kills.values())
                sys.stderr.write(f"\r{site.name}, row {row}: {done} runs, {kills} kills   ")


def run_crashes(
    kills: int = 500,
    stores: Sequence[str] = ("sqlite", "postgres"),
    *,
    seed: int = 0,
    tasks: Sequence[str] = tuple(TASKS),
) -> dict[str, Any]:
    """Kill processes, resume their runs, and count.

    Args:
        kills: Kills at random times, a store; those at named points come on top.
        stores: `"sqlite"` and `"postgres"`, for which a server is started; where that cannot be,
            it is left out and the reason is printed.
        seed: Chooses passings and times.
        tasks: Tasks that are killed at every point.

    Returns:
        `crash_runs`, `kills`, `duplicate_irreversible`, `lost_runs`, `crash_violations` (cases in
        which anything was wrong), and `crash_rows`: runs by row and store.
    """
    folder = Path(tempfile.mkdtemp(prefix="crashes-"))
    tally, server = _Tally(), Server(folder / "children.log")
    try:
        for store in stores:
            try:
                with _open(store, folder) as (site, restart):
                    _prove(server, site, tally, kills, tasks, seed, restart)
            except NoPostgres as why:
                _say(f"PostgreSQL is left out: {why}")
    finally:
        server.close()
        if not tally.wrong.total():
            shutil.rmtree(folder)
    _show(tally)
    return {
        "crash_runs": tally.runs.total(),
        "kills": tally.kills.total(),
        "duplicate_irreversible": tally.duplicates,
        "lost_runs": tally.lost,
        "crash_violations": tally.wrong.total(),
        "crash_rows": {f"{row} {store}": n for (row, store), n in sorted(tally.runs.items())},
    }


@contextmanager
def _open(store: str, folder: Path) -> Iterator[tuple[Site, Restart | None]]:
    """Open a store; with PostgreSQL, a server of its own."""
    if store == "sqlite":
        yield Site(store=store, folder=folder), None
        return
    with PostgresServer() as postgres:
        yield Site(store=postgres.fresh_database(), folder=folder), postgres.restart


def _prove(
    server: Server,
    site: Site,
    tally: _Tally,
    kills: int,
    tasks: Sequence[str],
    seed: int,
    restart: Restart | None,
) -> None:
    site.set_up(server)
    chance = random.Random(f"{seed} {site.name}")
    _do_all(_points(server, site, tally, tasks, chance))
    _do_all(_races(server, site, tally))
    _do_all(_refusals(server, site, tally))
    for job in _faults(server, site, tally, restart):
        job()  # one at a time: a server that restarts does so for everybody
    _at_random(server, site, tally, kills, chance)


def _do_all(jobs: Iterator[Callable[[], None]]) -> None:
    """Do jobs some at a time; the first exception, or Ctrl-C, ends it all."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        open_: set[Future[None]] = set()
        try:
            for job in jobs:
                open_.add(pool.submit(job))
                if len(open_) > _AT_ONCE:
                    done, open_ = wait(open_, return_when=FIRST_COMPLETED)
                    for future in done:
                        future.result()
            for future in open_:
                future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _points(
    server: Server, site: Site, tally: _Tally, tasks: Sequence[str], chance: random.Random
) -> Iterator[Callable[[], None]]:
    """Rows 27 to 35: each point of each combination, and checkpoints that come late."""
    for options in combinations(tasks):
        whole = site.case(**options)
        outcome = crash_and_resume(server, whole)
        tally.add("none", site, whole, outcome, "no kill")
        for points in crash_points(outcome.passed, chance):
            row = str(row_of(points["kill_at"]))
            yield _killed(server, site, tally, row, options, points)
        branches = (("act", "reason"), ("reason", "act"))
        for first, second in branches:
            nth = chance.randint(1, max(1, outcome.passed.count(f"saver:after:{first}")))
            points = {"kill_at": f"saver:after:{first}", "kill_nth": nth}
            points["slow"] = {f"saver:before:{second}": 0.03}
            yield _killed(server, site, tally, "35", options, points)
        if options["ahead"] and options["task"] in ("jot", "ahead", "mixed"):
            for slow in ("reason:before", "tool:before"):  # before its verdict, and after
                points = {"kill_at": "ledger:after:ahead-done", "slow": {slow: 0.02}}
                yield _killed(server, site, tally, "35", options, points)
        if options["durability"] == "async":
            for _ in range(_SLOW_STEPS):
                step = chance.randint(1, len(outcome.passed))
                points = {"kill_step": step, "slow": {"saver:before": 0.02}}
                yield _killed(server, site, tally, "33", options, points)


def _killed(
    server: Server,
    site: Site,
    tally: _Tally,
    row: str,
    options: dict[str, Any],
    points: dict[str, Any],
) -> Callable[[], None]:
    def job() -> None:
        case = site.case(**options)
        outcome = crash_and_resume(server, case, case.job(points=points))
        tally.add(row, site, case, outcome, f"points={points}")

    return job


def _races(server: Server, site: Site, tally: _Tally) -> Iterator[Callable[[], None]]:
    """Row 37: two processes resume one thread."""
    for task, before, at in RACES:
        for durability in ("sync", "async"):
            for tool_s in (0.0, 0.05):
                yield _raced(server, site, tally, (task, before, at), durability, tool_s)


def _raced(
    server: Server, site: Site, tally: _Tally, how: Any, durability: str, tool_s: float
) -> Callable[[], None]:
    def job() -> None:
        task, before, at = how
        case = site.case(task=task, durability=durability, tool_s=tool_s)
        outcome, ends = race(server, case, before, at, case.folder / "gate")
        kinds = sorted(end.get("type") or end.get("status", "killed") for end in ends)
        if any(kind not in ("LeaseLost", "asks", "done") for kind in kinds):
            said = [end.get("text") for end in ends]
            outcome.wrong.append(f"the two ended as {kinds}: {said}")
        tally.add("37", site, case, outcome, f"race {how}, ended as {kinds}")

    return job


def _refusals(server: Server, site: Site, tally: _Tally) -> Iterator[Callable[[], None]]:
    """`durability="exit"` is refused before anything happens; nothing was begun by it."""

    def job() -> None:
        case = site.case(durability="exit")
        who = case.whos[0]
        end = server.run(case.job())["runs"][who]
        outcome = Outcome(processes=1)
        if end.get("type") != "ConfigError" or case.journal(who).standing():
            outcome.wrong.append(f'durability="exit" was not refused: {end}')
        tally.add("exit", site, case, outcome, "exit")

    yield job


def _faults(
    server: Server, site: Site, tally: _Tally, restart: Restart | None
) -> Iterator[Callable[[], None]]:
    """Row 38: the store breaks under a run."""
    for gate in ("tool:before:look", "ledger:before:started", "tool:before:pay", "reason:before"):
        if site.name == "postgres" and restart is not None:
            yield _broken(server, site, tally, gate, restart)
        elif site.name == "sqlite":
            yield _broken(server, site, tally, gate, None)


def _broken(
    server: Server, site: Site, tally: _Tally, at: str, restart: Restart | None
) -> Callable[[], None]:
    def job() -> None:
        case = site.case(task="mixed")
        gate = case.folder / "gate"
        points = {"full_at": at} if restart is None else {"gates": {at: str(gate)}}
        outcome, end = stop_in_the_middle(server, case, points, restart, gate)
        if end.get("type") not in _TYPED:
            outcome.wrong.append(f"with its store broken the run ended as {end}")
        tally.add("38", site, case, outcome, f"store broken at {at}")

    return job


_TYPED = ("LedgerUnavailable", "OperationalError", "AdminShutdown")
"""The ledger's error, or what the checkpointer's driver raises through LangGraph."""


def _at_random(
    server: Server, site: Site, tally: _Tally, kills: int, chance: random.Random
) -> None:
    """Row 36: processes of several threads, killed at random times."""
    for number in range(10 * kills):
        left = kills - tally.kills["36", site.name]
        if left <= 0:
            return
        durability = ("sync", "async")[number % 2]
        case = site.case(_THREADS, task="mixed", durability=durability)
        outcome = kill_at_random(server, case, left, chance, _SPAN_S)
        tally.add("36", site, case, outcome, "random kills")


def _show(tally: _Tally) -> None:
    _say("\nrow   store     runs  kills  wrong")
    for row, store in sorted(tally.runs):
        place = row, store
        _say(
            f"{row:5} {store:9} {tally.runs[place]:4}  {tally.kills[place]:5}  "
            f"{tally.wrong[place]:5}"
        )


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main() -> int:
    """Run it from the command line.

    Returns:
        0 when nothing was wrong, 1 otherwise, 130 on Ctrl-C.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=500, help="kills at random times, a store")
    parser.add_argument("--stores", default="sqlite,postgres", help="of sqlite, postgres")
    parser.add_argument("--tasks", default=",".join(TASKS), help="killed at every point")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    try:
        report = run_crashes(
            options.kills,
            options.stores.split(","),
            seed=options.seed,
            tasks=[task for task in options.tasks.split(",") if task],
        )
    except KeyboardInterrupt:
        _say("\nstopped")
        return 130
    sys.stdout.write(f"{json.dumps(report)}\n")
    return 1 if report["crash_violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
