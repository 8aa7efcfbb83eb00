"""Running contestants over tasks, interleaved, on virtual time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langchain_core.messages import BaseMessage, HumanMessage

from agentlanes.bench.bfcl_calls import Call
from agentlanes.testing import VirtualClock
from benchmarks.peers.bound import bound_s
from benchmarks.peers.contestants import CONTESTANTS, Contestant, Runner
from benchmarks.peers.items import Item, Items
from benchmarks.peers.stage import Profile, Request, Run, Stage

__all__ = ["Outcome", "Prices", "run_all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Dollars a million tokens, and bytes of KV cache a token.

    The prices are those of a small and of a reasoning model as listed publicly in 2025; the bytes
    those of an 8B and of a 70B model with grouped-query attention at 16 bits: layers x KV heads x
    head size x 2 x 2 = 32 x 8 x 128 x 4 and 80 x 8 x 128 x 4.
    """

    act_in: float = 0.10
    act_out: float = 0.40
    reason_in: float = 2.00
    reason_out: float = 8.00
    act_kv: int = 131_072
    reason_kv: int = 327_680


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a task came to for a contestant. Times are seconds on the stage's clock.

    Attributes:
        task: The task.
        contestant: The contestant.
        success: The workload's checker accepts what was done.
        why: What is wrong, or what stopped it.
        wall_s: From the first user turn to the last answer.
        first_output_s: To the first turn's answer.
        bound_s: The task's lower bound; see `bound`.
        calls: Calls that count.
        wasted_calls: Calls that were begun and do not count.
        act_tokens: Read and written by the act lane, in cancelled requests too.
        reason_tokens: The same for the reason lane, thinking included.
        wasted_tokens: Of both, those of requests that were cancelled.
        reason_requests: Requests to the reason lane.
        cost_usd: At `Prices`.
        kv_gb_s: Gigabytes of KV cache times seconds held, both lanes.
    """

    task: str
    contestant: str
    success: bool
    why: str
    wall_s: float
    first_output_s: float
    bound_s: float
    calls: int
    wasted_calls: int
    act_tokens: int
    reason_tokens: int
    wasted_tokens: int
    reason_requests: int
    cost_usd: float
    kv_gb_s: float


class _Player:
    """A contestant with its stage. Runners are kept: building one is slow."""

    def __init__(self, name: str, build: Contestant, stage: Stage) -> None:
        self.name, self._build, self.stage = name, build, stage
        self._runners: dict[tuple[tuple[str, ...], frozenset[str]], Runner] = {}

    def runner(self, item: Item, turn: int) -> Runner:
        key = (item.tools, self.stage.items.missing(item, turn))
        if key not in self._runners:
            if len(self._runners) > 40:
                self._runners.pop(next(iter(self._runners)))
            self._runners[key] = self._build(self.stage, self.stage.tools(item, turn))
        return self._runners[key]

    async def play(self, item: Item) -> Outcome:
        run = self.stage.open(item)
        clock = asyncio.get_running_loop().time
        began, first = clock(), 0.0
        made: list[list[Call]] = []
        said: list[BaseMessage] = []
        stopped = ""
        for number, text in enumerate(item.turns):
            said.append(HumanMessage(text, id=f"turn_{number}"))
            try:
                done = await self.runner(item, number).turn(said)
            except Exception as error:
                stopped = f"{type(error).__name__}: {error}"[:300]
                break
            said = list(done.messages)
            made.append(done.calls)
            first = first or clock() - began
        wall = clock() - began
        success, why = self.stage.items.right(item, made, run.world)
        return _outcome(
            self.name, self.stage, run, made, (success and not stopped, stopped or why), wall, first
        )


def _outcome(
    name: str,
    stage: Stage,
    run: Run,
    made: Sequence[Sequence[Call]],
    found: tuple[bool, str],
    wall: float,
    first: float,
) -> Outcome:
    calls = sum(map(len, made))
    prices = Prices()
    cost = kv = 0.0
    tokens = {"act": 0, "reason": 0}
    wasted = 0
    for one in run.requests:
        spent, written = _spent(one)
        tokens[one.lane] += one.prompt_tokens + written
        wasted += one.prompt_tokens + written if one.cancelled_s is not None else 0
        per = (prices.act_in, prices.act_out, prices.act_kv)
        if one.lane == "reason":
            per = (prices.reason_in, prices.reason_out, prices.reason_kv)
        cost += (one.prompt_tokens * per[0] + written * per[1]) / 1e6
        kv += (one.prompt_tokens + written / 2) * per[2] * spent / 1e9
    return Outcome(
        task=run.item.id,
        contestant=name,
        success=found[0],
        why=found[1][:300],
        wall_s=wall,
        first_output_s=first,
        bound_s=bound_s(stage, run.item),
        calls=calls,
        wasted_calls=max(len(run.tools) - calls, 0),
        act_tokens=tokens["act"],
        reason_tokens=tokens["reason"],
        wasted_tokens=wasted,
        reason_requests=sum(one.lane == "reason" for one in run.requests),
        cost_usd=cost,
        kv_gb_s=kv,
    )


def _spent(one: Request) -> tuple[float, int]:
    """Give how long a request ran, and the tokens it wrote until then."""
    if one.cancelled_s is None:
        return one.took_s, one.output_tokens
    return one.cancelled_s, round(one.output_tokens * one.cancelled_s / (one.took_s or 1.0))


def run_all(
    items: Items,
    contestants: Sequence[str],
    *,
    tasks: int,
    act_error: float,
    seed: int,
    skip: int = 0,
    profile: Profile | None = None,
    on_task: Callable[[list[Outcome]], None] | None = None,
) -> list[Outcome]:
    """Run every contestant over every task, task by task.

    Args:
        items: The workload.
        contestants: Their names.
        tasks: How many tasks.
        act_error: Share of calls that the act lane gets wrong at first.
        seed: Seed of errors and latencies.
        skip: Tasks at the beginning that are left out.
        profile: The latencies.
        on_task: Told what a task came to.
    """
    players = [
        _Player(
            name,
            CONTESTANTS[name],
            Stage(items, act_error=act_error, seed=seed, profile=profile),
        )
        for name in contestants
    ]
    outcomes: list[Outcome] = []
    for number, item in enumerate(items.items()[skip : skip + tasks]):
        # Each begins in turn, as on a real clock, where the machine's moods have to be shared.
        shift = number % len(players)
        fresh = []
        for player in players[shift:] + players[:shift]:
            fresh.append(VirtualClock.run(player.play(item)))
            time.sleep(0)
        outcomes += fresh
        if on_task is not None:
            on_task(fresh)
    return outcomes
