"""Reversible calls: recorded before they start, taken back unless they are committed."""

from __future__ import annotations

import asyncio
import inspect
import json
import uuid
from collections.abc import Awaitable, Collection
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig

from agentlanes.errors import LeaseLost, NeedsIntervention, NotApplied
from agentlanes.nodes.custody import Custody
from agentlanes.nodes.parts import Parts
from agentlanes.nodes.tooling import BoundTool, ToolResult, ended
from agentlanes.nodes.window import ActContext
from agentlanes.plan import canonical
from agentlanes.speculation.ledger import EffectRecord
from agentlanes.state import ProposalDict

__all__ = ["call_hook", "keep", "run_reversible", "take_back", "to_the_end", "undo_own"]

T = TypeVar("T")


async def run_reversible(
    parts: Parts,
    context: ActContext,
    tool: BoundTool,
    proposal: ProposalDict,
    config: RunnableConfig,
) -> ToolResult:
    """Run a reversible call ahead of its verdict; whoever cancels it waits for its end."""
    index = proposal["index"]
    # Not made from its place: a window that is tried again after a crash is another try.
    key = proposal["key"] = uuid.uuid4().hex
    record = EffectRecord(
        key=key,
        run=context.run,
        thread=context.custody.thread,
        place=context.custody.place,
        ordinal=index,
        tool=tool.name,
        args=canonical(proposal["args"]),
        effect="reversible",
        plan_version=proposal["plan_version"],
        ahead=True,
        status="started",
        attempt=1,
    )
    return await to_the_end(_run(parts, tool, record, proposal["args"], config, context.custody))


async def _run(
    parts: Parts,
    tool: BoundTool,
    record: EffectRecord,
    args: dict[str, Any],
    config: RunnableConfig,
    custody: Custody,
) -> ToolResult:
    await custody.put(record)
    given = await tool.run(args, config, f"ahead_{record.ordinal}", key=record.key)
    if not given.failed:
        done = replace(record, status="done", result=given.text)
        try:
            await custody.put(done)
        except LeaseLost:
            await _undo_unrecorded(parts, done)
            raise
        return given
    if given.error is None or isinstance(given.error, NotApplied):
        await custody.put(replace(record, status="failed", result=given.text))
        return given
    # It may have happened or not; either way the world is put back as it was.
    await _undo(parts, replace(record, note=given.text), custody)
    return given


async def to_the_end(work: Awaitable[T]) -> T:
    """Await work that is never left half done: cancelling waits for its end, however often."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await ended(task)
        _ = task.cancelled() or task.exception()
        raise


async def take_back(
    parts: Parts, run: str, custody: Custody, *, but: Collection[str | None] = ()
) -> int:
    """Undo a run's calls that ran ahead and are not committed, last in, first out.

    Args:
        parts: The graph's parts.
        run: The run's uid.
        custody: The hold on its thread.
        but: Keys of those that are committed.

    Returns:
        How many were undone.

    Raises:
        NeedsIntervention: An undo failed. Resuming the run tries it again.
    """
    records = [r for r in await custody.of_run(run) if r.ahead and r.key not in but]
    undone = 0
    for record in reversed(records):
        if record.status in ("started", "done", "unknown", "undoing"):
            await to_the_end(_undo(parts, record, custody))
            undone += 1
    return undone


async def keep(keys: Collection[str | None], custody: Custody) -> None:
    """Note that calls which ran ahead are committed: they will not be undone."""
    for key in keys:
        record = await custody.get(key) if key else None
        if record is not None and record.ahead:
            await custody.put(replace(record, ahead=False))


async def _undo(parts: Parts, record: EffectRecord, custody: Custody) -> None:
    tool = parts.tools.get(record.tool)
    args = json.loads(record.args)
    hook = tool.effect.undo if tool is not None else None
    if record.status != "undoing":
        await custody.put(replace(record, status="undoing"))
    try:
        if hook is None:
            raise LookupError("the agent has no such tool, or it has no undo")
        await call_hook(hook, args, record.result, record.key)
    except Exception as error:
        raise NeedsIntervention(
            f"undoing {record.tool} failed ({type(error).__name__}: {error}). Mend what it needs "
            "and resume the run, which undoes it again; or take it back by hand.",
            call={"tool": record.tool, "args": args},
        ) from error
    await custody.put(replace(record, status="undone"))


async def undo_own(parts: Parts, context: ActContext) -> None:
    """Undo a window's calls without the ledger, which is another worker's now."""
    for case in reversed(context.exchange.cases):
        record = await context.custody.ledger.get(case.proposal["key"] or "")
        if record is not None and record.status in ("started", "done", "unknown"):
            await to_the_end(_undo_unrecorded(parts, record))


async def _undo_unrecorded(parts: Parts, record: EffectRecord) -> None:
    tool = parts.tools[record.tool]
    # The record stays as it is: whoever finds it undoes it again, which changes nothing.
    with suppress(Exception):
        await call_hook(tool.effect.undo, json.loads(record.args), record.result, record.key)


async def call_hook(hook: Any, *given: Any) -> Any:
    """Call a tool's hook: a synchronous one in a thread, so that it blocks nobody."""
    if inspect.iscoroutinefunction(hook):
        return await hook(*given)
    answer = await asyncio.to_thread(hook, *given)
    return await answer if inspect.isawaitable(answer) else answer
