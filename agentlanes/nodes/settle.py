"""Settle a window: commit the verified prefix, discard the rest, hand on the correction.

The only node that sees what both branches wrote, and the only one that decides what is committed
from a window.
"""

from __future__ import annotations

import uuid
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from agentlanes.errors import RunError, StepLimit, VerdictUnavailable
from agentlanes.latency.clock import RunClock
from agentlanes.latency.record import Outcome
from agentlanes.nodes.custody import until_saved
from agentlanes.nodes.edges import Edge
from agentlanes.nodes.events import answer_event, is_heard, settled_event
from agentlanes.nodes.labelling import window_labels
from agentlanes.nodes.parts import Node, Parts
from agentlanes.nodes.records import publish, settled_window
from agentlanes.nodes.undo import keep, take_back
from agentlanes.nodes.verified import Settled, read_off, verdicts_of
from agentlanes.nodes.window import nothing_proposed
from agentlanes.speculation.effects import HARMLESS
from agentlanes.speculation.exchange import Exchange
from agentlanes.speculation.reads import KeptReads
from agentlanes.state import (
    AgentState,
    Correction,
    Proposed,
    RunInfo,
)

__all__ = ["after_settle", "settle_fork", "settle_node"]


_COUNTS: frozenset[Outcome] = frozenset({"committed", "skipped"})


def settle_node(
    parts: Parts,
) -> Node:
    """Make the `settle` node."""

    async def settle(
        state: AgentState, config: RunnableConfig, runtime: Runtime[Any]
    ) -> dict[str, Any]:
        window, run = state["window"], state["run"]
        custody = await parts.custodies.of(config, runtime)
        exchange = parts.exchanges.last(run["uid"], window["id"])
        parts.exchanges.sweep(run["uid"])
        proposed, judged = state["proposed"], state.get("judged")
        forked = custody.forked or bool(proposed and proposed["forked"])
        if forked or bool(judged and judged["forked"]):
            custody.forked = False
            return settle_fork(state)
        if state["route"]["lanes"] == "reason":
            return _settle_words(parts, state, runtime, parts.clock(state, custody))
        if proposed is None or proposed["window"] != window["id"]:
            proposed = nothing_proposed(window["id"], lost=True)
        room = parts.limits.max_steps - len(state["committed"])
        verdicts = verdicts_of(state, proposed)
        settled = read_off(state, proposed, verdicts, exchange, room)
        _take_over(exchange, settled)
        _keep_reads(parts, custody.reads, proposed, settled)
        if parts.effects:
            await custody.check()
        clock, undone = parts.clock(state, custody), None
        if parts.undoes:
            keys = _kept_keys(proposed, settled)
            if keys:
                # A run that is taken up before this window would make the calls again.
                await until_saved(custody, config)
            await keep(keys, custody)
            since = clock.now_ms()
            if await take_back(parts, run["uid"], custody, but=keys):
                undone = since, clock.now_ms()
        carry = _carry(state, proposed, settled)
        lost = proposed["lost"] or bool(judged and judged["lost"])
        excused = lost or proposed["failure"] or settled.denied or settled.full
        stuck = not (excused or settled.correction or carry)
        told = settled_window(
            parts,
            state,
            (proposed, judged),
            settled.fates,
            settled.ends_at,
            undone,
            carried=_carried(proposed, settled) if carry else None,
        )
        runtime.stream_writer(settled_event(run["uid"], window["id"], settled.fates))
        if proposed["answer"] is not None and not settled.finished:
            runtime.stream_writer(answer_event(run["uid"], "retracted"))
        steps = publish(parts, state, told.made, runtime.stream_writer)
        # After the records: runs that are traced for those inherit this one's metadata.
        heard = is_heard(runtime.stream_writer)
        for label in window_labels(parts, state, exchange, verdicts, settled.fates, heard=heard):
            runtime.stream_writer(label)
        return {
            "messages": settled.messages,
            "committed": state["committed"] + settled.committed,
            "steps": steps,
            "prompts": told.prompts,
            "plan": settled.plan,
            "correction": settled.correction or _still_due(state, settled),
            "carry": carry,
            "draft_answer": settled.answer,
            "early_answer": told.answer if settled.finished else None,
            "proposed": None,
            "judged": None,
            "window": {
                **window,
                "next": _next(settled),
                "fence": settled.fence,
                "after": told.closing,
                "clock_ms": clock.now_ms(),
            },
            "run": _count(parts, state, proposed, settled, idle=stuck),
        }

    return settle


@Edge
def after_settle(state: AgentState) -> str:
    """Name where `settle` sends the run."""
    return state["window"]["next"]


def settle_fork(state: AgentState) -> dict[str, Any]:
    """Go on as another run from the same committed work: no old verdict or plan covers it."""
    plan = state.get("plan")
    return {
        "plan": {**plan, "status": "ended"} if plan else None,
        "correction": None,
        "carry": None,
        "draft_answer": None,
        "early_answer": None,
        "proposed": None,
        "judged": None,
        "window": {**state["window"], "next": "route", "fence": None},
        "run": {**state["run"], "uid": uuid.uuid4().hex, "fenced": 0},
    }


