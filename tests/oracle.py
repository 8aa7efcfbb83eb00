"""A scripted world for tests: two in-process lanes that know the right calls of a task."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from agentlanes import effect
from agentlanes.context import prompts
from agentlanes.testing import ScriptedModel

Call = tuple[str, dict[str, Any]]


@dataclass
class World:
    """Real tools over real state: a key-value store with a log of every call that ran."""

    data: dict[str, str] = field(default_factory=lambda: {"a": "1", "b": "2", "c": "3"})
    log: list[Call] = field(default_factory=list)

    def tools(self) -> list[Callable[..., Any]]:
        @effect("read")
        async def look(key: str) -> str:
            """Look a key up."""
            self.log.append(("look", {"key": key}))
            return self.data.get(key, "nothing")

        @effect("pure")
        def double(number: int) -> str:
            """Double a number."""
            self.log.append(("double", {"number": number}))
            return str(2 * number)

        @effect("write")
        async def store(key: str, value: str) -> str:
            """Store a value."""
            self.log.append(("store", {"key": key, "value": value}))
            self.data[key] = value
            return "stored"

        return [look, double, store]


@dataclass
class Oracle:
    """Two lanes that know a task's right calls.

    Attributes:
        truth: The right calls, in order.
        wrong: Drafts the act lane gets wrong at first, by position.
        act_s: Seconds an act call takes.
        reason_s: Seconds a verdict takes.
        always: The act lane repeats its wrong drafts even when corrected.
    """

    truth: Sequence[Call]
    wrong: Mapping[int, Call] = field(default_factory=dict)
    act_s: float = 0.0
    reason_s: float = 0.0
    always: bool = False
    judged: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.act = ScriptedModel(script=self._act, latency_s=self.act_s, model_name="act")
        self.reason = ScriptedModel(
            script=self._reason, latency_s=self.reason_s, model_name="reason"
        )

    def _act(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        system, last = str(messages[0].text), messages[-1]
        at = position(messages)
        corrected = isinstance(last, HumanMessage) and str(last.text).startswith(
            prompts.CORRECTION_PREFIX
        )
        use_wrong = self.always or not corrected
        right = list(enumerate(self.truth))[at:]
        drafts = [self.wrong.get(i, call) if use_wrong else call for i, call in right]
        if prompts.DELIVER_SYSTEM in system:
            return AIMessage(f"done: {at} calls")
        if prompts.PLAN_SYSTEM in system:
            steps = [{"tool": tool, "args": args} for tool, args in drafts]
            return AIMessage(json.dumps({"steps": steps}))
        if not drafts:
            return AIMessage("nothing more to do")
        tool, args = drafts[0]
        return AIMessage("", tool_calls=[{"name": tool, "args": args, "id": "x"}])

    def _reason(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        block = re.search(r"```json\n(.*)\n```", str(messages[-1].text), re.DOTALL)
        assert block is not None
        asked = json.loads(block.group(1))
        self.judged.append(asked)
        at = position(messages) + len(asked["together"])
        proposal = asked["proposal"]
        left = [{"tool": tool, "args": args} for tool, args in self.truth[at:]]
        if proposal["kind"] == "plan":
            right = [{"tool": s["tool"], "args": s["args"]} for s in proposal["steps"]] == left
        elif proposal["kind"] == "finish":
            right = not left
        else:
            right = bool(left) and left[0] == {"tool": proposal["tool"], "args": proposal["args"]}
        verdict = {"verdict": "approve" if right else "reject", "reason": f"at {at}"}
        return AIMessage(json.dumps(verdict))


def lane_for(oracles: Mapping[str, Oracle], which: str, *, latency_s: float) -> ScriptedModel:
    """Make a lane that asks the oracle whose name stands in the conversation, after "for".

    Args:
        oracles: By name.
        which: `act` or `reason`.
        latency_s: Seconds a call takes.
    """

    def script(messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        oracle = next(oracles[name] for name in oracles if f"for {name}" in str(messages))
        answer: AIMessage = getattr(oracle, f"_{which}")(messages, kwargs)
        return answer

    return ScriptedModel(script=script, latency_s=latency_s)


def position(messages: Sequence[BaseMessage]) -> int:
    """Count the calls since the user last spoke."""
    asides = prompts.ASIDE_PREFIXES
    count = 0
    for message in messages:
        if str(message.text).startswith(prompts.WORK_PREFIX):
            return str(message.text).count(" gave: ")
        if isinstance(message, HumanMessage) and not str(message.text).startswith(asides):
            count = 0
        count += isinstance(message, ToolMessage)
    return count
