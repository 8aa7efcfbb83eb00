"""Which of a window's proposals count: the verified prefix, in order, and why it ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import BaseMessage

from agentlanes.context.prompts import call_messages
from agentlanes.latency.record import Outcome
from agentlanes.nodes.calls import count_calls
from agentlanes.plan import conforms
from agentlanes.speculation.effects import HARMLESS
from agentlanes.speculation.exchange import Exchange, binds, subject, verdict_on
from agentlanes.state import (
    AgentState,
    CommittedCall,
    Correction,
    PlanDict,
    PlanStep,
    ProposalDict,
    Proposed,
    VerdictDict,
)

__all__ = ["Settled", "advance_plan", "read_off", "verdicts_of"]


@dataclass(slots=True)
class Settled:
    """What a window comes to, as it is read off proposal by proposal."""

    plan: PlanDict | None
    room: int
    messages: list[BaseMessage] = field(default_factory=list)
    committed: list[CommittedCall] = field(default_factory=list)
    fates: dict[int, Outcome] = field(default_factory=dict)
    correction: Correction | None = None
    fence: ProposalDict | None = None
    finished: bool = False
    planned: bool = False
    answer: str | None = None
    unverified: int = 0
    open: ProposalDict | None = None
    ends_at: int | None = None
    denied: str | None = None
    full: bool = False


def verdicts_of(state: AgentState, proposed: Proposed) -> dict[int, VerdictDict]:
    """Collect the verdicts that were saved by either branch."""
    judged = state.get("judged")
    verdicts = {p["index"]: p["verdict"] for p in proposed["proposals"] if p["verdict"]}
    if judged is not None and judged["window"] == proposed["window"]:
        verdicts.update({int(index): v for index, v in judged["verdicts"].items()})
    return verdicts


def read_off(
    state: AgentState,
    proposed: Proposed,
    verdicts: dict[int, VerdictDict],
    exchange: Exchange | None,
    room: int,
) -> Settled:
    """Walk the proposals in order until one does not count, or `room` calls are committed."""
    settled = Settled(plan=state.get("plan"), room=room)
    if proposed["planless"]:
        settled.plan = PlanDict(version=0, status="ended", steps=[], done=0, results=[])
    number = count_calls(state["messages"])
    for proposal in proposed["proposals"]:
        settled.fates[proposal["index"]] = "discarded"
    for proposal in proposed["proposals"]:
        verdict = verdict_on(proposal, verdicts)
        own = proposal["index"] in verdicts
        if verdict is None or not proposal["whole"] or (own and not binds(verdict, proposal)):
            settled.open = proposal
            break
        if proposal["effect"] == "session" and not proposal["fenced"] and exchange is None:
            settled.open = proposal  # its fork went with the process that ran it
            break
        if verdict["status"] in ("reject", "unknown"):
            settled.ends_at = proposal["index"]
            if _issued(proposal) and verdict["status"] == "reject" and settled.plan is not None:
                settled.plan = {**settled.plan, "status": "ended"}  # or it would be issued again
            if not _revise(settled, proposal, verdict):
                settled.correction = Correction(
                    proposal=dict(subject(proposal)),
                    reason=verdict["reason"],
                    suggestion=verdict["suggestion"] or _standing(state, settled),
                )
            break
        if not _accept(settled, proposal, verdict, number + len(settled.committed)):
            break
    return settled


def _issued(proposal: ProposalDict) -> bool:
    return proposal["kind"] == "call" and proposal["draft"] is None and proposal["burst"] is None


def _revise(settled: Settled, proposal: ProposalDict, verdict: VerdictDict) -> bool:
    """Take over the corrected plan that a rejection gives; say whether it gives one.

    The window ends with it, and nothing that followed the rejected plan counts, also where the
    two plans begin alike: when the verdict came must not decide where windows end.
    """
    steps = verdict.get("steps")
    if proposal["kind"] != "plan" or verdict["status"] != "reject" or steps is None:
        return False
    _begin_plan(settled, steps)
    settled.fates[proposal["index"]] = "committed"
    return True


def _begin_plan(settled: Settled, steps: list[PlanStep], *, unverified: bool = False) -> None:
    settled.plan = PlanDict(
        version=(settled.plan["version"] if settled.plan else 0) + 1,
        status="ended" if unverified else "approved",
        steps=steps,
        done=0,
        results=[],
    )
    settled.planned = True


def _covered(plan: PlanDict | None, proposal: ProposalDict) -> bool:
    """Check what a plan authorised against the plan itself, as far as it is committed."""
    if plan is None or plan["status"] != "approved":
        return False
    if proposal["kind"] == "finish":
        return plan["done"] == len(plan["steps"])
    return proposal["plan_step"] == plan["done"] and conforms(
        plan, plan["done"], proposal["tool"], proposal["args"], plan["results"]
    )


def _standing(state: AgentState, settled: Settled) -> dict[str, Any] | None:
    """Give the reason lane's last suggestion while nothing has been committed since."""
    last = state.get("correction")
    return last["suggestion"] if last and not settled.committed else None


def _accept(settled: Settled, proposal: ProposalDict, verdict: VerdictDict, number: int) -> bool:
    """Take in one proposal that was not rejected; say whether to read on."""
    index, unverified = proposal["index"], verdict["status"] == "unavailable"
    if verdict["by"] == "plan" and not _covered(settled.plan, proposal):
        settled.open = proposal
        return False
    if proposal["kind"] == "plan":
        _begin_plan(settled, proposal["steps"], unverified=unverified)
        settled.fates[index] = "committed"
        if unverified:
            # Goes on call by call. Were its calls taken in, a crash would decide whether they are.
            settled.ends_at = index
        return not unverified
    if proposal["kind"] == "finish":
        settled.fates[index] = _fate(verdict)
        settled.finished, settled.answer = True, proposal["text"] or None
        return False
    if len(settled.committed) >= settled.room:
        # Counted by calls and not by windows: a crash may divide the calls into other windows.
        settled.full = True
        return False
    if unverified and (proposal["fenced"] or proposal["effect"] not in HARMLESS):
        settled.denied = verdict["reason"]
        return False
    if proposal["fenced"]:
        settled.fence, settled.fates[index] = {**proposal, "verdict": verdict}, "fenced"
        return False
    if proposal["result"] is None:
        settled.open = proposal
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
