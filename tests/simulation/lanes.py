"""Scripted lanes that are functions of their request: what they say and how long they take.

The only thing they know besides the request is which life of the run it is: a lane that failed
works again when the run is resumed, so that failures are keyed by (call, attempt) whatever the
schedule.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from agentlanes.context import prompts
from agentlanes.errors import EndpointOverloaded
from agentlanes.plan import canonical, resolve_step
from agentlanes.testing import ScriptedModel
from tests.simulation.worlds import STAGE, spread

__all__ = ["Call", "Draft", "Lanes", "Quirk", "Request", "models"]

Call = tuple[str, dict[str, Any]]
Draft = Call | Literal["finish", "unknown", "schema"]
"""What the act lane drafts: a call, to finish, a tool that is not there, arguments left out."""
Quirk = Literal["reject", "unreadable", "unavailable", "reject_once", "unreadable_once"]
PlanSlip = Literal["other", "extra", "missing", "garbage", "empty", "lost"]


@dataclass(frozen=True, slots=True)
class Request:
    """A request as a lane got it: who, for what, its digest, and when it came and was answered."""

    lane: str
    what: str
    digest: str
    began: float


@dataclass(kw_only=True)
class Lanes:
    """Two lanes that know a task's right calls, and err as the schedule says.

    Attributes:
        truth: The right calls; an argument `{"$step": n}` is the result of the n-th, from 1.
        wrong: What the act lane drafts at a place instead, one draft a correction.
        stubborn: Places where its last wrong draft is repeated for ever.
        batch: Calls in a reply.
        plan_slips: What is wrong with its plans, one a correction.
        open_steps: Steps of plans whose first argument is left open.
        quirks: What the reason lane does at a place instead of judging rightly.
        act_fails: Places whose first draft fails, until the run is resumed.
        suggests: Whether rejections come with the right call.
        revises: What plan a plan's rejection comes with: the right one, or one with a slip.
        seed, act_s, reason_s: The latencies.
        life: How often the run was resumed after a failure.
    """

    truth: Sequence[Call]
    wrong: Mapping[int, Sequence[Draft]]
    stubborn: frozenset[int]
    batch: int
    plan_slips: Sequence[PlanSlip]
    open_steps: frozenset[int]
    quirks: Mapping[str, Quirk]
    act_fails: frozenset[int]
    suggests: bool
    revises: PlanSlip | Literal["right"] | None
    seed: int
    act_s: float
    reason_s: float
    life: int = 0
    requests: list[Request] = field(default_factory=list)
    _asked: dict[str, int] = field(default_factory=dict)

    async def act(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        system = str(messages[0].text)
        if prompts.DELIVER_SYSTEM in system:
            what = "deliver"
        else:
            what = "plan" if prompts.PLAN_SYSTEM in system else "draft"
        digest = await self._take(messages, kwargs, "act", what, self.act_s)
        if what == "deliver":
            return AIMessage(f"answer {digest}")
        at = len(_results(messages))
        if at in self.act_fails and not self.life:
            raise EndpointOverloaded("the act lane is down")
        return self._plan(messages) if what == "plan" else self._draft(messages)

    async def reason(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        system = str(messages[0].text)
        if prompts.JUDGE_SYSTEM in system:
            digest = await self._take(messages, kwargs, "reason", "verdict", self.reason_s)
            return self._verdict(messages, digest)
        digest = await self._take(messages, kwargs, "reason", "own", self.reason_s)
        if prompts.WORDS_SYSTEM in system:
            return AIMessage(f"words {digest}")
        results = _results(messages)
        if self.quirks.get(f"own {len(results)}") == "unavailable" and not self.life:
            raise EndpointOverloaded("the reason lane is down")
        calls: list[Call] = []
        while len(calls) < self.batch and (call := self.right(len(results) + len(calls), results)):
            calls.append(call)
        return _calling(calls)

    def right(self, at: int, results: Sequence[str]) -> Call | None:
        """Give the right call at a place, or `None` when none is due or it cannot be known yet."""
        if at >= len(self.truth):
            return None
        tool, args = self.truth[at]
        resolved = resolve_step({"tool": tool, "args": args}, results)
        return None if resolved is None else (tool, resolved)

    async def _take(
        self, messages: list[BaseMessage], kwargs: dict[str, Any], lane: str, what: str, took: float
    ) -> str:
        digest = _digest(messages, kwargs)
        self.requests.append(Request(lane, what, digest, STAGE.now()))
        await asyncio.sleep(took * spread(f"{self.seed} {digest}"))
        return digest

    def _draft(self, messages: list[BaseMessage]) -> AIMessage:
        results, rejected = _results(messages), _rejected(messages)
        calls: list[Call] = []
        while len(calls) < self.batch:
            at = len(results) + len(calls)
            draft = self._wrong_at(at, None if calls else rejected)
            if draft is None:
                draft = self.right(at, results)
            if draft is None or draft == "finish":
                break
            if draft == "unknown":
                calls.append(("nobody", {}))
            elif draft == "schema":
                calls.append((self.truth[0][0] if self.truth else "look", {"nonsense": 1}))
            else:
                calls.append(draft)
        return _calling(calls)

    def _wrong_at(self, at: int, rejected: Mapping[str, Any] | None) -> Draft | None:
        drafts = self.wrong.get(at, ())
        place = 0
        for number, draft in enumerate(drafts):
            if rejected is not None and _is(draft, rejected):
                place = number + 1
        if drafts and place == len(drafts) and at in self.stubborn:
            place -= 1
        return drafts[place] if place < len(drafts) else None

    def _plan(self, messages: list[BaseMessage]) -> AIMessage:
        rejected = _rejected(messages)
        steps = self._right_plan()
        for number, slip in enumerate(self.plan_slips):
            slipped = _slip(steps, slip, number)
            if slipped is None:
                return AIMessage("no plan comes to mind")
            if rejected is None or rejected.get("kind") != "plan":
                return AIMessage(json.dumps({"steps": slipped}))
            if rejected["steps"] == slipped:
                rejected = None
        return AIMessage(json.dumps({"steps": steps}))

    def _right_plan(self) -> list[dict[str, Any]]:
        steps = []
        for place, (tool, args) in enumerate(self.truth):
            given = dict(args)
            if place in self.open_steps and given:
                del given[next(iter(given))]
            steps.append({"tool": tool, "args": given})
        return steps

    def _verdict(self, messages: list[BaseMessage], digest: str) -> AIMessage:
        asked = _asked(messages)
        proposal, results = asked["proposal"], _results(messages)
        at = len(results) + len(asked["together"])
        quirk = self.quirks.get(f"{proposal['kind']} {at}")
        tries = self._asked[digest] = self._asked.get(digest, 0) + 1
        if quirk == "unavailable" and not self.life:
            raise EndpointOverloaded("the reason lane is down")
        # Unreadable means so also when the lane is asked to repair it: another request.
        repaired = str(messages[-1].text).startswith("That reply cannot be used")
        if quirk == "unreadable" or (quirk == "unreadable_once" and (tries == 1 or repaired)):
            return AIMessage("well, perhaps")
        right = self._is_right(proposal, at, results)
        if quirk == "reject" or (quirk == "reject_once" and tries == 1):
            right = False
        verdict: dict[str, Any] = {
            "reason": f"{proposal['kind']} at {at}",
            "verdict": "approve" if right else "reject",
        }
        call = self.right(at, results)
        if not right and self.suggests and call is not None:
            verdict["suggestion"] = {"tool": call[0], "args": call[1]}
        if proposal["kind"] == "plan" and not right and self.revises is not None:
            verdict["steps"] = self._revision()
        return AIMessage(json.dumps(verdict))

    def _revision(self) -> list[dict[str, Any]]:
        steps = self._right_plan()
        if self.revises == "right" or self.revises is None:
            return steps
        slipped = _slip(steps, self.revises, len(self.plan_slips))
        return [{"tool": "nobody", "args": {}}] if slipped is None else slipped

    def _is_right(self, proposal: Mapping[str, Any], at: int, results: Sequence[str]) -> bool:
        if proposal["kind"] == "finish":
            return at >= len(self.truth)
        if proposal["kind"] == "call":
            return self.right(at, results) == (proposal["tool"], proposal["args"])
        steps, right = proposal["steps"], self.truth
        return len(steps) == len(right) and all(
            step["tool"] == tool
            and all(step["args"][name] == args.get(name) for name in step["args"])
            for step, (tool, args) in zip(steps, right, strict=True)
        )


def models() -> tuple[ScriptedModel, ScriptedModel]:
    """Make the two lanes' models; they answer by the lanes on the stage."""

    async def act(messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        return await _speak("act", messages, kwargs)

    async def reason(messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        return await _speak("reason", messages, kwargs)

    return (
        ScriptedModel(script=act, model_name="act", disable_streaming=True),
        ScriptedModel(script=reason, model_name="reason", disable_streaming=True),
    )


async def _speak(lane: str, messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
    lanes: Lanes = STAGE.lanes
    reply: AIMessage = await getattr(lanes, lane)(messages, kwargs)
    return reply


def _calling(calls: Sequence[Call]) -> AIMessage:
    if not calls:
        return AIMessage("nothing more to do")
    made = [{"name": t, "args": a, "id": f"c{n}"} for n, (t, a) in enumerate(calls)]
    return AIMessage("", tool_calls=made)


def _slip(steps: list[dict[str, Any]], slip: PlanSlip, number: int) -> list[dict[str, Any]] | None:
    """Give a plan with something wrong in it; `None` is no plan at all."""
    if slip == "garbage":
        return None
    if slip == "empty":
        return []
    if slip == "missing":
        return steps[: max(0, len(steps) - 1 - number)]
    if slip == "extra" or not steps:
        return [*steps, *[{"tool": "look", "args": {"key": f"x{number}"}}] * (number + 1)]
    place = number % len(steps)
    if slip == "lost" and len(steps) > 1:
        place = max(1, place)
        nowhere = {"$step": 1, "$path": "nowhere"}
        args: dict[str, Any] = dict.fromkeys(steps[place]["args"], nowhere)
    else:
        args = {name: _other(value) for name, value in steps[place]["args"].items()}
    return [*steps[:place], {**steps[place], "args": args}, *steps[place + 1 :]]


def _other(value: Any) -> Any:
    return value + 100 if isinstance(value, int) else f"not {value}"


def _is(draft: Draft, rejected: Mapping[str, Any]) -> bool:
    if draft == "finish":
        return bool(rejected["kind"] == "finish")
    if draft == "unknown":
        return bool(rejected.get("tool") == "nobody")
    if draft == "schema":
        return bool(rejected.get("args") == {"nonsense": 1})
    return (rejected.get("tool"), rejected.get("args")) == draft


def _results(messages: Sequence[BaseMessage]) -> list[str]:
    return [str(m.content) for m in messages if isinstance(m, ToolMessage)]


def _rejected(messages: Sequence[BaseMessage]) -> dict[str, Any] | None:
    """Read the rejected proposal off a correction."""
    last = str(messages[-1].text)
    if not isinstance(messages[-1], HumanMessage) or not last.startswith(prompts.CORRECTION_PREFIX):
        return None
    line = last.splitlines()[0]
    found: dict[str, Any] = json.loads(line[line.index("{") :])
    return found


def _asked(messages: Sequence[BaseMessage]) -> dict[str, Any]:
    for message in reversed(messages):
        text = str(message.text)
        if "```json\n" in text:
            found: dict[str, Any] = json.loads(text.split("```json\n")[1].split("\n```")[0])
            return found
    raise AssertionError("no proposal to judge")


def _digest(messages: Sequence[BaseMessage], kwargs: Mapping[str, Any]) -> str:
    """Hash all that a request says; messages' random ids are not part of it."""
    said = [
        (
            m.type,
            m.content,
            [(c["name"], canonical(c["args"]), c["id"]) for c in getattr(m, "tool_calls", ())],
            getattr(m, "tool_call_id", None),
            getattr(m, "status", None),
        )
        for m in messages
    ]
    tools = kwargs.get("tools")
    rest = {name: value for name, value in kwargs.items() if name != "tools"}
    bound = [tool["function"]["name"] for tool in tools] if tools else None
    text = repr((said, bound, sorted(rest.items())))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
