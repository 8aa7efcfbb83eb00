"""What to do next: a carried draft, a plan, a step of the plan, or what the act lane says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig

from agentlanes.context.prompts import deliver_prompt, draft_prompt, fingerprint, plan_prompt
from agentlanes.errors import MalformedReply
from agentlanes.lanes.call import (
    LaneReply,
    ask,
    ask_for,
    ask_streaming,
    lane_config,
    noting_lost,
)
from agentlanes.lanes.prediction import predicting
from agentlanes.nodes.events import announce, answer_event
from agentlanes.nodes.parts import Parts
from agentlanes.nodes.window import ActContext, ActState
from agentlanes.plan import approve, fully_pinned, plan_schema, resolve_step
from agentlanes.speculation.exchange import Case
from agentlanes.state import (
    Correction,
    EarlyAnswer,
    PlanDict,
    PlanStep,
    ProposalDict,
    VerdictDict,
)

__all__ = [
    "ask_plan",
    "blank_proposal",
    "fenced_again",
    "issued_args",
    "new_proposal",
    "next_draft",
]


async def next_draft(
    parts: Parts, state: ActState, context: ActContext, config: RunnableConfig
) -> dict[str, Any]:
    """Give the update that holds the next calls, or that ends the window."""
    if state["first"] and context.carry and "finish" in context.carry[0]:
        return await _finish(parts, state, context, context.carry[0]["text"], None)
    if state["first"] and context.carry:
        return {"pending": context.carry, "draft": None, "first": False}
    plan = state["plan"]
    if plan is None and state["first"] and context.route["plan"]:
        return await _draft_plan(parts, state, context, config)
    if plan is not None and state["at"] >= len(plan["steps"]):
        return await _finish(parts, state, context, "", None)
    if plan is not None:
        ready = _ready_steps(parts, plan, state)
        if ready:
            return {"pending": ready, "draft": None, "first": False}
        if not context.exchange.judging:
            # An open argument needs a verdict, and this window has nobody to give one.
            return {"pending": [], "done": True, "first": False}
    return await _draft_calls(parts, state, context, config)


async def _draft_plan(
    parts: Parts, state: ActState, context: ActContext, config: RunnableConfig
) -> dict[str, Any]:
    transcript = state["transcript"]
    try:
        reply, steps = await ask_plan(parts, context, transcript, context.correction, config)
    except MalformedReply:
        # A lane that cannot write a plan may still make good calls, each with its own verdict.
        context.planless = True
        return await _draft_calls(parts, state, context, config)
    proposal = new_proposal(context, kind="plan", steps=steps, draft=_keep(parts, context, reply))
    mode = parts.mode(None, context.route["profile"])
    context.exchange.propose(Case(proposal=proposal, transcript=transcript, mode=mode))
    announce(context, proposal)
    plan = PlanDict(version=0, status="pending", steps=steps, done=0, results=[])
    return {"plan": plan, "at": 0, "riding": proposal["index"], "results": [], "first": False}


async def ask_plan(
    parts: Parts,
    context: ActContext,
    transcript: Sequence[BaseMessage],
    correction: Correction | None,
    config: RunnableConfig,
) -> tuple[LaneReply, list[PlanStep]]:
    """Have the act lane draft a plan.

    Args:
        parts: The graph's parts.
        context: The window's.
        transcript: What the plan goes on from.
        correction: What was wrong with an earlier one.
        config: What the lane is called with.

    Returns:
        The reply, and the plan's steps.

    Raises:
        LaneError: The lane gives no plan; `MalformedReply` when what it gives is none.
    """
    messages = plan_prompt(
        parts.system_prompt,
        transcript,
        parts.listing(),
        correction=correction,
        brief=context.brief,
    )
    schema = plan_schema({name: tool.schema for name, tool in parts.tools.items()})
    asked = lane_config(config, "act", "plan", "speculative")
    reply = await ask_for(parts.act, messages, schema, asked)
    return reply, list((reply.value or {}).get("steps") or [])


def _ready_steps(parts: Parts, plan: PlanDict, state: ActState) -> list[dict[str, Any]]:
    """Give the next steps that code can issue: all arguments pinned, no model needed.

    Several at once only while they are safe to run ahead and need nothing of one another.
    """
    ready: list[dict[str, Any]] = []
    for step in plan["steps"][state["at"] :]:
        tool = parts.tools.get(step["tool"])
        args = issued_args(parts, step, state["results"])
        if tool is None or args is None:
            break
        if ready and not tool.runs_ahead:
            break
        ready.append({"tool": step["tool"], "args": args, "text": "", "issued": True})
        if not tool.runs_ahead:
            break
    return ready


def issued_args(
    parts: Parts, step: PlanStep, results: Sequence[str | None]
) -> dict[str, Any] | None:
    """Give a plan step's arguments when code can issue it, or `None` when one is open."""
    tool = parts.tools.get(step["tool"])
    if tool is None:
        return None
    args = resolve_step(step, results, tool.schema)
    return args if args is not None and fully_pinned(args, tool.schema) else None


