"""Settle a window: commit the verified prefix, discard the rest, hand on the correction.

The only node that sees what both branches wrote, and the only one that decides what is committed
from a window.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import BaseMessage
from langgraph.runtime import Runtime

from agentlanes.context.prompts import call_messages
from agentlanes.errors import VerdictUnavailable
from agentlanes.latency.record import Outcome
from agentlanes.nodes.calls import count_calls
from agentlanes.nodes.events import settled_event
from agentlanes.nodes.parts import Node, Parts
from agentlanes.nodes.records import publish, window_records
from agentlanes.nodes.window import nothing_proposed
from agentlanes.speculation.exchange import subject, verdict_on
from agentlanes.state import (
    AgentState,
    CommittedCall,
    Correction,
    PlanDict,
    ProposalDict,
    Proposed,
    RunInfo,
    VerdictDict,
)

__all__ = ["advance_plan", "settle_node"]


@dataclass(slots=True)
class _Settled:
    """What a window comes to, as it is read off proposal by proposal."""

    plan: PlanDict | None
    messages: list[BaseMessage] = field(default_factory=list)
    committed: list[CommittedCall] = field(default_factory=list)
    fates: dict[int, Outcome] = field(default_factory=dict)
    correction: Correction | None = None
    fence: ProposalDict | None = None
    finished: bool = False
    answer: str | None = None
    unverified: int = 0
    open: bool = False
    denied: str | None = None


def settle_node(
    parts: Parts,
) -> Node:
    """Make the `settle` node."""

    async def settle(state: AgentState, runtime: Runtime[Any]) -> dict[str, Any]:
        parts.exchanges.sweep(state["run"]["uid"])
        if state["route"]["lanes"] == "reason":
            return _settle_words(parts, state, runtime)
        proposed = state["proposed"]
        judged = state.get("judged")
        window = state["window"]
        if proposed is None or proposed["window"] != window["id"]:
            proposed = nothing_proposed(window["id"], lost=True)
        settled = _read_off(state, proposed, _verdicts(state, proposed))
        made = window_records(state["route"], proposed, judged, settled.fates, window["id"])
        runtime.stream_writer(settled_event(window["id"], settled.fates))
        carry = state.get("carry")
        clean = settled.correction is None and not settled.denied
        lost = proposed["lost"] or bool(judged and judged["lost"])
        return {
            "messages": settled.messages,
            "committed": state["committed"] + settled.committed,
            "steps": publish(state, made, runtime.stream_writer),
            "plan": settled.plan,
            "correction": settled.correction,
            "carry": carry if clean and not lost else None,
            "draft_answer": settled.answer,
            "proposed": None,
            "judged": None,
            "window": {**window, "next": _next(settled), "fence": settled.fence},
            "run": _count(parts, state, proposed, settled),
        }

    return settle


def _verdicts(state: AgentState, proposed: Proposed) -> dict[int, VerdictDict]:
    """Collect the verdicts that were saved by either branch."""
    judged = state.get("judged")
    verdicts = {p["index"]: p["verdict"] for p in proposed["proposals"] if p["verdict"]}
    if judged is not None and judged["window"] == proposed["window"]:
        verdicts.update({int(index): v for index, v in judged["verdicts"].items()})
    return verdicts


def _read_off(state: AgentState, proposed: Proposed, verdicts: dict[int, VerdictDict]) -> _Settled:
    """Walk the proposals in order until one does not count."""
    settled = _Settled(plan=state.get("plan"))
    if proposed["planless"]:
        settled.plan = PlanDict(version=0, status="ended", steps=[], done=0, results=[])
    number = count_calls(state["messages"])
    for proposal in proposed["proposals"]:
        settled.fates[proposal["index"]] = "discarded"
    for proposal in proposed["proposals"]:
        verdict = verdict_on(proposal, verdicts)
        if verdict is None:
            settled.open = True
            break
        if verdict["status"] in ("reject", "unknown"):
            settled.correction = Correction(
                proposal=dict(subject(proposal)),
                reason=verdict["reason"],
                suggestion=verdict["suggestion"] or _standing(state, settled),
            )
            break
        if not _accept(settled, proposal, verdict, number + len(settled.committed)):
            break
    return settled


def _standing(state: AgentState, settled: _Settled) -> dict[str, Any] | None:
    """Give the reason lane's last suggestion while nothing has been committed since."""
    last = state.get("correction")
    return last["suggestion"] if last and not settled.committed else None


