"""The reason branch: judges every proposal of a window as it is made, concurrently."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp
from langgraph.runtime import Runtime

from agentlanes.context.prompts import words_prompt
from agentlanes.errors import LaneError
from agentlanes.lanes.call import ask, lane_config, noting_lost
from agentlanes.nodes.ahead import FINISH, PLAN
from agentlanes.nodes.events import Emit, verdict_event
from agentlanes.nodes.parts import Judgement, Node, Parts
from agentlanes.plan import kept_share
from agentlanes.speculation.exchange import Case, Exchange
from agentlanes.state import AgentState, Judged, VerdictDict

__all__ = ["reason_node"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """What came of judging a proposal.

    Attributes:
        index: The proposal.
        calls: Facts of the lane calls, those that gave no reply included.
        started: Loop time; so is `ended`.
        given: It was not called off.
    """

    index: int
    calls: list[dict[str, Any]]
    started: float
    ended: float
    given: bool = True


Judging = dict[int, "asyncio.Task[_Judged]"]


def reason_node(
    parts: Parts,
) -> Node:
    """Make the `reason` node."""

    async def reason(
        state: AgentState, config: RunnableConfig, runtime: Runtime[Any]
    ) -> dict[str, Any]:
        window, run = state["window"], state["run"]
        custody = await parts.custodies.of(config, runtime)
        origin = parts.clock(state, custody).origin
        if state["route"]["lanes"] == "reason":
            lost: list[dict[str, Any]] = []
            words = await _words(parts, state, noting_lost(config, lost))
            calls = [*words["calls"], *({**facts, "index": None} for facts in lost)]
            return {"judged": {**words, "calls": calls, "origin": origin}}
        exchange = parts.exchanges.get(run["uid"], window["id"])
        if exchange is None or custody.forked:
            return {"judged": _judged(window["id"], lost=True, forked=custody.forked)}

        def emit(index: int, verdict: VerdictDict) -> None:
            runtime.stream_writer(verdict_event(run["uid"], window["id"], index, verdict))

        done = await _judge_window(parts, exchange, config, emit)
        return {
            "judged": _judged(
                window["id"],
                verdicts={str(index): verdict for index, verdict in exchange.verdicts.items()},
                calls=[parts.noted(facts) for one in done for facts in one.calls],
                judgings=[(one.index, one.started, one.ended) for one in done if one.given],
                origin=origin,
            )
        }

    return reason


async def _judge_window(
    parts: Parts, exchange: Exchange, config: RunnableConfig, emit: Emit
) -> list[_Judged]:
    """Judge until the window closes."""
    judging: Judging = {}
    try:
        async for case in exchange.proposals():
            index = case.proposal["index"]
            if case.proposal["rides_on"] is None and index not in exchange.verdicts:
                judging[index] = asyncio.create_task(
                    _judge_one(parts, exchange, case, config, emit)
                )
        await _settle_verdicts(exchange, judging)
    finally:
        for task in judging.values():
            task.cancel()
        await asyncio.gather(*judging.values(), return_exceptions=True)
    done = [judging[index] for index in sorted(judging) if not judging[index].cancelled()]
    return [task.result() for task in done]


async def _settle_verdicts(exchange: Exchange, judging: Judging) -> None:
    """Await the verdicts that still matter: those below the lowest rejection."""
    while True:
        last = exchange.ends_at
        for index, task in judging.items():
            if last is not None and index > last:
                task.cancel()
        open_ = {
            task
            for index, task in judging.items()
            if not task.done() and (last is None or index < last)
        }
        if not open_:
            return
        await asyncio.wait(open_, return_when=asyncio.FIRST_COMPLETED)


async def _judge_one(
    parts: Parts, exchange: Exchange, case: Case, config: RunnableConfig, emit: Emit
) -> _Judged:
    index = case.proposal["index"]
    clock = asyncio.get_running_loop().time
    started, lost = clock(), list[dict[str, Any]]()
    try:
        judgement = await parts.judge.judge(case, noting_lost(config, lost))
    except GraphBubbleUp:
        raise
    except asyncio.CancelledError:
        calls = [{**facts, "index": index} for facts in lost]
        return _Judged(index=index, calls=calls, started=started, ended=clock(), given=False)
    except Exception as error:
        judgement = Judgement(
            verdict=VerdictDict(
                status="unavailable",
                by="reason",
                reason=f"{type(error).__name__}: {error}",
                suggestion=None,
                binding="",
            )
        )
    ended = clock()
    exchange.decide(index, judgement.verdict)
    emit(index, judgement.verdict)
    if parts.admission is not None and judgement.verdict["status"] != "unavailable":
        judged = PLAN if case.proposal["kind"] == "plan" else case.proposal["tool"]
        accepted = _accepted(case, judgement.verdict)
        parts.admission.observe_verdict(judged or FINISH, accepted, now=clock())
        parts.admission.observe_time("reason", ended - started)
    right = _right(parts, case, judgement.verdict)
    made = sorted([*judgement.calls, *lost], key=lambda facts: float(facts["started"]))
    calls = [{**facts, "index": index, "right": right} for facts in made]
    return _Judged(index=index, calls=calls, started=started, ended=ended)


def _accepted(case: Case, verdict: VerdictDict) -> float:
    """Give the share of a proposal that a verdict leaves standing.

    What a plan's reads have found out is used for the corrected plan.
    """
    if verdict["status"] == "approve":
        return 1.0
    steps = verdict.get("steps")
    return kept_share(case.proposal["steps"], steps) if steps else 0.0


def _right(parts: Parts, case: Case, verdict: VerdictDict) -> bool | None:
    """Say whether a verdict was right, where the user's checker knows; it decides nothing."""
    truth = parts.checker(case) if parts.checker is not None else None
    if truth is None or verdict["status"] == "unavailable":
        return None
    return (verdict["status"] == "approve") == truth


async def _words(parts: Parts, state: AgentState, config: RunnableConfig) -> Judged:
    """Have the reason lane alone work the request out."""
    messages = words_prompt(parts.system_prompt, state["messages"])
    try:
        reply = await ask(parts.reason, messages, lane_config(config, "reason", "words"))
    except LaneError as error:
        key = uuid.uuid4().hex
        parts.exchanges.keep_failure(key, error)
        return _judged(state["window"]["id"], failure=key)
    facts = {**parts.noted(reply.facts("reason", prompt=parts.records)), "index": None}
    return _judged(state["window"]["id"], calls=[facts], words=str(reply.message.text))


def _judged(window: int, **known: Any) -> Judged:
    blank: dict[str, Any] = {
        "lost": False,
        "forked": False,
        "failure": None,
        "verdicts": {},
        "calls": [],
        "words": None,
        "judgings": [],
        "origin": 0.0,
    }
    return Judged(window=window, **{**blank, **known})  # type: ignore[typeddict-item]
