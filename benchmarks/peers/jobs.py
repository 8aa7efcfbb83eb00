"""Blocks of tasks over several processes; what comes out is the same with any number of them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed

from benchmarks.peers.journal import Journal
from benchmarks.peers.outcome import Outcome
from benchmarks.peers.run import Setup, blocks_of, run_block
from benchmarks.peers.workloads import items_of

__all__ = ["run_jobs"]

_TELL_EVERY_S = 5.0


class _Progress:
    """Says on standard error how far it is, and how long it may still take."""

    def __init__(self, name: str, tasks: int) -> None:
        self._name, self._tasks = name, tasks
        self._began = self._told = time.monotonic()
        self._done = 0
        self._terminal = sys.stderr.isatty()

    def step(self, tasks: int = 1) -> None:
        """Count tasks that all contestants have run."""
        self._done += tasks
        now = time.monotonic()
        over = self._done >= self._tasks
        if not over and now - self._told < (1.0 if self._terminal else _TELL_EVERY_S):
            return
        self._told = now
        spent = now - self._began
        left = spent / self._done * (self._tasks - self._done)
        text = f"{self._name}: {self._done} of {self._tasks} tasks, {_span(spent)}"
        text += "" if over else f", about {_span(left)} left"
        start, end = ("\r\x1b[K", "\n" if over else "") if self._terminal else ("", "\n")
        sys.stderr.write(f"{start}{text}{end}")
        sys.stderr.flush()


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def run_jobs(
    setup: Setup, *, tasks: int, skip: int = 0, jobs: int = 1, journal: Journal | None = None
) -> list[Outcome]:
    """Run a workload, in this process or in several, and give the outcomes in the tasks' order.

    Args:
        setup: What to run.
        tasks: How many tasks.
        skip: Tasks at the beginning that are left out.
        jobs: Processes; 1 runs in this one.
        journal: Remembers blocks that are done, and has those of an earlier run.

    Raises:
        KeyboardInterrupt: Ctrl-C; the other processes have ended, the journal has whole blocks.
    """
    journal = journal or Journal(None, {})
    items = items_of(setup.workload).items()
    wanted = blocks_of(items_of(setup.workload), tasks, skip)
    found: dict[range, list[Outcome]] = {}
    for places in wanted:
        kept = journal.has(setup.workload, [items[place].id for place in places])
        if kept is not None:
            found[places] = kept
    left = [places for places in wanted if places not in found]
    progress = _Progress(setup.workload, sum(map(len, left)))
    here = jobs == 1 or len(left) < 2
    for places, outcomes in (_here if here else _spread)(setup, left, jobs, progress):
        journal.add(setup.workload, outcomes)
        found[places] = outcomes
    return [one for places in wanted for one in found[places]]


Done = Iterator[tuple[range, list[Outcome]]]


def _here(setup: Setup, blocks: Sequence[range], jobs: int, progress: _Progress) -> Done:
    for places in blocks:
        yield places, run_block(setup, places, on_task=progress.step)


def _spread(setup: Setup, blocks: Sequence[range], jobs: int, progress: _Progress) -> Done:
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        min(jobs, len(blocks)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(setup.workload,),
    )
    try:
        asked: dict[Future[list[Outcome]], range] = {
            pool.submit(run_block, setup, places): places for places in blocks
        }
        for done in as_completed(asked):
            progress.step(len(asked[done]))
            yield asked[done], done.result()
    except BaseException:
        # What they have begun is of no use to anybody: they are not waited for.
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - before:
            process.terminate()
            process.join()
        raise
    pool.shutdown()


def _begin(workload: str) -> None:
    """Make a process ready: Ctrl-C is for the one that started it, and it ends with that one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
    items_of(workload)
