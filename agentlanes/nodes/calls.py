"""Proposing drafted calls, and starting those that may run ahead."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig

from agentlanes.context.prompts import call_messages
from agentlanes.errors import MalformedReply
from agentlanes.nodes.ahead import run_ahead
from agentlanes.nodes.auto import call_mode
from agentlanes.nodes.drafting import new_proposal
from agentlanes.nodes.events import announce
from agentlanes.nodes.parts import Parts
from agentlanes.nodes.tooling import BoundTool
from agentlanes.nodes.window import ActContext, ActState
from agentlanes.plan import approve, conforms, references, reject
from agentlanes.speculation.exchange import Case
from agentlanes.state import PlanDict, ProposalDict

__all__ = ["Burst", "authorises", "count_calls", "is_fenced"]

_RESULTS = frozenset({"tool", "ToolMessageChunk"})


class Burst:
    """The calls of one reply: proposed in order, the safe ones run together, a fence ends them.

    Calls may be added while their reply is still coming in; they count only once it is whole.
    """

    def __init__(
        self,
        parts: Parts,
        state: ActState,
        context: ActContext,
        config: RunnableConfig,
        *,
        draft: int | None,
    ) -> None:
        self._parts, self._state, self._context, self._config = parts, state, context, config
        self._draft = draft
        self._made: list[ProposalDict] = []
        self._work: list[asyncio.Task[None]] = []
        self._at = state["at"]
        self._done = self._refused = False

    @property
    def taken(self) -> int:
        """How many calls of the reply were proposed."""
        return len(self._made)

    def add(self, drafted: dict[str, Any], *, whole: bool = True) -> None:
        """Propose the reply's next call, unless the burst has ended, and start it if it may."""
        if self._done:
            return
        exchange = self._context.exchange
        room = self._parts.limits.max_window - exchange.calls
        proposal = self._propose(drafted, whole) if room > 0 else None
        if proposal is None:
            self._done = True
            return
        self._at += proposal["plan_step"] is not None
        self._made.append(proposal)
        verdict = exchange.verdict(proposal["index"])
        self._refused = verdict is not None and verdict["status"] == "reject"
        self._done = self._refused or proposal["fenced"]
        if not self._done:
            work = run_ahead(self._parts, self._context, proposal, self._config)
            task = asyncio.create_task(work)
            exchange.run(proposal["index"], task)
            self._work.append(task)

    async def finish(self, drafted: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Add what is left of the reply, await what runs, and give the state after it.

        Args:
            drafted: All calls of the reply; those that were added before are its first ones.

        Raises:
            MalformedReply: The whole reply does not begin with the calls that were added.
        """
        for proposal, call in zip(self._made, drafted, strict=False):
            if (proposal["tool"], proposal["args"]) != (call["tool"], call["args"]):
                raise MalformedReply(f"the stream gave two versions of a {call['tool']!r} call")
            proposal["whole"] = True
        for call in drafted[self.taken :]:
            self.add(call)
        if not self._done and self._made and self._made[-1]["plan_step"] is not None:
            early = self._context.early
            early.look(self._state, self._config, made=self._at, at=self._at)
        if not self._refused:
            # What a plan holds is not left over: it is issued again while the plan is in force.
            rest = drafted[self.taken :]
            self._context.leftover.extend(call for call in rest if not call.get("issued"))
        if self._work:
            # Cancelling the draft must not cancel calls that still count: the act node ends them.
            await asyncio.wait(self._work)
        for task in self._work:
            task.result()
        return self._after()

    def _propose(self, drafted: dict[str, Any], whole: bool) -> ProposalDict | None:
        """Put a call before the reason branch; `None` when this window has nobody to judge it."""
        parts, state, context = self._parts, self._state, self._context
        exchange, plan, at = context.exchange, state["plan"], self._at
        tool, args = parts.tools.get(drafted["tool"]), drafted["args"]
        step = plan is not None and conforms(plan, at, drafted["tool"], args, state["results"])
        fenced = tool is not None and is_fenced(parts, tool, args, state["transcript"])
        mode, why = call_mode(
            parts,
            context.route,
            tool,
            args,
            fenced=fenced,
            transcript=state["transcript"],
            together=len(self._made),
        )
        follows = (
            step
            and plan is not None
            and mode != "match"
            and authorises(parts, plan, at, args, fenced=fenced)
        )
        proposal = new_proposal(
            context,
            kind="call",
            tool=drafted["tool"],
            args=args,
            effect=tool.effect.effect_class if tool else "",
            fenced=fenced,
            plan_step=at if step else None,
            plan_version=plan["version"] if plan else None,
            rides_on=state["riding"] if follows else None,
            draft=self._draft,
            burst=None if drafted.get("issued") else self._first(),
            whole=whole,
        )
        case = Case(
            proposal=proposal,
            transcript=state["transcript"],
            together=tuple(self._made),
            mode=mode,
        )
        refusal = _refuse(parts, case)
        skips = mode == "skip" and not fenced
        if not exchange.judging and not follows and not skips and refusal is None:
            return None
        exchange.propose(case)
        if refusal is not None:
            exchange.decide(proposal["index"], reject("code", refusal))
        elif follows and state["riding"] is None:
            exchange.decide(proposal["index"], approve("plan"))
        elif skips and not follows:
            exchange.decide(proposal["index"], approve("skip", why))
        announce(context, proposal)
        return proposal

    def _first(self) -> int:
        return self._made[0]["index"] if self._made else len(self._context.exchange.cases)

    def _after(self) -> dict[str, Any]:
        state, plan, done = self._state, self._state["plan"], self._done
        transcript, results = list(state["transcript"]), list(state["results"])
        number = count_calls(transcript)
        for proposal in self._made:
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
            "at": self._at,
            "riding": state["riding"] if plan is not None else None,
            "pending": [],
            "draft": None,
            "done": done,
        }


def is_fenced(
    parts: Parts, tool: BoundTool, args: dict[str, Any], transcript: Sequence[BaseMessage]
) -> bool:
    """Say whether a call must not start before its verdict.

    A read is fenced too where untrusted output may have told the lane what to carry out.
    """
    if not tool.runs_ahead:
        return True
    return not tool.effect.allows(args) and _tainted(parts, transcript)


def authorises(
    parts: Parts, plan: PlanDict, at: int, args: dict[str, Any], *, fenced: bool
) -> bool:
    """Say whether an approved plan's verdict covers a call that conforms to its step `at`.

    It covers what the plan fixed: an argument it left open has not been seen by anybody. A fenced
    call may depend on earlier results only where their tools are trusted.
    """
    fixed = plan["steps"][at]["args"]
    if not args.keys() <= fixed.keys():
        return False
    if not fenced:
        return True
    sources = references(plan["steps"][at])
    return all(_trusted(parts, plan["steps"][number - 1]["tool"]) for number in sources)


def _trusted(parts: Parts, name: str) -> bool:
    tool = parts.tools.get(name)
    return tool is not None and tool.effect.trusted


def _tainted(parts: Parts, transcript: Sequence[BaseMessage]) -> bool:
    """Say whether the lane has seen output that nobody vouches for."""
    return any(
        message.type in _RESULTS and not _trusted(parts, str(message.name))
        for message in transcript
    )


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


def count_calls(transcript: Sequence[BaseMessage]) -> int:
    """Count the tool calls a transcript holds."""
    # By what it calls itself: `isinstance` takes ten times as long for classes of pydantic.
    return sum([message.type in _RESULTS for message in transcript])
