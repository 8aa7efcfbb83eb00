"""A second opinion on a draft: another cheap endpoint makes the call too, within a time.

For `verify="auto"` with `second=`. Where the draft check alone does not let a call pass, the
second endpoint is asked for the same step. If it makes the same call and the check then passes,
the reason lane is not asked. It has `budget_s` seconds; what comes later, fails or differs leaves
the call to the reason lane. Whether the answer came in time depends on timing, and so may what is
verified: who sets `second` asks for that.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig

from agentlanes.context.prompts import draft_prompt
from agentlanes.lanes.call import LaneReply, ask, lane_config
from agentlanes.nodes.call_check import CallCheck
from agentlanes.nodes.parts import Judge, Judgement
from agentlanes.plan import approve
from agentlanes.router.draft import Draft
from agentlanes.speculation.exchange import Case

__all__ = ["SecondJudge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondJudge:
    """Asks a second endpoint about drafts in mode `check`, and another judge about the rest.

    Attributes:
        inner: Gives the verdict where the second opinion does not do.
        model: The second endpoint's chat model, with the tools bound.
        quality: What a draft is held to, see `DraftScore.passes`.
        budget_s: Seconds the second endpoint has.
        check: Scores a draft in the light of the second one.
        system_prompt: The user's own instructions.
    """

    inner: Judge
    model: Runnable[Any, Any]
    quality: float
    check: CallCheck
    budget_s: float = 2.0
    system_prompt: str | None = None

    async def judge(self, case: Case, config: RunnableConfig) -> Judgement:
        """Judge one proposal."""
        if case.mode != "check":
            return await self.inner.judge(case, config)
        reply = await self._second(case, config)
        if reply is None:
            return await self.inner.judge(case, config)
        # Another endpoint than the act lane's: its prompts are no continuation of that one's.
        facts = (reply.facts("act", prompt=False),)
        calls, place = reply.message.tool_calls, len(case.together)
        own = calls[place] if place < len(calls) else None
        second = Draft(tool=own["name"], args=own["args"]) if own else Draft(tool="", args={})
        proposal = case.proposal
        score = self.check.score(proposal["tool"], proposal["args"], case.transcript, second)
        if score.passes(self.quality):
            why = f"not verified at quality {self.quality:.2f}: {score.explain()}"
            return Judgement(verdict=approve("skip", why), calls=facts)
        given = await self.inner.judge(case, config)
        return Judgement(verdict=given.verdict, calls=(*facts, *given.calls))

    async def _second(self, case: Case, config: RunnableConfig) -> LaneReply | None:
        """Ask for the same step; `None` when nothing came in time."""
        messages = draft_prompt(self.system_prompt, case.transcript)
        try:
            async with asyncio.timeout(self.budget_s):
                return await ask(self.model, messages, lane_config(config, "act", "second"))
        except Exception:  # late, unreachable, malformed: the reason lane decides
            return None
