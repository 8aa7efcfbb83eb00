"""Judges: how the reason lane gives a verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig

from agentlanes.context.compaction import compact
from agentlanes.context.prompts import draft_prompt, judge_prompt, words_prompt
from agentlanes.errors import MalformedReply
from agentlanes.lanes.call import ask, ask_for, lane_config
from agentlanes.nodes.parts import Judge, Judgement
from agentlanes.plan import (
    PLAN_VERDICT_SCHEMA,
    VERDICT_SCHEMA,
    approve,
    canonical,
    read_steps,
    read_verdict,
    reject,
    same_steps,
)
from agentlanes.speculation.exchange import Case, subject
from agentlanes.state import VerdictDict

__all__ = ["MatchJudge", "ModeJudge", "ModelJudge", "SolutionJudge"]

_KEPT = 256  # solutions kept for turns that go on


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelJudge:
    """Asks the reason lane to approve or reject (`verify="approve"`).

    Attributes:
        model: The reason lane's chat model.
        listing: The tools, as prompts describe them.
        system_prompt: The user's own instructions.
        records: Whether step records are kept.
    """

    model: BaseChatModel
    listing: Sequence[Mapping[str, Any]]
    system_prompt: str | None = None
    records: bool = True

    async def judge(self, case: Case, config: RunnableConfig) -> Judgement:
        """Ask for a verdict; a reply that cannot be read is no approval."""

        def prompt(transcript: Sequence[BaseMessage]) -> list[BaseMessage]:
            return judge_prompt(
                self.system_prompt,
                transcript,
                self.listing,
                case.subject,
                [subject(other) for other in case.together],
            )

        messages = prompt(case.transcript)
        config = lane_config(config, "reason", "verdict")
        try:
            reply = await ask_for(
                self.model,
                messages,
                PLAN_VERDICT_SCHEMA if case.proposal["kind"] == "plan" else VERDICT_SCHEMA,
                config,
                shorter=lambda: prompt(compact(case.transcript) or case.transcript),
            )
        except MalformedReply as error:
            verdict = VerdictDict(
                status="unknown",
                by="reason",
                reason=f"no readable verdict: {error}",
                suggestion=None,
                binding="",
            )
            return Judgement(verdict=verdict)
        calls = (reply.facts("reason", prompt=self.records),)
        return Judgement(verdict=self._read(case, reply.value or {}), calls=calls)

    def _read(self, case: Case, said: Mapping[str, Any]) -> VerdictDict:
        verdict = read_verdict(said)
        if case.proposal["kind"] != "plan" or verdict["status"] != "reject":
            return verdict
        steps = read_steps(said.get("steps"), {str(t["tool"]): t["args"] for t in self.listing})
        # The plan that it has just rejected is no correction.
        if steps is None or same_steps(steps, case.proposal["steps"]):
            return verdict
        return {**verdict, "steps": steps}


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchJudge:
    """Has the reason lane make the call itself, and compares (`verify="match"`).

    Attributes:
        model: The reason lane's chat model, with the tools bound.
        system_prompt: The user's own instructions.
        records: Whether step records are kept.
    """

    model: Runnable[Any, Any]
    system_prompt: str | None = None
    records: bool = True

    async def judge(self, case: Case, config: RunnableConfig) -> Judgement:
        """Approve only what the reason lane would have done itself."""
        config = lane_config(config, "reason", "own-call")
        messages = draft_prompt(self.system_prompt, case.transcript)
        reply = await ask(self.model, messages, config)
        own = [
            {"kind": "call", "tool": call["name"], "args": call["args"]}
            for call in reply.message.tool_calls
        ]
        place = len(case.together)
        mine = own[place] if place < len(own) else {"kind": "finish"}
        theirs = case.subject
        same = canonical({**mine, "text": ""}) == canonical({**theirs, "text": ""})
        facts = (reply.facts("reason", prompt=self.records),)
        if same:
            return Judgement(verdict=approve("reason", "the same call"), calls=facts)
        if mine["kind"] == "call":
            suggestion = {"tool": mine["tool"], "args": mine["args"]}
            return Judgement(
                verdict=reject("reason", "another call is due", suggestion), calls=facts
            )
        return Judgement(verdict=reject("reason", "nothing more is to be done"), calls=facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeJudge:
    """Judges each proposal in the mode that the agent's policy gives it.

    Attributes:
        approve: For `approve`.
        match: For `match`.
    """

    approve: Judge
    match: Judge

    async def judge(self, case: Case, config: RunnableConfig) -> Judgement:
        """Judge one proposal."""
        if case.mode == "match":
            return await self.match.judge(case, config)
        return await self.approve.judge(case, config)


@dataclass(slots=True, kw_only=True)
class SolutionJudge:
    """Has the reason lane work the request out in free words, once, and lets code compare.

    For models that solve problems better than they judge other people's solutions: small ones do
    (see docs/local-models.md). The solution is begun with the first proposal of a user turn, so
    it is worked out while the act lane reads on; every proposal of the turn waits for it.

    Attributes:
        model: The reason lane's chat model.
        compare: Says what is wrong with a proposal given the solution, as a verdict. Pure.
        system_prompt: Instructions for the solution.

    Example:
        >>> from agentlanes.plan import approve, reject
        >>> def compare(words, case):
        ...     return approve("code") if "42" in words else reject("code", "not worked out")
    """

    model: BaseChatModel
    compare: Callable[[str, Case], VerdictDict]
    system_prompt: str | None = None
    _solved: dict[str, str] = field(default_factory=dict)
    _solving: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def judge(self, case: Case, config: RunnableConfig) -> Judgement:
        """Solve the turn's request unless that is done, then compare."""
        request = [m for m in case.transcript if isinstance(m, HumanMessage)][-1:]
        key = str(request[0].text) if request else ""
        calls: tuple[dict[str, Any], ...] = ()
        async with self._solving.setdefault(key, asyncio.Lock()):
            if key not in self._solved:
                messages = words_prompt(self.system_prompt, request)
                reply = await ask(self.model, messages, lane_config(config, "reason", "solution"))
                self._solved[key] = str(reply.message.text)
                if len(self._solved) > _KEPT:
                    oldest = next(iter(self._solved))
                    del self._solved[oldest], self._solving[oldest]
                calls = (reply.facts("reason"),)
        return Judgement(verdict=self.compare(self._solved[key], case), calls=calls)