async def _draft_calls(
    parts: Parts, state: ActState, context: ActContext, config: RunnableConfig
) -> dict[str, Any]:
    plan = state["plan"]
    messages = draft_prompt(
        parts.system_prompt,
        state["transcript"],
        correction=context.correction if state["first"] else None,
        brief=context.brief,
        step=plan["steps"][state["at"]] if plan is not None else None,
    )
    if plan is not None:
        context.early.look(state, config, made=state["at"], at=state["at"] + 1)
    drafting = lane_config(config, "act", "draft", "speculative")
    number = len(context.drafts)
    burst = context.new_burst(state, config, number)

    def on_call(tool: str, args: dict[str, Any]) -> bool:
        burst.add({"tool": tool, "args": args, "text": ""}, whole=False)
        return bool(burst.taken)

    reply = await ask_streaming(parts.drafter, messages, drafting, on_call)
    _keep(parts, context, reply)
    calls = reply.message.tool_calls
    if not calls:
        return await _finish(parts, state, context, str(reply.message.text), number)
    pending = [{"tool": c["name"], "args": c["args"], "text": ""} for c in calls]
    context.burst = burst
    return {"pending": pending, "draft": number, "first": False}


async def _finish(
    parts: Parts, state: ActState, context: ActContext, text: str, draft: int | None
) -> dict[str, Any]:
    """Propose to finish. A plan whose steps are all proposed has said so already."""
    plan = state["plan"]
    complete = plan is not None and state["at"] >= len(plan["steps"])
    riding = state["riding"] if complete else None
    proposal = new_proposal(context, kind="finish", text=text, draft=draft, rides_on=riding)
    exchange = context.exchange
    mode = parts.mode(None, context.route["profile"])
    exchange.propose(Case(proposal=proposal, transcript=state["transcript"], mode=mode))
    if complete and riding is None:
        exchange.decide(proposal["index"], approve("plan", "every step of the plan is committed"))
    elif mode == "skip" and riding is None:
        # Also where there is a judge: whether there is one depends on what was left over.
        exchange.decide(proposal["index"], approve("skip"))
    elif not exchange.judging:
        context.leftover.append({"finish": True, "text": text})
    announce(context, proposal)
    early = parts.deliver == "provisional" and exchange.verdict(proposal["index"]) is None
    # A run that takes more steps than it may gives no answer, early or late.
    if early and exchange.calls <= context.room:
        await _answer_early(parts, state, context, text)
    return {"pending": [], "done": True, "first": False}


async def _answer_early(parts: Parts, state: ActState, context: ActContext, text: str) -> None:
    """Write the answer while the verdicts are out: marked, and taken back if one rejects."""
    context.answering = True
    messages = deliver_prompt(parts.system_prompt, state["transcript"], text or None)
    asked = lane_config(context.config, "act", "answer", "speculative", "provisional")
    asked = noting_lost(asked, context.drafts)
    reply = await ask(predicting(parts.act, text), messages, asked)
    context.answer = EarlyAnswer(
        text=str(reply.message.text),
        asked=fingerprint(messages),
        facts=parts.noted(reply.facts("act", prompt=parts.records)),
        span=None,
    )
    context.emit(answer_event(context.run, "provisional", context.answer["text"]))


def _keep(parts: Parts, context: ActContext, reply: LaneReply) -> int:
    context.drafts.append(reply.facts("act", prompt=parts.records))
    if parts.admission is not None:
        parts.admission.observe_time("act", reply.ended - reply.started)
    return len(context.drafts) - 1


def new_proposal(context: ActContext, **known: Any) -> ProposalDict:
    """Make the window's next proposal."""
    index = len(context.exchange.cases)
    now = asyncio.get_running_loop().time()
    return blank_proposal(index=index, proposed_at=now, **known)


def fenced_again(
    tool: str, args: dict[str, Any], effect: str, plan_version: int | None, verdict: VerdictDict
) -> ProposalDict:
    """Make a fence of a call that the ledger holds, for a run that comes back to it."""
    return blank_proposal(
        index=0,
        kind="call",
        tool=tool,
        args=args,
        effect=effect,
        fenced=True,
        plan_version=plan_version,
        verdict=verdict,
        proposed_at=asyncio.get_running_loop().time(),
    )


def blank_proposal(**known: Any) -> ProposalDict:
    """Make a proposal of what is known of it."""
    blank: dict[str, Any] = {
        "tool": "",
        "args": {},
        "text": "",
        "steps": [],
        "effect": "",
        "fenced": False,
        "plan_step": None,
        "plan_version": None,
        "rides_on": None,
        "whole": True,
        "key": None,
        "result": None,
        "failed": False,
        "kept_s": 0.0,
        "verdict": None,
        "started_at": None,
        "ended_at": None,
        "waited_s": 0.0,
        "draft": None,
        "burst": None,
        "needs": None,
    }
    return ProposalDict(**{**blank, **known})  # type: ignore[typeddict-item]
