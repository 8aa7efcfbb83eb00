"""The stage that all contestants share: models, tools and latencies on the event loop's clock.

How long a decision takes is drawn from (seed, task, decision), so that the same decision takes
the same time for every contestant: differences between contestants are not luck.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import random
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, convert_to_openai_messages
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import PrivateAttr

from agentlanes.bench.bfcl_calls import Call
from agentlanes.bench.bfcl_tools import live_tool
from agentlanes.testing import ScriptedModel
from benchmarks.peers.items import Item, Items
from benchmarks.peers.oracle import Answer, Oracle

__all__ = ["Profile", "Request", "Run", "Stage", "ToolRun", "prompt_tokens"]

_CHARS = 4
_Z95 = 1.6448536269514722


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Latencies, in seconds.

    Attributes:
        act_first_s: Median time to the act lane's first token; `act_first_p95_s` its p95.
        act_token_s: Between two of its tokens.
        reason_s: Median of a whole reply of the reason lane; `reason_p95_s` its p95.
        reason_tail: Share of its replies that fall into a tail from 30 s to 120 s.
        tool_low_s: Shortest tool call; `tool_high_s` the longest. Drawn evenly on a log scale.
        thinking_tokens_s: Tokens that the reason lane writes in a second, thinking included.
    """

    act_first_s: float = 0.080
    act_first_p95_s: float = 0.150
    act_token_s: float = 0.002
    reason_s: float = 6.0
    reason_p95_s: float = 15.0
    reason_tail: float = 0.01
    tool_low_s: float = 0.050
    tool_high_s: float = 2.0
    thinking_tokens_s: float = 100.0

    def act(self, key: str, tokens: int) -> float:
        """Draw how long the act lane takes for a reply of so many tokens."""
        draw = _draw(key)
        first = _lognormal(draw, self.act_first_s, self.act_first_p95_s)
        return first + self.act_token_s * max(tokens - 1, 0)

    def reason(self, key: str) -> float:
        """Draw how long the reason lane takes."""
        draw = _draw(key)
        if draw.random() < self.reason_tail:
            return 30.0 * 4.0 ** draw.random()
        return min(_lognormal(draw, self.reason_s, self.reason_p95_s), 120.0)

    def tool(self, key: str) -> float:
        """Draw how long a tool call takes."""
        return self.tool_low_s * (self.tool_high_s / self.tool_low_s) ** _draw(key).random()


def prompt_tokens(asked: Sequence[Mapping[str, Any]], tools_chars: int) -> int:
    """Count what a request says, the tools that it offers included."""
    said = sum(len(str(m.get("content") or "")) for m in asked)
    made = sum(len(str(m["tool_calls"])) for m in asked if m.get("tool_calls"))
    return (said + made + tools_chars) // _CHARS


def _draw(key: str) -> random.Random:
    return random.Random(hashlib.sha256(key.encode()).digest())


def _lognormal(draw: random.Random, median: float, p95: float) -> float:
    return median * math.exp(draw.gauss(0, 1) * math.log(p95 / median) / _Z95)


@dataclass(slots=True, kw_only=True)
class Request:
    """One lane request, as the endpoint saw it.

    Attributes:
        lane: Which lane.
        took_s: How long it takes.
        prompt_tokens: Tokens read, at four characters each; `output_tokens` those written,
            thinking included.
        start_s: When it came, on the stage's clock.
        cancelled_s: How long it had run when the client left; `None` if it was answered.
    """

    lane: str
    took_s: float
    prompt_tokens: int
    output_tokens: int
    start_s: float = 0.0
    cancelled_s: float | None = None


@dataclass(slots=True, kw_only=True)
class ToolRun:
    """One tool call that was started."""

    call: Call
    start_s: float
    took_s: float


@dataclass(slots=True, kw_only=True)
class Run:
    """A task being run by a contestant, and all that it asked for."""

    item: Item
    world: Any
    requests: list[Request] = field(default_factory=list)
    tools: list[ToolRun] = field(default_factory=list)


_RUN: ContextVar[Run] = ContextVar("run")
"""The task at hand; every run has a context of its own, so many can be on stage at once."""


