"""Events that the nodes send to LangGraph's custom stream.

They say what goes on while it goes on: what is proposed, which tools run, what the verdicts are,
and what became of each proposal when its window is settled. Proposals are numbered within their
window, from 0, and windows within their run, which every event names by its `uid`: a graph above
may have several under way. A stream writer does nothing when nobody streams, so events are plain
dicts made on the spot. What is not settled is provisional: a later verdict may discard it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from agentlanes.latency.record import StepRecord
from agentlanes.nodes.window import ActContext
from agentlanes.state import ProposalDict, VerdictDict

__all__ = [
    "Emit",
    "announce",
    "answer_event",
    "early_event",
    "is_heard",
    "proposal_event",
    "redraft_event",
    "settled_event",
    "steps_event",
    "tool_event",
    "verdict_event",
]

Emit = Callable[[int, VerdictDict], None]
"""Says that the proposal at an index has this verdict."""

_SHOWN = ("index", "kind", "tool", "args", "text", "steps", "effect", "fenced", "rides_on")


def is_heard(writer: Callable[[Any], None]) -> bool:
    """Say whether a stream writer passes on what it is given.

    Where nobody streams, LangGraph gives the nodes a function without a body, and says so in no
    other way. A function that names nothing and closes over nothing can pass nothing on; anything
    else is taken for a reader.

    Example:
        >>> is_heard(lambda event: None), is_heard(print)
        (False, True)
    """
    code = getattr(writer, "__code__", None)
    return code is None or bool(code.co_names or code.co_freevars)


def announce(context: ActContext, proposal: ProposalDict) -> None:
    """Send a proposal, and its verdict where code has given one on the spot."""
    context.emit(proposal_event(context.run, context.window, proposal))
    verdict = context.exchange.verdicts.get(proposal["index"])
    if verdict is not None:
        index = proposal["index"]
        context.emit(verdict_event(context.run, context.window, index, verdict))


def proposal_event(run: str, window: int, proposal: ProposalDict) -> dict[str, Any]:
    """Say that something is proposed; `drafted` if a model was asked for it, not a plan's step."""
    return {
        "type": "agentlanes.proposal",
        "run": run,
        "window": window,
        **{key: value for key, value in proposal.items() if key in _SHOWN},
        "drafted": proposal["draft"] is not None,
    }


def verdict_event(run: str, window: int, index: int, verdict: VerdictDict) -> dict[str, Any]:
    """Say what the verdict on a proposal is."""
    return {"type": "agentlanes.verdict", "run": run, "window": window, "index": index, **verdict}


def tool_event(
    run: str,
    window: int,
    index: int,
    status: Literal["started", "ended"],
    *,
    ahead: bool,
    ok: bool = True,
) -> dict[str, Any]:
    """Say that a call starts or has ended.

    Args:
        run: The run.
        window: The window.
        index: The proposal.
        status: What happened.
        ahead: Whether it runs inside the window; a fenced call runs once that is settled.
        ok: Whether it ended without an error.
    """
    return {
        "type": "agentlanes.tool",
        "run": run,
        "window": window,
        "index": index,
        "status": status,
        "ahead": ahead,
        "ok": ok,
    }


def early_event(
    run: str,
    window: int,
    step: int,
    tool: str,
    args: Mapping[str, Any],
    status: Literal["started", "ended"],
    *,
    again: int | None = None,
    ok: bool = True,
) -> dict[str, Any]:
    """Say that a read of a plan starts before its step is proposed, or has ended.

    Args:
        run: The run.
        window: The window.
        step: The plan's step, from 0.
        tool: What is read.
        args: With what.
        status: What happened.
        again: The number of the plan among those drafted again, if it is one of them: those are
            not proposed.
        ok: Whether it ended without an error.
    """
    return {
        "type": "agentlanes.early",
        "run": run,
        "window": window,
        "step": step,
        "tool": tool,
        "args": args,
        "status": status,
        "again": again,
        "ok": ok,
    }


def redraft_event(
    run: str,
    window: int,
    index: int,
    status: Literal["started", "ended"],
    reason: str,
    *,
    ok: bool = True,
) -> dict[str, Any]:
    """Say that a plan is being drafted again while its verdict is out, or has been.

    Args:
        run: The run.
        window: The window.
        index: The plan's proposal.
        status: What happened.
        reason: Why it cannot be carried out.
        ok: Whether there is a plan.
    """
    return {
        "type": "agentlanes.redraft",
        "run": run,
        "window": window,
        "index": index,
        "status": status,
        "reason": reason,
        "ok": ok,
    }


def settled_event(run: str, window: int, fates: Mapping[int, str]) -> dict[str, Any]:
    """Say what became of a window's proposals, in order.

    Outcomes are those of step records: `committed`, `discarded`, `fenced`, `skipped`.
    """
    outcomes = [fates[index] for index in sorted(fates)]
    return {"type": "agentlanes.settled", "run": run, "window": window, "outcomes": outcomes}


def steps_event(run: str, window: int, records: Sequence[StepRecord]) -> dict[str, Any]:
    """Give records that are complete: those of a settled window, of an effect, or of the answer."""
    return {"type": "agentlanes.steps", "run": run, "window": window, "records": [*records]}


def answer_event(
    run: str, status: Literal["provisional", "confirmed", "retracted"], text: str = ""
) -> dict[str, Any]:
    """Say where an answer stands that was written before its verdicts (`deliver="provisional"`).

    Its tokens are tagged `provisional` in the messages stream. `confirmed` makes it the answer;
    `retracted` takes back whatever of it was shown.
    """
    return {"type": "agentlanes.answer", "run": run, "status": status, "text": text}
