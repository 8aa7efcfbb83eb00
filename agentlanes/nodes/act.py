"""The act branch: a subgraph that drafts and runs ahead over what is safe.

It drafts, makes the draft's calls and drafts again, all in one superstep: nothing is saved between
them, and a superstep for each would cost as much as the call (docs/decisions/0010). It ends when
the act lane says it is finished, at a fence, at the window's size, or when the reason branch
rejects something: then the subgraph is cancelled, and what it proposed and found out until then is
handed to `settle` all the same.
"""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from functools import partial
from typing import Any, cast

from langchain_core.runnables import RunnableConfig, patch_config
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from agentlanes.errors import LeaseLost, RunError
from agentlanes.lanes.call import noting_lost
from agentlanes.nodes.again import Again
from agentlanes.nodes.calls import Burst
from agentlanes.nodes.drafting import next_draft
from agentlanes.nodes.early import EarlyReads
from agentlanes.nodes.events import answer_event
from agentlanes.nodes.parts import Node, Parts
from agentlanes.nodes.undo import take_back, undo_own
from agentlanes.nodes.window import ActContext, ActState, nothing_proposed
from agentlanes.speculation.exchange import Exchange
from agentlanes.state import AgentState, Proposed

__all__ = ["act_node", "build_act_graph"]


def build_act_graph(parts: Parts) -> Any:
    """Compile the act subgraph. It never has a checkpointer: a resumed run judges again."""

    async def draft(
        state: ActState, config: RunnableConfig, runtime: Runtime[ActContext]
    ) -> ActState:
        context = runtime.context
        while not state["done"]:
            update = await next_draft(parts, state, context, config)
            state = cast("ActState", {**state, **update})
            if state["pending"]:
                burst = context.burst or Burst(parts, state, context, config, draft=state["draft"])
                context.burst = None
                state = cast("ActState", {**state, **await burst.finish(state["pending"])})
        return state

    graph = StateGraph(ActState, context_schema=ActContext)
    graph.add_node("draft", cast("Node", draft))
    graph.add_edge(START, "draft")
    graph.add_edge("draft", END)
    return graph.compile(checkpointer=False, name="act_lane")


def act_node(parts: Parts, subgraph: Any) -> Node:
    """Make the `act` node: it owns the subgraph's task for one window."""

    async def act(
        state: AgentState, config: RunnableConfig, runtime: Runtime[Any]
    ) -> dict[str, Any]:
        window, run = state["window"], state["run"]
        custody = await parts.custodies.of(config, runtime)
        exchange = parts.exchanges.get(run["uid"], window["id"])
        if exchange is None or custody.forked:
            return {"proposed": nothing_proposed(window["id"], lost=True, forked=custody.forked)}
        custody.fresh = False
        context = ActContext(
            exchange=exchange,
            run=run["uid"],
            window=window["id"],
            custody=custody,
            config=config,
            route=state["route"],
            run_ahead=window["run_ahead"],
            room=parts.limits.max_steps - len(state["committed"]),
            correction=state.get("correction"),
            carry=state.get("carry"),
            brief=state.get("brief"),
            drafts=[],
            planless=False,
            leftover=[],
            emit=runtime.stream_writer,
            new_burst=lambda at, under, draft: Burst(parts, at, context, under, draft=draft),
        )
        context.early, context.again = EarlyReads(parts, context), Again(parts, context)
        failure = await _run(parts, subgraph, _start(state), context, config)
        if context.answering and context.answer is None:
            context.emit(answer_event(context.run, "retracted"))
        if parts.effects:
            try:
                await custody.check()
            except LeaseLost:
                await undo_own(parts, context)
                raise
        for case in exchange.cases:
            case.proposal["verdict"] = exchange.verdicts.get(case.proposal["index"])
        unused = context.early.unused(len(exchange.cases))
        unused += context.again.unused(len(exchange.cases) + len(unused), len(context.drafts))
        return {
            "proposed": Proposed(
                window=window["id"],
                lost=False,
                forked=False,
                failure=failure,
                proposals=[case.proposal for case in exchange.cases],
                unused=unused,
                drafts=[parts.noted(facts) for facts in context.drafts],
                again=[parts.noted(facts) for facts in context.again.drafts],
                planless=context.planless,
                closed_at=asyncio.get_running_loop().time(),
                origin=parts.clock(state, custody).origin,
                answer=context.answer,
            ),
            "carry": context.leftover or None,
        }

    return act


async def _run(
    parts: Parts, subgraph: Any, start: ActState, context: ActContext, config: RunnableConfig
) -> str | None:
    """Run the subgraph until it ends or is rejected; give the key of its failure, if any."""
    exchange = context.exchange
    # The budget of the run is max_steps; the subgraph's own limit only has to be out of its way.
    child = patch_config(config, recursion_limit=10 * parts.limits.max_window + 100)
    child = noting_lost(child, context.drafts)
    # A subgraph without a checkpointer must not inherit durability="sync": LangGraph 1.2.22 then
    # waits for a checkpoint that nobody writes (AttributeError).
    child["configurable"] = {
        key: value
        for key, value in (child.get("configurable") or {}).items()
        if key != "__pregel_durability"
    }
    work = asyncio.create_task(subgraph.ainvoke(start, child, context=context))
    stop = asyncio.create_task(exchange.until(lambda: exchange.ends_at is not None))
    whole = False
    try:
        await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
        failed = work.done() and not work.cancelled() and work.exception() is not None
        await _end(work, stop)
        if not failed:
            await _let_earlier_end(exchange)
            await context.early.go_on()
        whole = True
    finally:
        await _end(work, stop, *exchange.running.values(), *exchange.early)
        exchange.close()
        if not whole and any(case.proposal["key"] for case in exchange.cases):
            # The run itself is being cancelled: no window will settle what ran ahead in this one.
            # An undo that fails stays in the ledger and is tried again when the run resumes.
            with suppress(RunError):
                await take_back(parts, context.run, context.custody)
    if work.cancelled() or (error := work.exception()) is None:
        return None
    if not isinstance(error, Exception):
        raise error
    key = uuid.uuid4().hex
    parts.exchanges.keep_failure(key, error)
    return key


async def _let_earlier_end(exchange: Exchange) -> None:
    """Cancel the calls that are discarded and await those before them: they still count."""
    while True:
        limit = exchange.ends_at
        for index, task in exchange.running.items():
            if limit is not None and index >= limit:
                task.cancel()
        rest = [
            task
            for index, task in exchange.running.items()
            if not task.done() and (limit is None or index < limit)
        ]
        if not rest:
            return
        lower = asyncio.create_task(exchange.until(partial(_moved, exchange, limit)))
        try:
            await asyncio.wait({*rest, lower}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end(lower)


def _moved(exchange: Exchange, limit: int | None) -> bool:
    return exchange.ends_at != limit


async def _end(*tasks: asyncio.Future[Any]) -> None:
    """Cancel what still runs and wait until it has ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _start(state: AgentState) -> ActState:
    plan = state.get("plan")
    live = plan if plan and plan["status"] == "approved" else None
    return ActState(
        transcript=list(state["messages"]),
        pending=[],
        draft=None,
        plan=live,
        at=live["done"] if live else 0,
        riding=None,
        results=list(live["results"]) if live else [],
        first=True,
        done=False,
    )
