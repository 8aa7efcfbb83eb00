"""Run the fenced call of a window, once, through the ledger.

What the ledger knows comes first: a call that was done before a crash is replayed, one whose
outcome nobody knows goes to the tool's `check` or to a person, and only one that never took
effect is started.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

from langchain_core.messages import AnyMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphInterrupt
from langgraph.runtime import Runtime
from langgraph.types import Command

from agentlanes.context.prompts import call_messages
from agentlanes.latency.record import Outcome
from agentlanes.nodes.asking import ask_approval
from agentlanes.nodes.calls import count_calls
from agentlanes.nodes.custody import Custody, until_saved
from agentlanes.nodes.events import tool_event
from agentlanes.nodes.once import run_once, settle_unknown
from agentlanes.nodes.parts import Node, Parts
from agentlanes.nodes.records import publish, record_of
from agentlanes.nodes.settle import settle_fork
from agentlanes.nodes.spans import effect_spans
from agentlanes.nodes.undo import take_back
from agentlanes.nodes.verified import advance_plan
from agentlanes.plan import approve, canonical
from agentlanes.speculation.exchange import subject
from agentlanes.speculation.ledger import EffectRecord, effect_key
from agentlanes.state import AgentState, CommittedCall, Correction, ProposalDict

__all__ = ["effects_node"]


def effects_node(
    parts: Parts,
) -> Node:
    """Make the `effects` node."""

    async def effects(state: AgentState, config: RunnableConfig, runtime: Runtime[Any]) -> Any:
        try:
            return await run_fence(state, config, runtime)
        except GraphInterrupt:
            parts.clock(state, await parts.custodies.of(config, runtime)).ask()
            raise

    async def run_fence(state: AgentState, config: RunnableConfig, runtime: Runtime[Any]) -> Any:
        custody = await parts.custodies.of(config, runtime)
        parts.clock(state, custody).answered()
        fence, plan = state["window"]["fence"], state.get("plan")
        if custody.forked:
            custody.forked = False
            return settle_fork(state)
        if fence is None:
            told = await _settle_older(parts, state, custody)
            return {"messages": told, **_asked_about(parts, state, custody, runtime)}
        await until_saved(custody, config)
        clock = asyncio.get_running_loop().time
        record, started = _record(state, custody, fence), clock()
        if parts.approval is not None and parts.approval(fence) and not _begun(fence):
            if await custody.get(record.key) is None:
                await custody.put(replace(record, status="proposed"))
            answer = ask_approval(fence, parts.tools[fence["tool"]], plan)
            if answer.decision == "reject":
                return await _denied(parts, state, record, answer.message, custody, runtime)
            if answer.decision == "edit" and answer.args != fence["args"]:
                fence = {**fence, "args": answer.args, "plan_step": None}
                record = replace(record, args=canonical(answer.args), note="edited by a person")
        at = state["run"]["uid"], state["window"]["id"], fence["index"]
        number = count_calls(state["messages"])
        runtime.stream_writer(tool_event(*at, "started", ahead=False))
        given = await run_once(parts, record, fence["args"], config, custody, f"call_{number}")
        if given is None:
            again: ProposalDict = {**fence, "verdict": approve("person", "it did not take effect")}
            return {"window": {**state["window"], "fence": again}}
        ok = not given.failed
        runtime.stream_writer(tool_event(*at, "ended", ahead=False, ok=ok))
        ask, answer_message = call_messages(
            number, fence["tool"], fence["args"], given.text, failed=given.failed
        )
        done = CommittedCall(
            tool=fence["tool"], args=fence["args"], effect=fence["effect"], result=given.text
        )
        own = [ask] if _answers(given.command) else [ask, answer_message]
        update = {
            **_after(
                parts,
                state,
                custody,
                runtime,
                round((clock() - started) * 1000, 3),
                "committed",
                ran=given.ran,
            ),
            "messages": own,
            "committed": [*state["committed"], done],
            "plan": advance_plan(plan, fence, given.text, given.failed),
        }
        return [update, given.command] if isinstance(given.command, Command) else update

    return effects


def _begun(fence: ProposalDict) -> bool:
    """Say whether a call was begun before: a person has seen it, or the ledger holds it."""
    return fence["verdict"] is not None and fence["verdict"]["by"] == "person"


def _record(state: AgentState, custody: Custody, fence: ProposalDict) -> EffectRecord:
    run, verdict = state["run"], fence["verdict"]
    return EffectRecord(
        key=effect_key(run["uid"], run["fenced"]),
        run=run["uid"],
        thread=custody.thread,
        place=custody.place,
        ordinal=run["fenced"],
        tool=fence["tool"],
        args=canonical(fence["args"]),
        effect=fence["effect"],
        plan_version=fence["plan_version"],
        note=verdict["reason"] if verdict else "",
    )


def _after(
    parts: Parts,
    state: AgentState,
    custody: Custody,
    runtime: Runtime[Any],
    took_ms: float,
    outcome: Outcome,
    *,
    ran: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """Give what every end of a fenced call changes: its record, its ordinal, the fence itself."""
    clock = parts.clock(state, custody)
    times = None if ran is None else (clock.at_ms(ran[0]), clock.at_ms(ran[1]))
    spans, after = effect_spans(state, outcome, clock.take_answers(), times)
    step = record_of(
        state,
        node="effects",
        lane=None,
        duration_ms=took_ms,
        tool_ms=took_ms,
        outcome=outcome,
        spans=spans,
    )
    run = state["run"]
    return {
        "steps": publish(parts, state, [(step, None)], runtime.stream_writer),
        "run": {**run, "fenced": run["fenced"] + 1, "corrections": 0},
        "window": {
            **state["window"],
            "fence": None,
            "after": after,
            "clock_ms": clock.now_ms(),
        },
    }


def _asked_about(
    parts: Parts, state: AgentState, custody: Custody, runtime: Runtime[Any]
) -> dict[str, Any]:
    """Record the time a person took over what earlier runs of the thread left behind."""
    clock = parts.clock(state, custody)
    spans, after = effect_spans(state, "committed", clock.take_answers())
    if not spans:
        return {}
    step = record_of(state, node="effects", lane=None, outcome="committed", spans=spans)
    return {
        "steps": publish(parts, state, [(step, None)], runtime.stream_writer),
        "window": {**state["window"], "after": after, "clock_ms": clock.now_ms()},
    }


async def _denied(
    parts: Parts,
    state: AgentState,
    record: EffectRecord,
    why: str,
    custody: Custody,
    runtime: Runtime[Any],
) -> dict[str, Any]:
    """Hand a person's refusal to the act lane as a correction; the plan has ended with it."""
    fence, plan = state["window"]["fence"], state.get("plan")
    assert fence is not None, "only a fence is refused"
    await custody.put(replace(record, status="denied", note=why))
    after = _after(parts, state, custody, runtime, 0.0, "discarded")
    return {
        **after,
        "plan": {**plan, "status": "ended"} if plan else None,
        "carry": None,
        "correction": Correction(
            proposal=dict(subject(fence)),
            reason=f"a person refused it{f': {why}' if why else ''}",
            suggestion=None,
        ),
        "run": {**after["run"], "corrections": state["run"]["corrections"] + 1},
    }


