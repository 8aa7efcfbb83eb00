"""Generating schedules, running them on the virtual clock, and holding the figures to the truth."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.callbacks import AsyncCallbackHandler
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from agentlanes import build_agent
from agentlanes.latency.counterfactual import counterfactuals
from agentlanes.latency.critical import critical_path
from agentlanes.testing import ScriptedModel, VirtualClock
from benchmarks.latency_proof.truth import Piece, constructed, misattributed
from benchmarks.latency_proof.world import Schedule, SlowSaver, Trickle, World

__all__ = ["Finding", "Proof", "generate", "prove", "prove_one", "run_schedule"]

TOOLS = ("look", "look", "look", "walk", "tie", "store")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one run came to. Microseconds.

    Attributes:
        wall: Its wall time.
        misattributed: Time that has another cause in the records than in the truth.
        total_error: How far the totals are from the wall time, as a share of it.
        serial_error: How far the serial counterfactual is from a serial run; `None` where no
            serial run is comparable.
        ambiguous: Instants at which the truth was left to chance.
        causes: The truth by cause.
    """

    wall: int
    misattributed: int
    total_error: float
    serial_error: float | None
    ambiguous: int
    causes: Counter[str]


@dataclass(slots=True)
class Proof:
    """What all runs came to."""

    runs: int = 0
    max_total_error: float = 0.0
    misattributed: int = 0
    max_serial_error: float = 0.0
    serial_runs: int = 0
    ambiguous: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    wrong: list[Schedule] = field(default_factory=list)

    def add(self, schedule: Schedule, found: Finding) -> None:
        """Count a run."""
        self.runs += 1
        self.max_total_error = max(self.max_total_error, found.total_error)
        self.misattributed += found.misattributed
        self.ambiguous += found.ambiguous
        self.causes += found.causes
        if found.serial_error is not None:
            self.serial_runs += 1
            self.max_serial_error = max(self.max_serial_error, found.serial_error)
        if found.misattributed or found.total_error > 0.01:
            self.wrong.append(schedule)


def generate(seed: int) -> Schedule:
    """Draw a schedule."""
    rng = random.Random(f"latency proof {seed}")
    calls = tuple((rng.choice(TOOLS), f"key{place}") for place in range(rng.randint(1, 9)))
    wrong = {place: rng.choice((1, 1, 2)) for place in range(len(calls)) if rng.random() < 0.15}
    kind = rng.random()
    drawn = Schedule(
        seed=seed,
        calls=calls,
        wrong=wrong,
        batch=rng.choice((1, 1, 2, 3, 4)),
        run_ahead=rng.choice((0, 1, 2, 8, 8)),
        max_window=rng.choice((2, 4, 16, 16)),
        planning=rng.choice(("never", "never", "always")),
        trickles=rng.random() < 0.4,
        queues=rng.choice((0, 0, 30)),
        retries=rng.choice((0, 0, 20)),
        saver_ms=rng.randint(1, 40) if kind < 0.2 else 0,
        person_ms=rng.randint(1_000, 60_000) if kind > 0.8 else 0,
        early=rng.random() < 0.2,
    )
    # One in eight plans reads whose plan is wrong in a way that code can see.
    if rng.random() < 0.125:
        return replace(
            drawn,
            calls=(*(("look", key) for _, key in calls[:-1]), calls[-1]),
            wrong={place: 1 for place in range(1, len(calls)) if rng.random() < 0.4},
            run_ahead=8,
            planning="always",
            lost=True,
        )
    return drawn


def prove(runs: int, *, first: int = 0) -> Proof:
    """Run schedules and compare each with its truth."""
    proof = Proof()
    for seed in range(first, first + runs):
        schedule = generate(seed)
        proof.add(schedule, prove_one(schedule))
    return proof


def prove_one(schedule: Schedule) -> Finding:
    """Run a schedule and compare it with its truth."""
    world, steps, start_s, end_s = run_schedule(schedule)
    truth = constructed(world.log, start_s, end_s)
    origin = round(start_s * 1e6)
    wall = round(end_s * 1e6) - origin
    path = critical_path(steps, wall / 1000)
    told = [
        Piece(segment.cause, round(segment.start_ms * 1000), round(segment.end_ms * 1000))
        for segment in path.segments
    ]
    pieces = [Piece(kind, low - origin, high - origin) for kind, low, high in truth.pieces]
    causes: Counter[str] = Counter()
    for piece in pieces:
        causes[piece.kind] += piece.end - piece.start
    return Finding(
        wall=wall,
        misattributed=misattributed(pieces, told),
        total_error=abs(sum(path.totals.values()) * 1000 - wall) / wall,
        serial_error=_serial_error(schedule, steps, wall),
        ambiguous=truth.ambiguous,
        causes=causes,
    )


def _serial_error(schedule: Schedule, steps: list[Any], wall: int) -> float | None:
    """Hold the serial counterfactual to a run that really awaits every verdict.

    Checkpoints are left out: how many there are depends on how the work falls into windows.
    """
    if schedule.saver_ms or schedule.early:
        return None
    _, _, start_s, end_s = run_schedule(replace(schedule, run_ahead=0))
    serial = (end_s - start_s) * 1000
    return abs(counterfactuals(steps, wall_ms=wall / 1000).serial_ms - serial) / serial


def run_schedule(schedule: Schedule) -> tuple[World, list[Any], float, float]:
    """Run a schedule.

    Returns:
        Its world, its step records, and when it started and ended, in virtual seconds.
    """
    world, start = World(schedule), _Start()

    async def go() -> tuple[list[Any], float]:
        clock = asyncio.get_running_loop().time
        act = (
            Trickle(script=world.act, world=world)
            if schedule.trickles
            else ScriptedModel(script=world.act, disable_streaming=True)
        )
        saver = SlowSaver(world) if schedule.saver_ms else InMemorySaver()
        agent = build_agent(
            act,
            ScriptedModel(script=world.reason, disable_streaming=True),
            world.tools(),
            planning=schedule.planning,
            max_run_ahead=schedule.run_ahead,
            max_window=schedule.max_window,
            runs_ahead=("pure", "read", "session", "reversible"),
            max_corrections=50,
            tool_timeout_s=None,
            admission=False,
            approval={"write": "always"} if schedule.person_ms else None,
            deliver="provisional" if schedule.early else "verified",
            checkpointer=saver,
        )
        config: Any = {
            "configurable": {"thread_id": "t"},
            "recursion_limit": 1000,
            "callbacks": [start],
        }
        given: Any = {"messages": [("user", "go")]}
        while True:
            result = await agent.ainvoke(given, config, durability="sync")
            if "__interrupt__" not in result:
                return result["steps"], clock()
            await world.work("person", schedule.person_ms / 1000)
            given = Command(resume={"decisions": [{"type": "approve"}]})

    steps, end_s = VirtualClock.run(go())
    assert start.at is not None, "no run without its first node"
    return world, steps, start.at, end_s


class _Start(AsyncCallbackHandler):
    """Notes when the first `route` starts: the saving of the input comes before the run."""

    def __init__(self) -> None:
        self.at: float | None = None

    async def on_chain_start(self, *args: Any, name: str | None = None, **more: Any) -> None:
        if name == "route" and self.at is None:
            self.at = asyncio.get_running_loop().time()
