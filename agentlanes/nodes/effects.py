"""Run the fenced call of a window, once, through the ledger."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp
from langgraph.runtime import Runtime
from langgraph.types import Command

from agentlanes.context.prompts import call_messages
from agentlanes.errors import LedgerMismatch, NeedsIntervention, NotApplied
from agentlanes.nodes.calls import count_calls
from agentlanes.nodes.events import tool_event
from agentlanes.nodes.parts import Node, Parts
from agentlanes.nodes.records import publish, record_of
from agentlanes.nodes.settle import advance_plan
from agentlanes.nodes.tooling import ToolResult
from agentlanes.plan import canonical
from agentlanes.speculation.ledger import EffectRecord, effect_key
from agentlanes.state import AgentState, CommittedCall, ProposalDict

__all__ = ["effects_node"]


def effects_node(
    parts: Parts,
) -> Node:
    """Make the `effects` node."""

    async def effects(state: AgentState, config: RunnableConfig, runtime: Runtime[Any]) -> Any:
        fence, run, plan = state["window"]["fence"], state["run"], state.get("plan")
        assert fence is not None, "settle sends a run here only with a fence"
        key = effect_key(run["uid"], run["fenced"])
        clock = asyncio.get_running_loop().time
        started = clock()
        window = state["window"]["id"]
        runtime.stream_writer(tool_event(window, fence["index"], "started", ahead=False))
        number = count_calls(state["messages"])
        version = plan["version"] if plan else None
        given = await _once(parts, fence, key, version, config, f"call_{number}")
        ok = not given.failed
        runtime.stream_writer(tool_event(window, fence["index"], "ended", ahead=False, ok=ok))
        record = record_of(
            state,
            node="effects",
            lane=None,
            duration_ms=(clock() - started) * 1000,
            tool_ms=(clock() - started) * 1000,
            outcome="committed",
            wasted_ms=0.0,
        )
        ask, answer = call_messages(
            number, fence["tool"], fence["args"], given.text, failed=given.failed
        )
        done = CommittedCall(
            tool=fence["tool"], args=fence["args"], effect=fence["effect"], result=given.text
        )
        update = {
            "messages": [ask] if _answers(given.command) else [ask, answer],
            "committed": [*state["committed"], done],
            "steps": publish(state, [(record, None)], runtime.stream_writer),
            "plan": advance_plan(plan, fence, given.text, given.failed),
            "run": {**run, "fenced": run["fenced"] + 1},
            "window": {**state["window"], "fence": None},
        }
        return [update, given.command] if isinstance(given.command, Command) else update

    return effects


def _answers(command: Any) -> bool:
    """Say whether a tool's `Command` writes the tool message itself, as LangChain's tools do."""
    update = command.update if isinstance(command, Command) else None
    messages = update.get("messages") if isinstance(update, dict) else None
    return any(isinstance(message, ToolMessage) for message in messages or ())


async def _once(
    parts: Parts,
    fence: ProposalDict,
    key: str,
    plan_version: int | None,
    config: RunnableConfig,
    call_id: str,
) -> ToolResult:
    """Run the call unless the ledger says that it has been run."""
    ledger = parts.ledger
    call = {"tool": fence["tool"], "args": fence["args"]}
    fresh = EffectRecord(
        key=key,
        run="",
        thread="",
        ordinal=0,
        tool=fence["tool"],
        args=canonical(fence["args"]),
        plan_version=plan_version,
    )
    seen = await ledger.get(key)
    if seen is not None and (seen.tool, seen.args) != (fresh.tool, fresh.args):
        raise LedgerMismatch(
            f"the ledger holds {seen.tool} at this place of the run, not {fresh.tool}; the run's "
            "state and its ledger do not belong together"
        )
    if seen is not None and seen.status == "done":
        return ToolResult(text=seen.result or "")
    if seen is not None and seen.status in ("started", "unknown"):
        raise _unknown(call, "it was started before and its outcome was never recorded")
    await ledger.put(replace(fresh, status="started"))
    given = await _run_recorded(parts, fresh, fence, config, call_id)
    if not given.failed:
        await ledger.put(replace(fresh, status="done", result=given.text))
        return given
    if given.error is None or isinstance(given.error, NotApplied):
        await ledger.put(replace(fresh, status="failed", result=given.text))
        return given
    await ledger.put(replace(fresh, status="unknown", result=given.text))
    raise _unknown(call, given.text) from given.error


async def _run_recorded(
    parts: Parts, record: EffectRecord, fence: ProposalDict, config: RunnableConfig, call_id: str
) -> ToolResult:
    ledger, tool = parts.ledger, parts.tools[fence["tool"]]
    try:
        return await tool.run(fence["args"], config, call_id, key=record.key)
    except GraphBubbleUp:
        # The tool asks a person before it does anything; it starts over when the run resumes.
        await ledger.put(replace(record, status="approved"))
        raise
    except asyncio.CancelledError:
        await ledger.put(replace(record, status="unknown"))
        raise


def _unknown(call: dict[str, Any], why: str) -> NeedsIntervention:
    return NeedsIntervention(
        f"nobody can say whether {call['tool']} took effect: {why}. Look at the world and settle "
        "it by hand; a tool that raises agentlanes.NotApplied says that nothing happened.",
        call=call,
    )
