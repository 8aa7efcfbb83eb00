"""Running contestants over tasks, interleaved.

Tasks come in blocks of ten. A block is begun with new agents, so that it comes out the same
whichever process runs it and whatever ran before: agentlanes measures how often its guesses are
accepted, and would carry that from one block into the next. Within a block agents are kept, and a
contestant's clock goes on from task to task.
"""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass

from langchain_core.messages import BaseMessage, HumanMessage

from agentlanes.bench.bfcl_calls import Call
from agentlanes.testing import VirtualClock
from benchmarks.peers.bound import bound_s
from benchmarks.peers.contestants import Runner, contestant
from benchmarks.peers.items import Item, Items
from benchmarks.peers.outcome import Outcome, outcome_of
from benchmarks.peers.stage import Profile, Stage
from benchmarks.peers.workloads import items_of

__all__ = ["BLOCK", "Player", "Setup", "blocks_of", "run_block"]

BLOCK = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What is to be run.

    Attributes:
        workload: The workload's name.
        contestants: Their names; see `contestants.contestant`.
        act_error: Share of calls that the act lane gets wrong at first.
        seed: Seed of errors and latencies.
        profile: The latencies.
    """

    workload: str
    contestants: tuple[str, ...]
    act_error: float = 0.1
    seed: int = 0
    profile: Profile = dataclasses.field(default_factory=Profile)


class Player:
    """A contestant with its stage. Runners are kept: building one is slow.

    Args:
        name: The contestant.
        stage: Its models and tools.
        limit_s: How long a task may take; a longer one is lost.
    """

    def __init__(self, name: str, stage: Stage, limit_s: float | None = None) -> None:
        self.name, self.stage = name, stage
        self._limit_s = limit_s
        self._build = contestant(name)
        self._now = 0.0
        self._runners: dict[tuple[tuple[str, ...], frozenset[str]], Runner] = {}

    def runner(self, item: Item, turn: int) -> Runner:
        """Give the agent over the tools of a turn."""
        key = (item.tools, self.stage.items.missing(item, turn))
        if key not in self._runners:
            self._runners[key] = self._build(self.stage, self.stage.tools(item, turn))
        return self._runners[key]

    async def play(self, item: Item, bound: float | None) -> Outcome:
        """Carry out a task on the running loop's clock.

        Args:
            item: The task.
            bound: Its lower bound, if there is one.
        """
        run = await self.stage.open(item)
        for number in range(len(item.turns)):
            self.runner(item, number)  # building an agent is no part of a task
        began, first = self.stage.now(), 0.0
        made: list[list[Call]] = []
        said: list[BaseMessage] = []
        stopped = ""
        try:
            async with asyncio.timeout(self._limit_s) as limit:
                for number, text in enumerate(item.turns):
                    said.append(HumanMessage(text, id=f"turn_{number}"))
                    done = await self.runner(item, number).turn(said)
                    said = list(done.messages)
                    made.append(done.calls)
                    first = first or self.stage.now() - began
        except Exception as error:
            stopped = f"{type(error).__name__}: {error}"[:300]
            if limit.expired():
                stopped = f"not finished within {self._limit_s:g} s"
        wall = self.stage.now() - began
        await self.stage.settle(run)
        success, why = self.stage.items.right(item, made, run.world)
        return outcome_of(
            self.name,
            run,
            made,
            (success and not stopped, stopped or why),
            wall_s=wall,
            first_s=first,
            bound_s=bound,
        )

    def play_virtual(self, item: Item, bound: float) -> Outcome:
        """Carry out a task on virtual time, which goes on from where the last task left it."""
        cpu = time.process_time()
        with VirtualClock(self._now) as clock:
            outcome = clock.run(self.play(item, bound))
            self._now = clock.now
        return dataclasses.replace(outcome, cpu_s=time.process_time() - cpu)


def blocks_of(items: Items, tasks: int, skip: int = 0) -> list[range]:
    """Cut the tasks from `skip` on into blocks, by their places in the workload."""
    end = min(skip + tasks, len(items.items()))
    edges = [skip, *range((skip // BLOCK + 1) * BLOCK, end, BLOCK), end]
    return [range(a, b) for a, b in itertools.pairwise(edges) if a < b]


def run_block(
    setup: Setup, places: range, on_task: Callable[[], None] | None = None
) -> list[Outcome]:
    """Run every contestant over a block of tasks, task by task, on virtual time.

    Args:
        setup: What to run.
        places: The tasks' places in the workload.
        on_task: Told when all have run a task.
    """
    items = items_of(setup.workload)
    players = [
        Player(
            name,
            Stage(items, act_error=setup.act_error, seed=setup.seed, profile=setup.profile),
        )
        for name in setup.contestants
    ]
    outcomes: list[Outcome] = []
    for place in places:
        item = items.items()[place]
        bound = bound_s(players[0].stage, item)
        outcomes += [player.play_virtual(item, bound) for player in players]
        if on_task is not None:
            on_task()
    # Agents hold themselves in cycles; a block's are given back before the next is begun.
    del players
    gc.collect()
    return outcomes
