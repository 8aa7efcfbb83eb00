"""Running one call ahead of its verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp

from agentlanes.nodes.events import tool_event
from agentlanes.nodes.parts import Parts
from agentlanes.nodes.tooling import BoundTool, ToolResult
from agentlanes.nodes.undo import run_reversible
from agentlanes.nodes.window import ActContext
from agentlanes.speculation.exchange import Exchange
from agentlanes.speculation.session import Session
from agentlanes.state import ProposalDict

__all__ = ["FINISH", "PLAN", "allowed_unverified", "fetch", "run_ahead"]

PLAN, FINISH = "(plan)", "(finish)"
"""What admission calls plans, with the calls whose verdict is their plan's, and answers."""


async def run_ahead(
    parts: Parts, context: ActContext, proposal: ProposalDict, config: RunnableConfig
) -> None:
    """Run a safe call when its turn comes, or take over what was found out before it came."""
    clock = asyncio.get_running_loop().time
    exchange, index = context.exchange, proposal["index"]
    read = None if _discarded(exchange, index) else context.early.take(proposal)
    if read is None and not await _turn(parts, context, proposal):
        return
    context.emit(tool_event(context.run, context.window, index, "started", ahead=True))
    given = None
    try:
        given = await (_run(parts, context, proposal, config) if read is None else read.task)
    except GraphBubbleUp:
        pass
    finally:
        # Whoever waits for this call's end waits no longer, however it ended.
        proposal["ended_at"] = clock() if read is None or read.ended is None else read.ended
        exchange.changed()
    if given is None or given.command is not None:
        # It interrupts or commands the graph: that is for `effects`, after the verdict.
        proposal["fenced"] = True
        return
    proposal["result"], proposal["failed"] = given.text, given.failed
    proposal["kept_s"] = given.kept_s
    context.early.found(proposal)
    context.emit(
        tool_event(context.run, context.window, index, "ended", ahead=True, ok=not given.failed)
    )


async def _turn(parts: Parts, context: ActContext, proposal: ProposalDict) -> bool:
    """Wait until few enough proposals are unverified; say whether the call is to start then.

    It also waits for earlier calls of its reply that move what it may see.
    """
    clock = asyncio.get_running_loop().time
    exchange, index, ready = context.exchange, proposal["index"], clock()
    allowed = allowed_unverified(
        parts, context, PLAN if proposal["rides_on"] is not None else proposal["tool"]
    )

    def ordered(name: str) -> bool:
        return name in parts.tools and parts.tools[name].effect.ordered

    def free() -> bool:
        return _discarded(exchange, index) or (
            exchange.unverified(index) <= allowed and not exchange.blocked(index, ordered)
        )

    held = not free()
    if held:
        await exchange.until(free)
    if _discarded(exchange, index):
        return False
    started = clock()
    proposal["started_at"], proposal["waited_s"] = started, started - ready if held else 0.0
    return True


def _discarded(exchange: Exchange, index: int) -> bool:
    return exchange.ends_at is not None and exchange.ends_at <= index


def allowed_unverified(parts: Parts, context: ActContext, judged: str) -> int:
    """Give how many proposals may be unverified when a call starts; 0 waits for all.

    Args:
        parts: The graph's parts.
        context: The window's.
        judged: What its verdict is on: its tool, or `PLAN`.
    """
    if parts.admission is None or not context.run_ahead:
        return context.run_ahead
    now, in_flight = asyncio.get_running_loop().time(), parts.exchanges.in_flight
    decision = parts.admission.admit(judged, in_flight=in_flight, now=now)
    return context.run_ahead if decision.run_ahead else 0


async def fetch(
    parts: Parts,
    context: ActContext,
    tool: BoundTool,
    args: dict[str, Any],
    config: RunnableConfig,
    call_id: str,
) -> ToolResult:
    """Make a read, or give what is known of it already.

    Args:
        parts: The graph's parts.
        context: The window's.
        tool: A tool that changes nothing and has no session.
        args: The arguments.
        config: What it is made with.
        call_id: The call's id.
    """
    known = context.custody.reads.take(tool.name, args)
    if known is not None:
        text, took_s = known
        return ToolResult(text=text, kept_s=took_s)
    return await _timed(parts, tool, tool.run(args, config, call_id))


async def _run(
    parts: Parts, context: ActContext, proposal: ProposalDict, config: RunnableConfig
) -> ToolResult:
    tool = parts.tools[proposal["tool"]]
    if tool.effect.harmless and tool.effect.session is None:
        call_id = f"ahead_{proposal['index']}"
        return await fetch(parts, context, tool, proposal["args"], config, call_id)
    if not tool.effect.harmless:
        context.custody.reads.clear()  # what was read before it may be so no longer
    if tool.effect.effect_class == "reversible":
        work = run_reversible(parts, context, tool, proposal, config)
    else:
        work = _in_session(context, tool, proposal, config)
    return await _timed(parts, tool, work)


async def _timed(
    parts: Parts, tool: BoundTool, work: Coroutine[Any, Any, ToolResult]
) -> ToolResult:
    clock = asyncio.get_running_loop().time
    started = clock()
    given = await work
    if parts.admission is not None:
        parts.admission.observe_time("tool", clock() - started, tool=tool.name)
    return given


async def _in_session(
    context: ActContext, tool: BoundTool, proposal: ProposalDict, config: RunnableConfig
) -> ToolResult:
    session = tool.effect.session
    assert session is not None
    state = _state_of(context.exchange, session, moves=tool.effect.effect_class == "session")
    with session.using(state):
        given = await tool.run(proposal["args"], config, f"ahead_{proposal['index']}")
    if tool.effect.effect_class == "session":
        context.exchange.forks.setdefault(session, []).append((proposal["index"], state))
    return given


def _state_of(exchange: Exchange, session: Session[Any], *, moves: bool) -> Any:
    """Give what a call works on: the window's last state of the session, or a fork of it."""
    chain = exchange.forks.get(session)
    last = chain[-1][1] if chain else session.value
    return session.fork(last) if moves else last