def _accept(settled: _Settled, proposal: ProposalDict, verdict: VerdictDict, number: int) -> bool:
    """Take in one proposal that was not rejected; say whether to read on."""
    index, unverified = proposal["index"], verdict["status"] == "unavailable"
    if proposal["kind"] == "plan":
        version = (settled.plan["version"] if settled.plan else 0) + 1
        settled.plan = PlanDict(
            version=version,
            status="ended" if unverified else "approved",
            steps=proposal["steps"],
            done=0,
            results=[],
        )
        settled.fates[index] = "committed"
        return True
    if proposal["kind"] == "finish":
        settled.fates[index] = _fate(verdict)
        settled.finished, settled.answer = True, proposal["text"] or None
        return False
    if proposal["fenced"]:
        if unverified:
            settled.denied = verdict["reason"]
            return False
        settled.fence, settled.fates[index] = proposal, "fenced"
        return False
    if proposal["result"] is None:
        settled.open = True
        return False
    settled.messages += call_messages(
        number, proposal["tool"], proposal["args"], proposal["result"], failed=proposal["failed"]
    )
    settled.committed.append(
        CommittedCall(
            tool=proposal["tool"],
            args=proposal["args"],
            effect=proposal["effect"],
            result=proposal["result"],
        )
    )
    settled.plan = advance_plan(settled.plan, proposal, proposal["result"], proposal["failed"])
    settled.fates[index] = _fate(verdict)
    settled.unverified += verdict["by"] == "skip" or unverified
    return True


def _fate(verdict: VerdictDict) -> Outcome:
    return (
        "skipped" if verdict["by"] == "skip" or verdict["status"] == "unavailable" else "committed"
    )


def advance_plan(
    plan: PlanDict | None, proposal: ProposalDict, result: str, failed: bool
) -> PlanDict | None:
    """Move a plan on by a committed call; a deviation or a failure ends its version."""
    if plan is None or plan["status"] != "approved":
        return plan
    if failed or proposal["plan_step"] != plan["done"]:
        return {**plan, "status": "ended"}
    return {**plan, "done": plan["done"] + 1, "results": [*plan["results"], result]}


def _next(settled: _Settled) -> str:
    if settled.fence is not None:
        return "effects"
    return "deliver" if settled.finished else "route"


def _count(parts: Parts, state: AgentState, proposed: Proposed, settled: _Settled) -> RunInfo:
    """Count corrections and note a failure for the next `route` to raise."""
    run = state["run"].copy()
    run["unverified"] += settled.unverified
    if settled.committed or settled.fence:
        run["corrections"] = 0
    if settled.correction is not None:
        run["corrections"] += 1
    run["failure"] = proposed["failure"] if settled.fence is None else None
    if settled.finished:
        run["failure"] = None
    if settled.denied is not None:
        key = uuid.uuid4().hex
        error = VerdictUnavailable(
            "a call that must not run unverified is waiting for a verdict, and the reason lane "
            f"failed ({settled.denied}); mend the lane and resume the run"
        )
        parts.exchanges.keep_failure(key, error)
        run["failure"] = key
    return run


def _settle_words(parts: Parts, state: AgentState, runtime: Runtime[Any]) -> dict[str, Any]:
    """Take in the reason lane's words; without tools they are all the answer needs."""
    judged, window = state.get("judged"), state["window"]
    words = judged["words"] if judged and judged["window"] == window["id"] else None
    empty = nothing_proposed(window["id"], lost=False)
    made = window_records(state["route"], empty, judged, {}, window["id"])
    deliver = words is not None and not parts.tools
    return {
        "brief": words,
        "draft_answer": words if deliver else None,
        "steps": publish(state, made, runtime.stream_writer),
        "judged": None,
        "window": {**window, "next": "deliver" if deliver else "route", "fence": None},
        "run": {**state["run"], "failure": judged["failure"] if judged else None},
    }