def _carry(state: AgentState, proposed: Proposed, settled: Settled) -> list[dict[str, Any]] | None:
    """Give the drafted calls that still stand and begin the next window.

    The rest of a reply stands when its calls until then count. What was drafted after a call that
    does not count would not have been drafted without it.
    """
    left, stopped = state.get("carry"), settled.open
    if proposed["lost"] or (settled.ends_at is None and "discarded" not in settled.fates.values()):
        return left
    if stopped is None or stopped["burst"] is None or not stopped["whole"]:
        return None
    proposals, burst = proposed["proposals"], stopped["burst"]
    rest = [
        {"tool": p["tool"], "args": p["args"], "text": ""}
        for p in proposals
        if p["burst"] == burst and p["index"] >= stopped["index"]
    ]
    return [*rest, *(left or [])] if proposals[-1]["burst"] == burst else rest


def _carried(proposed: Proposed, settled: Settled) -> int | None:
    """Name the draft whose calls go to the next window."""
    return settled.open["draft"] if settled.open else len(proposed["drafts"]) - 1


def _take_over(exchange: Exchange | None, settled: Settled) -> None:
    """Have each session go on from the fork of its last committed call."""
    for session, forks in exchange.forks.items() if exchange else ():
        kept = [fork for index, fork in forks if settled.fates.get(index) in _COUNTS]
        if kept:
            session.value = kept[-1]


def _keep_reads(parts: Parts, kept: KeptReads, proposed: Proposed, settled: Settled) -> None:
    """Keep what discarded reads have found out, unless something may have changed it."""
    kept.clear()
    made = [p for p in proposed["proposals"] if p["started_at"] is not None]
    if settled.fence is not None or any(p["effect"] not in HARMLESS for p in made):
        return
    for p in [*made, *proposed["unused"]]:
        discarded = settled.fates.get(p["index"], "discarded") == "discarded"
        if not discarded or p["result"] is None or p["failed"]:
            continue
        if parts.tools[p["tool"]].effect.session is None:
            took_s = (p["ended_at"] or 0.0) - (p["started_at"] or 0.0) + p["kept_s"]
            kept.keep(p["tool"], p["args"], p["result"], took_s)


def _kept_keys(proposed: Proposed, settled: Settled) -> set[str]:
    """Give the ledger keys of the reversible calls that are committed."""
    proposals = proposed["proposals"]
    return {p["key"] for p in proposals if p["key"] and settled.fates.get(p["index"]) in _COUNTS}


def _next(settled: Settled) -> str:
    if settled.fence is not None:
        return "effects"
    return "deliver" if settled.finished else "route"


def _still_due(state: AgentState, settled: Settled) -> Correction | None:
    """Give the last correction again when a window came to nothing, as a lost one does."""
    came = settled.committed or settled.fence or settled.finished or settled.planned
    return None if came else state.get("correction")


def _count(
    parts: Parts, state: AgentState, proposed: Proposed, settled: Settled, *, idle: bool
) -> RunInfo:
    """Count corrections and note a failure for the next `route` to raise.

    A window without a result counts as one, so that a run that gets nowhere ends.
    """
    run = state["run"].copy()
    run["unverified"] += settled.unverified
    if settled.committed:
        run["corrections"] = 0
    nothing = not (settled.committed or settled.fence or settled.finished or settled.planned)
    if settled.correction is not None or (nothing and idle):
        run["corrections"] += 1
    # What failed after a call that does not count, would not have been tried without it.
    counts = not (settled.correction or settled.fence or settled.finished)
    run["failure"] = proposed["failure"] if counts else None
    stop = _stop(parts, settled)
    if stop is not None:
        key = run["failure"] = uuid.uuid4().hex
        parts.exchanges.keep_failure(key, stop)
    return run


def _stop(parts: Parts, settled: Settled) -> RunError | None:
    """Give what ends the run here, for the next `route` to raise."""
    if settled.full:
        return StepLimit(parts.limits.max_steps)
    if settled.denied is None:
        return None
    return VerdictUnavailable(
        "a call that must not run unverified is waiting for a verdict, and the reason lane "
        f"failed ({settled.denied}); mend the lane and resume the run"
    )


def _settle_words(
    parts: Parts, state: AgentState, runtime: Runtime[Any], clock: RunClock
) -> dict[str, Any]:
    """Take in the reason lane's words; without tools they are all the answer needs."""
    judged, window = state.get("judged"), state["window"]
    words = judged["words"] if judged and judged["window"] == window["id"] else None
    empty = nothing_proposed(window["id"], lost=False)
    told = settled_window(parts, state, (empty, judged), {}, None, None)
    deliver = words is not None and not parts.tools
    return {
        "brief": words,
        "draft_answer": words if deliver else None,
        "steps": publish(parts, state, told.made, runtime.stream_writer),
        "prompts": told.prompts,
        "judged": None,
        "window": {
            **window,
            "next": "deliver" if deliver else "route",
            "fence": None,
            "after": told.closing,
            "clock_ms": clock.now_ms(),
        },
        "run": {**state["run"], "failure": judged["failure"] if judged else None},
    }
