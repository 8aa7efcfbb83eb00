"""Judges: how the reason lane gives a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableConfig

from agentlanes.context.prompts import draft_prompt, judge_prompt
from agentlanes.errors import MalformedReply
from agentlanes.lanes.call import ask, ask_for, lane_config
from agentlanes.nodes.parts import Judgement
from agentlanes.plan import VERDICT_SCHEMA, approve, canonical, read_verdict, reject
from agentlanes.speculation.exchange import Case, subject
from agentlanes.state import VerdictDict

__all__ = ["MatchJudge", "ModelJudge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelJudge:
    """Asks the reason lane to approve or reject (`verify="approve"`).

    Attributes:
        model: The reason lane's chat model.
        listing: The tools, as prompts describe them.
        system_prompt: The user's own instructions.
    """

    model: BaseChatModel
    listing: Sequence[Mapping[str, Any]]
    system_prompt: str | None = None

    async def judge(self, case: Case, config: RunnableConfig) -> Judgement:
        """Ask for a verdict; a reply that cannot be read is no approval."""
        messages = judge_prompt(
            self.system_prompt,
            case.transcript,
            self.listing,
            case.subject,
            [subject(other) for other in case.together],
        )
        config = lane_config(config, "reason", "verdict")
        try:
            reply = await ask_for(self.model, messages, VERDICT_SCHEMA, config)
        except MalformedReply as error:
            verdict = VerdictDict(
                status="unknown",
                by="reason",
                reason=f"no readable verdict: {error}",
                suggestion=None,
            )
            return Judgement(verdict=verdict)
        return Judgement(verdict=read_verdict(reply.value or {}), calls=(reply.facts("reason"),))


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchJudge:
    """Has the reason lane make the call itself, and compares (`verify="match"`).

    Attributes:
        model: The reason lane's chat model, with the tools bound.
        system_prompt: The user's own instructions.
    """

    model: Runnable[Any, Any]
    system_prompt: str | None = None

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
        facts = (reply.facts("reason"),)
        if same:
            return Judgement(verdict=approve("reason", "the same call"), calls=facts)
        if mine["kind"] == "call":
            suggestion = {"tool": mine["tool"], "args": mine["args"]}
            return Judgement(
                verdict=reject("reason", "another call is due", suggestion), calls=facts
            )
        return Judgement(verdict=reject("reason", "nothing more is to be done"), calls=facts)
