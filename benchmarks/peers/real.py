"""The same contestants on the real clock: over sockets, or with real models.

`--clock real` serves the scripted lanes from another process, with all latencies divided by the
time scale; times are reported in the profile's seconds. What this process computes is then
multiplied by the scale: a millisecond of CPU counts as 20 ms at 20x, for everybody.

`--lanes local` and `--lanes env` put real models in place of the scripted ones, at their own pace.
What they get wrong they get wrong: the workload's checker judges. There is no lower bound, since
nobody knows beforehand how long they take.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from agentlanes.lanes.lane import Lane
from benchmarks.peers.bound import bound_s
from benchmarks.peers.endpoint import Endpoint, endpoint
from benchmarks.peers.items import Item
from benchmarks.peers.outcome import Outcome
from benchmarks.peers.run import Player, Setup
from benchmarks.peers.stage import Request, Run, Stage
from benchmarks.peers.workloads import items_of

__all__ = ["CONTESTANTS_REAL", "against_virtual", "run_lanes", "run_sockets"]

CONTESTANTS_REAL = (
    "create_agent-reason",
    "dag-fast-join",
    "agentlanes-serial",
    "agentlanes-approve",
    "agentlanes-plan",
)


class _SocketStage(Stage):
    """Models at the scripted endpoint."""

    def __init__(self, setup: Setup, served: Endpoint, scale: float) -> None:
        super().__init__(
            items_of(setup.workload),
            act_error=setup.act_error,
            seed=setup.seed,
            profile=setup.profile,
        )
        self.scale, self._served = scale, served
        self._places = {item.id: place for place, item in enumerate(self.items.items())}

    async def open(self, item: Item) -> Run:
        """Put a task on stage here and there."""
        await self._served.stage(self._places[item.id])
        return await super().open(item)

    async def settle(self, run: Run) -> None:
        """Have the endpoint tell what was asked of it."""
        run.requests += await self._served.stage(self._places[run.item.id])

    def model(self, lane: str, *, parallel: bool = False) -> BaseChatModel:
        """Give a chat model; every contestant has the same client."""
        name = f"{lane}{'+' if parallel else ''}"
        return Lane(name, base_url=self._served.base_url, api_key="none").chat_model(
            cast("Any", lane)
        )


async def run_sockets(setup: Setup, *, tasks: int, skip: int, scale: float) -> list[Outcome]:
    """Run contestants, interleaved, over the scripted endpoint.

    Args:
        setup: What to run.
        tasks: How many tasks.
        skip: Tasks at the beginning that are left out.
        scale: How many of the profile's seconds pass in one second.

    Raises:
        EndpointUnreachable: The endpoint's process did not start, or has ended.
    """
    async with endpoint(setup, scale) as served:
        players = [Player(name, _SocketStage(setup, served, scale)) for name in setup.contestants]
        stage = players[0].stage
        items = stage.items.items()[skip : skip + tasks]
        return await _play(players, items, [bound_s(stage, item) for item in items])


async def _play(
    players: Sequence[Player], items: Sequence[Item], bounds: Sequence[float | None]
) -> list[Outcome]:
    outcomes: dict[tuple[int, str], Outcome] = {}
    for number, (item, bound) in enumerate(zip(items, bounds, strict=True)):
        # Each begins in turn: the machine's moods are shared.
        shift = number % len(players)
        for player in [*players[shift:], *players[:shift]]:
            one = await player.play(item, bound)
            outcomes[number, player.name] = one
            what = "right" if one.success else f"not right: {one.why}"
            print(
                f"{number + 1} of {len(items)}: {one.task}, {one.contestant}: "
                f"{one.wall_s:.1f} s, {what}",
                file=sys.stderr,
                flush=True,
            )
    return [outcomes[n, player.name] for n in range(len(items)) for player in players]


class _Tally(AsyncCallbackHandler):
    """Notes each request to a lane with its time and the tokens that the endpoint counts."""

    def __init__(self, stage: Stage, lane: str) -> None:
        self._stage, self._lane = stage, lane
        self._open: dict[UUID, tuple[Run, Request]] = {}

    async def on_chat_model_start(
        self, serialized: Any, messages: list[list[BaseMessage]], *, run_id: UUID, **given: Any
    ) -> None:
        """Begin a request."""
        request = Request(
            lane=self._lane,
            took_s=0.0,
            prompt_tokens=0,
            output_tokens=0,
            start_s=self._stage.now(),
        )
        self._stage.run.requests.append(request)
        self._open[run_id] = (self._stage.run, request)

    async def on_llm_end(self, response: LLMResult, *, run_id: UUID, **given: Any) -> None:
        """End it with its tokens."""
        _, request = self._open.pop(run_id)
        request.took_s = self._stage.now() - request.start_s
        made = response.generations[0][0]
        usage = None
        if isinstance(made, ChatGeneration) and isinstance(made.message, AIMessage):
            usage = made.message.usage_metadata
        if usage is not None:
            request.prompt_tokens = usage["input_tokens"]
            request.output_tokens = usage["output_tokens"]

    async def on_llm_error(self, error: BaseException, *, run_id: UUID, **given: Any) -> None:
        """End it without an answer: it was cancelled, or failed."""
        known = self._open.pop(run_id, None)
        if known is not None:
            request = known[1]
            request.cancelled_s = request.took_s = self._stage.now() - request.start_s


class _LaneStage(Stage):
    """Models at a user's lanes. Errors are theirs, latencies too; tools take the profile's."""

    def __init__(self, setup: Setup, lanes: tuple[Lane, Lane]) -> None:
        super().__init__(
            items_of(setup.workload), act_error=0.0, seed=setup.seed, profile=setup.profile
        )
        self._lanes = dict(zip(("act", "reason"), lanes, strict=True))

    def model(self, lane: str, *, parallel: bool = False) -> BaseChatModel:
        """Give a chat model; a real one decides itself how many calls a reply makes."""
        model = self._lanes[lane].chat_model(cast("Any", lane))
        return model.model_copy(update={"callbacks": [_Tally(self, lane)]})


@asynccontextmanager
async def _lanes(which: str) -> AsyncIterator[tuple[Lane, Lane]]:
    if which == "local":
        from agentlanes.local import local_lanes

        async with local_lanes() as both:
            yield both
    else:
        from agentlanes.lanes.defaults import default_lanes

        yield default_lanes()


async def run_lanes(
    setup: Setup, *, which: str, tasks: int, skip: int, limit_s: float
) -> list[Outcome]:
    """Run contestants, interleaved, over real models.

    Args:
        setup: What to run; its act error is not used.
        which: `local` for this machine's small models, `env` for those that the environment names.
        tasks: How many tasks.
        skip: Tasks at the beginning that are left out.
        limit_s: How long a task may take; a longer one is lost.
    """
    async with _lanes(which) as lanes:
        players = [Player(name, _LaneStage(setup, lanes), limit_s) for name in setup.contestants]
        items = players[0].stage.items.items()[skip : skip + tasks]
        return await _play(players, items, [None] * len(items))


def against_virtual(
    rows: Sequence[dict[str, Any]], virtual: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Give rows of the real clock with the virtual clock's speed-up, and how far they are from it.

    Args:
        rows: Those of the real clock.
        virtual: Those of the virtual clock over the same tasks.
    """
    by_name = {row["contestant"]: row for row in virtual}
    found = []
    for row in rows:
        other = by_name[row["contestant"]]
        ratio = row["speedup_of_sums"] / other["speedup_of_sums"]
        found.append(
            {
                **row,
                "speedup_of_sums_virtual": other["speedup_of_sums"],
                "wall_p50_s_virtual": other["wall_p50_s"],
                "off": round(ratio - 1, 4),
            }
        )
    return found
