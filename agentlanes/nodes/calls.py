"""Proposing drafted calls, and running those that may run ahead."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp

from agentlanes.context.prompts import call_messages
from agentlanes.nodes.drafting import new_proposal
from agentlanes.nodes.events import announce, tool_event
from agentlanes.nodes.parts import Parts
from agentlanes.nodes.window import ActContext, ActState
from agentlanes.plan import approve, conforms, reject
from agentlanes.speculation.exchange import Case, Exchange
from agentlanes.state import ProposalDict

__all__ = ["run_calls"]


async def run_calls(
    parts: Parts, state: ActState, context: ActContext, config: RunnableConfig
) -> dict[str, Any]:
    """Propose the pending calls in order, run the safe ones together, stop at a fence."""
    pending, plan, at = state["pending"], state["plan"], state["at"]
    running: list[ProposalDict] = []
    work: list[asyncio.Task[None]] = []
    done = False
    for place, drafted in enumerate(pending):
        room = parts.limits.max_window - _calls(context.exchange)
        if room <= 0:
            done = True
            context.leftover.extend(pending[place:])
            break
        proposal = _propose(parts, state, context, drafted, at, running)
        if proposal is None:
            done = True
            context.leftover.extend(pending[place:])
            break
        at += proposal["plan_step"] is not None
        running.append(proposal)
        verdict = context.exchange.verdict(proposal["index"])
        if proposal["fenced"] or (verdict is not None and verdict["status"] == "reject"):
            done = True
            if proposal["fenced"]:
                context.leftover.extend(pending[place + 1 :])
            break
        task = asyncio.create_task(_run_ahead(parts, context, proposal, config))
        context.exchange.running.add(task)
        work.append(task)
    try:
        await asyncio.gather(*work)
    finally:
        context.exchange.running.difference_update(t for t in work if t.done())
    return _after(state, plan, at, running, done)


def _propose(
    parts: Parts,
    state: ActState,
    context: ActContext,
    drafted: dict[str, Any],
    at: int,
    together: Sequence[ProposalDict],
) -> ProposalDict | None:
    """Put a call before the reason branch; `None` when this window has nobody to judge it."""
    exchange, plan = context.exchange, state["plan"]
    tool = parts.tools.get(drafted["tool"])
    args = drafted["args"]
    step = plan is not None and conforms(plan, at, drafted["tool"], args, state["results"])
    # The plan's verdict covers what the plan fixed; an argument it left open has not been seen.
    follows = step and plan is not None and args.keys() <= plan["steps"][at]["args"].keys()
    proposal = new_proposal(
        context,
        kind="call",
        tool=drafted["tool"],
        args=args,
        effect=tool.effect.effect_class if tool else "",
        fenced=tool is not None and not tool.runs_ahead,
        plan_step=at if step else None,
        rides_on=state["riding"] if follows else None,
        draft=state["draft"],
    )
    case = Case(
        proposal=proposal,
        transcript=state["transcript"],
        together=tuple(together),
        plan_version=plan["version"] if plan else None,
    )
    refusal = _refuse(parts, case)
    skips = parts.verify == "skip" and tool is not None and tool.runs_ahead
    if not exchange.judging and not follows and not skips and refusal is None:
        return None
    exchange.propose(case)
    if refusal is not None:
        exchange.decide(proposal["index"], reject("code", refusal))
    elif follows and state["riding"] is None:
        exchange.decide(proposal["index"], approve("plan"))
    elif skips and not exchange.judging:
        exchange.decide(proposal["index"], approve("skip"))
    announce(context, proposal)
    return proposal


def _refuse(parts: Parts, case: Case) -> str | None:
    """Refute a call by code: unknown tool, arguments off the schema, the user's own checks."""
    proposal = case.proposal
    tool = parts.tools.get(proposal["tool"])
    if tool is None:
        return f"there is no tool {proposal['tool']!r}; the tools are {', '.join(parts.tools)}"
    wrong = tool.refuse(proposal["args"])
    if wrong is not None:
        return f"the arguments do not fit the tool's schema: {wrong}"
    return next((said for check in parts.checks if (said := check(case))), None)


async def _run_ahead(
    parts: Parts, context: ActContext, proposal: ProposalDict, config: RunnableConfig
) -> None:
    """Run a safe call as soon as few enough proposals before it are unverified."""
    clock = asyncio.get_running_loop().time
    exchange, index = context.exchange, proposal["index"]
    ready = clock()
    await exchange.until(lambda: exchange.unverified(index) <= context.run_ahead)
    if exchange.rejected is not None:
        return
    started = clock()
    proposal["started_at"], proposal["waited_s"] = started, started - ready
    context.emit(tool_event(context.window, index, "started", ahead=True))
    try:
        given = await parts.tools[proposal["tool"]].run(proposal["args"], config, f"ahead_{index}")
    except GraphBubbleUp:
        given = None
    proposal["ended_at"] = clock()
    if given is None or given.command is not None:
        # It interrupts or commands the graph: that is for `effects`, after the verdict.
        proposal["fenced"] = True
        return
    proposal["result"], proposal["failed"] = given.text, given.failed
    context.emit(tool_event(context.window, index, "ended", ahead=True, ok=not given.failed))


def _after(
    state: ActState, plan: Any, at: int, running: Sequence[ProposalDict], done: bool
) -> dict[str, Any]:
    transcript = list(state["transcript"])
    results = list(state["results"])
    number = count_calls(transcript)
    for proposal in running:
        if proposal["result"] is None:
            done = True
            break
        transcript += call_messages(
            number,
            proposal["tool"],
            proposal["args"],
            proposal["result"],
            failed=proposal["failed"],
        )
        number += 1
        if proposal["plan_step"] is None or proposal["failed"]:
            plan = None  # a deviation or a failure ends the plan's version
        results.append(proposal["result"])
    return {
        "transcript": transcript,
        "results": results,
        "plan": plan,
        "at": at,
        "riding": state["riding"] if plan is not None else None,
        "pending": [],
        "draft": None,
        "done": done,
    }


def count_calls(transcript: Sequence[BaseMessage]) -> int:
    """Count the tool calls a transcript holds."""
    return sum(isinstance(message, ToolMessage) for message in transcript)


def _calls(exchange: Exchange) -> int:
    return sum(case.proposal["kind"] == "call" for case in exchange.cases)
