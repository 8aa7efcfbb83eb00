"""Running a call with an effect once, whatever became of earlier tries."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp

from agentlanes.errors import LedgerMismatch, NeedsIntervention, NotApplied
from agentlanes.nodes.asking import ask_outcome
from agentlanes.nodes.custody import Custody
from agentlanes.nodes.parts import Parts
from agentlanes.nodes.tooling import ToolResult
from agentlanes.nodes.undo import call_hook, to_the_end
from agentlanes.speculation.ledger import EffectRecord

__all__ = ["Found", "run_once", "settle_unknown"]

_CANCELLED = "its run was cancelled while it was under way"
_NEVER_RECORDED = "it was started, and its outcome was never recorded"
_CUT_SHORT = frozenset({_CANCELLED, _NEVER_RECORDED})
"""Notes of calls that were cut short by what is no failure of theirs."""


async def run_once(
    parts: Parts,
    record: EffectRecord,
    args: dict[str, Any],
    config: RunnableConfig,
    custody: Custody,
    call_id: str,
) -> ToolResult | None:
    """Run a call unless the ledger says that it has been run.

    Args:
        parts: The graph's parts.
        record: The call, as it is to be recorded.
        args: Its arguments.
        config: The node's config.
        custody: The hold on its thread.
        call_id: Its id in the transcript.

    Returns:
        What it gave; `None` when a person has said that it did not take effect. It is then made
        again by another task: LangGraph matches answers to questions by their order in a task,
        so a task asks only once.

    Raises:
        NeedsIntervention: Nobody can say whether it took effect, and there is no checkpointer
            that a person could be asked through.
        LedgerError: The ledger does not let it start.
    """
    held = await custody.get(record.key)
    attempt = held.attempt if held is not None else 0
    if held is not None and (held.tool, held.args) != (record.tool, record.args):
        edited = held.status in ("proposed", "approved")
        if held.tool != record.tool or not edited:
            raise LedgerMismatch(
                f"the ledger holds {held.tool} with other arguments at this place of the run; the "
                "run's state and its ledger do not belong together"
            )
    told = held is not None and held.result is not None
    if held is not None and (held.status == "done" or (held.status == "failed" and told)):
        return ToolResult(text=held.result or "", failed=held.status == "failed")
    if held is not None and held.status in ("started", "unknown"):
        found = await settle_unknown(parts, held, custody)
        if found.happened:
            return ToolResult(text=found.text)
        if found.asked and held.attempt > 1 and held.note not in _CUT_SHORT:
            # It was made again already, and the tool has failed again: that is its result.
            failed = await custody.get(record.key)
            assert failed is not None, "it was recorded before anybody was asked"
            await custody.put(replace(failed, result=held.note))
            return ToolResult(text=held.note, failed=True)
        if found.asked:
            return None
    started = replace(record, status="started", attempt=attempt + 1)
    await custody.put(started)
    given = await _run(parts, started, args, config, custody, call_id)
    if not given.failed:
        await custody.put(replace(started, status="done", result=given.text))
        return given
    if given.error is None or isinstance(given.error, NotApplied):
        await custody.put(replace(started, status="failed", result=given.text))
        return given
    unknown = replace(started, status="unknown", note=given.text)
    await custody.put(unknown)
    try:
        found = await settle_unknown(parts, unknown, custody)
    except NeedsIntervention as stop:
        raise stop from given.error
    if found.happened:
        return ToolResult(text=found.text, ran=given.ran)
    await custody.put(replace(started, status="failed", result=given.text))
    return given


async def _run(
    parts: Parts,
    record: EffectRecord,
    args: dict[str, Any],
    config: RunnableConfig,
    custody: Custody,
    call_id: str,
) -> ToolResult:
    clock = asyncio.get_running_loop().time
    started = clock()
    try:
        given = await parts.tools[record.tool].run(args, config, call_id, key=record.key)
        return replace(given, ran=(started, clock()))
    except GraphBubbleUp:
        # The tool asks a person before it does anything; it starts over when the run resumes.
        await custody.put(replace(record, status="approved"))
        raise
    except asyncio.CancelledError:
        cut = replace(record, status="unknown", note=_CANCELLED)
        await to_the_end(custody.put(cut))
        raise


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What became of a call whose outcome was unknown.

    Attributes:
        happened: Whether it took effect.
        text: What it gave.
        asked: Whether a person had to say so.
    """

    happened: bool
    text: str
    asked: bool = False


async def settle_unknown(parts: Parts, record: EffectRecord, custody: Custody) -> Found:
    """Find out what became of a call that was started: by the tool's `check`, or a person.

    Raises:
        NeedsIntervention: Neither can say.
    """
    note = record.note
    if record.status != "unknown":
        note = _NEVER_RECORDED
        record = replace(record, status="unknown", note=note)
        try:
            await custody.put(record)
        except LedgerMismatch:
            # The worker that had started it has just told how it ended.
            held = await custody.get(record.key)
            if held is None or held.status not in ("done", "failed"):
                raise
            return Found(happened=held.status == "done", text=held.result or "")
    args = json.loads(record.args)
    tool = parts.tools.get(record.tool)
    happened, text = False, ""
    checked = tool is not None and tool.effect.check is not None
    if tool is not None and tool.effect.check is not None:
        try:
            found = await call_hook(tool.effect.check, args, record.key)
            happened, text = found is not None, str(found)
        except Exception as error:
            checked, note = False, f"{note}; its check failed ({type(error).__name__}: {error})"
    if not checked:
        if not custody.thread:
            raise NeedsIntervention(
                f"nobody can say whether {record.tool} took effect: {note}. Look at the world "
                "and settle it by hand; a tool that raises agentlanes.NotApplied says that "
                "nothing happened, and one with a check can be asked.",
                call={"tool": record.tool, "args": args},
            )
        happened, text = ask_outcome(replace(record, note=note), args)
    settled = replace(record, result=text) if happened else record
    await custody.put(replace(settled, status="done" if happened else "failed"))
    return Found(happened=happened, text=text, asked=not checked)