async def _settle_older(parts: Parts, state: AgentState, custody: Custody) -> list[AnyMessage]:
    """Settle what earlier runs of the thread left behind, before anything new is done.

    Approvals that nobody used expire, calls that ran ahead are undone, and what nobody knows the
    outcome of is found out and told in the transcript.
    """
    told: list[AnyMessage] = []
    number = count_calls(state["messages"])
    older = await custody.older(state["run"]["uid"])
    for run in dict.fromkeys(record.run for record in older if record.ahead):
        await take_back(parts, run, custody)
    for record in older:
        if record.status in ("proposed", "approved"):
            await custody.put(replace(record, status="expired"))
        elif not record.ahead:
            found = await settle_unknown(parts, record, custody)
            if found.happened:
                args = json.loads(record.args)
                told += call_messages(number + len(told) // 2, record.tool, args, found.text)
            if found.asked:
                # A task asks only once: `route` sends the run back here for the rest.
                custody.fresh = True
                break
    return told


def _answers(command: Any) -> bool:
    """Say whether a tool's `Command` writes the tool message itself, as LangChain's tools do."""
    update = command.update if isinstance(command, Command) else None
    messages = update.get("messages") if isinstance(update, dict) else None
    return any(isinstance(message, ToolMessage) for message in messages or ())