class Stage:
    """Models and tools of one contestant. The task they work for is changed from run to run.

    Args:
        items: The workload.
        act_error: Share of calls that the act lane gets wrong at first.
        seed: Seed of errors and latencies.
        profile: The latencies.
    """

    scale: float = 1.0
    """Seconds of the profile in a second of the loop's clock."""

    def __init__(
        self, items: Items, *, act_error: float, seed: int, profile: Profile | None = None
    ) -> None:
        self.items, self.seed, self.profile = items, seed, profile or Profile()
        self.oracle = Oracle(items, act_error=act_error, seed=seed)
        self._tools_chars: dict[tuple[str, ...], int] = {}

    @property
    def run(self) -> Run:
        """The task at hand.

        Raises:
            LookupError: None is on stage.
        """
        return _RUN.get()

    async def open(self, item: Item) -> Run:
        """Put a task on stage, in a fresh world."""
        run = Run(item=item, world=self.items.world(item))
        _RUN.set(run)
        return run

    def now(self) -> float:
        """Give the time, in the profile's seconds."""
        return asyncio.get_running_loop().time() * self.scale

    async def settle(self, run: Run) -> None:
        """Have all that the run asked for in `run.requests`; here it is."""

    def model(self, lane: str, *, parallel: bool = False) -> BaseChatModel:
        """Give a chat model.

        Args:
            lane: `act` or `reason`.
            parallel: It may make several calls in a reply, where they commute.
        """

        async def script(messages: list[BaseMessage], given: dict[str, Any]) -> AIMessage:
            asked: Any = convert_to_openai_messages(messages)
            return await self._reply(lane, asked, given.get("tools") or [], parallel=parallel)

        return _Model(script=script, disable_streaming=True, model_name=lane)

    async def _reply(
        self, lane: str, asked: list[Mapping[str, Any]], tools: list[Any], *, parallel: bool
    ) -> AIMessage:
        run = self.run
        answer, request = self.ask(run.item, lane, asked, tools, parallel=parallel)
        request.start_s = self.now()
        run.requests.append(request)
        try:
            await asyncio.sleep(request.took_s)
        except asyncio.CancelledError:
            request.cancelled_s = self.now() - request.start_s
            raise
        calls = [
            {"name": call.tool, "args": dict(call.args), "id": f"c{len(run.requests)}_{n}"}
            for n, call in enumerate(answer.calls)
        ]
        return AIMessage(answer.text, tool_calls=calls)

    def ask(
        self,
        item: Item,
        lane: str,
        asked: Sequence[Mapping[str, Any]],
        tools: Sequence[Any],
        *,
        parallel: bool,
    ) -> tuple[Answer, Request]:
        """Give the answer to a request, and what the request costs."""
        answer = self.oracle.answer(item, lane, asked, tools=bool(tools), parallel=parallel)
        written = len(answer.text) + sum(len(str(call)) for call in answer.calls)
        tokens = -(-written // _CHARS)
        key = f"{self.seed}|{item.id}|{answer.key}"
        if lane == "act":
            took = self.profile.act(key, tokens)
        else:
            took = self.profile.reason(key)
            tokens += round(took * self.profile.thinking_tokens_s)
        request = Request(
            lane=lane,
            took_s=took,
            prompt_tokens=prompt_tokens(asked, self._chars_of(tools)),
            output_tokens=tokens,
        )
        return answer, request

    def _chars_of(self, tools: Sequence[Any]) -> int:
        # Within a workload a tool's name says all about it.
        names = tuple(tool["function"]["name"] for tool in tools)
        if names not in self._tools_chars:
            self._tools_chars[names] = len(json.dumps(list(tools))) if tools else 0
        return self._tools_chars[names]

    def tools(self, item: Item, turn: int) -> list[BaseTool]:
        """Give the tools of a turn, with their effect classes."""
        missing = self.items.missing(item, turn)
        return [self._tool(s) for name, s in self.items.specs(item).items() if name not in missing]

    def _tool(self, spec: Any) -> BaseTool:
        tool = live_tool(spec, self._execute)
        inner: Any = tool

        async def run(**args: Any) -> str:
            # As with a real service: the effect comes at the end of the call's time.
            call = Call(spec.name, args)
            now = self.run
            took = self.tool_s(now.item, call)
            now.tools.append(ToolRun(call=call, start_s=self.now(), took_s=took))
            await asyncio.sleep(took / self.scale)
            return self._execute(call)

        inner.coroutine = run
        return tool

    def tool_s(self, item: Item, call: Call) -> float:
        """Say how long a call takes."""
        return self.profile.tool(f"{self.seed}|{item.id}|tool|{call}")

    def _execute(self, call: Call) -> str:
        result: str = self.run.world.execute(call)
        return result


class _Model(ScriptedModel):
    """A scripted model that forgets its calls: the stage keeps what is needed of them."""

    _described: dict[tuple[int, ...], tuple[Sequence[Any], list[Any]]] = PrivateAttr(
        default_factory=dict
    )

    def bind_tools(self, tools: Sequence[Any], *, tool_choice: Any = None, **given: Any) -> Any:
        """Bind tools, described once: `create_agent` binds them for every reply."""
        key = tuple(map(id, tools))
        if key not in self._described:
            # With the tools themselves, so that no other object gets one of their ids.
            made = [convert_to_openai_tool(tool) for tool in tools]
            self._described[key] = (list(tools), made)
        if tool_choice is not None:
            given["tool_choice"] = tool_choice
        return self.bind(tools=self._described[key][1], **given)

    def _open(self, *given: Any) -> Any:
        call = super()._open(*given)
        self.calls.clear()
        return call
