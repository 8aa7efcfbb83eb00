"""Lanes and tools of known latency, and the log of what they did.

Whoever works here writes down when it began and when it ended, on the virtual clock, and nothing
else: no ids, no edges, nothing of the agent's own records. How long something takes depends on
what was asked alone, so a serial run of the same schedule takes as long over the same requests.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.tools import BaseTool
from langgraph.checkpoint.memory import InMemorySaver

from agentlanes import Session, effect
from agentlanes.context import prompts
from agentlanes.latency.record import TIMES_KEY
from agentlanes.testing import ScriptedModel

__all__ = ["Activity", "Kind", "Schedule", "SlowSaver", "Trickle", "World"]

Kind = str
"""`act`, `reason_wait`, `tool`, `queue`, `retry`, `undo`, `person`, `framework`."""

Call = tuple[str, str]
"""A tool and its argument."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A run that is to be: what is called, who errs where, and what takes how long.

    Attributes:
        seed: The latencies.
        calls: The right calls.
        wrong: How often the act lane drafts something wrong at a place before it is right.
        batch: Calls in a reply, run in parallel where they may.
        run_ahead, max_window, planning: As for `build_agent`.
        trickles: Replies of the act lane come in call by call, and calls start before the end.
        queues, retries: Share of the lane calls that queue or fail at first, in percent.
        saver_ms: How long a checkpoint takes to save; 0 is none.
        person_ms: How long a person thinks about each write; 0 is nobody asked.
        early: The answer is written while the last verdicts are out.
        lost: What is wrong in a plan refers to what is not there, so that it is drafted again.
    """

    seed: int
    calls: tuple[Call, ...]
    wrong: Mapping[int, int] = field(default_factory=dict)
    batch: int = 1
    run_ahead: int = 8
    max_window: int = 16
    planning: str = "never"
    trickles: bool = False
    queues: int = 0
    retries: int = 0
    saver_ms: int = 0
    person_ms: int = 0
    early: bool = False
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Activity:
    """Something that took time, from its beginning to its end, in seconds."""

    kind: Kind
    start: float
    end: float


class World:
    """One schedule's lanes and tools, and the log of both."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.log: list[Activity] = []
        self._session: Session[list[str]] = Session([], fork=list)

    @contextmanager
    def working(self, kind: Kind) -> Iterator[None]:
        """Note something that ends; what is cancelled decided nothing."""
        clock = asyncio.get_running_loop().time
        started = clock()
        yield
        self.log.append(Activity(kind, started, clock()))

    async def work(self, kind: Kind, seconds: float) -> None:
        """Take time."""
        with self.working(kind):
            await asyncio.sleep(seconds)

    def seconds(self, what: str, low_ms: int, high_ms: int) -> float:
        """Say how long something takes, to the microsecond, from its own text."""
        share = self._share(what)
        return round(low_ms + (high_ms - low_ms) * share**2, 3) / 1000

    def chance(self, what: str, percent: int) -> bool:
        """Say whether something happens, from its own text."""
        return self._share(f"chance {what}") * 100 < percent

    def _share(self, what: str) -> float:
        text = f"{self.schedule.seed} {what}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest()) / 2**48

    async def _before(self, kind: Kind, digest: str) -> dict[str, Any]:
        """Queue and retry as a lane's client would, and tell of it as it does."""
        times: dict[str, Any] = {"attempts": 1}
        for cause, percent in (("queue", self.schedule.queues), ("retry", self.schedule.retries)):
            if self.chance(f"{cause} {digest}", percent):
                took = self.seconds(f"{cause} {digest}", 1, 300)
                await self.work(cause, took)
                times[f"{cause}_ms"] = took * 1000
        return {TIMES_KEY: times}

    async def act(self, messages: list[BaseMessage], given: dict[str, Any]) -> AIMessage:
        """Answer as the act lane."""
        digest = _digest(messages, given)
        told = await self._before("act", digest)
        await self.work("act", self.seconds(f"act {digest}", 20, 400))
        system, said = str(messages[0].text), str(messages[-1].text)
        if prompts.DELIVER_SYSTEM in system:
            return AIMessage("done", response_metadata=told)
        at = sum(isinstance(message, ToolMessage) for message in messages)
        plans, end = prompts.PLAN_SYSTEM in system, len(self.schedule.calls)
        end = end if plans else min(end, at + self.schedule.batch)
        calls = [self._draft(place, said) for place in range(at, end)]
        if plans:
            steps = [
                {"tool": tool, "args": {"key": self._planned(key, first=not place)}}
                for place, (tool, key) in enumerate(calls)
            ]
            return AIMessage(json.dumps({"steps": steps}), response_metadata=told)
        made = [{"name": tool, "args": {"key": key}, "id": None} for tool, key in calls]
        text = "" if made else "that is all"
        return AIMessage(text, tool_calls=made, response_metadata=told)

    def _planned(self, key: str, *, first: bool) -> Any:
        """Give a step's argument as the plan has it."""
        lost = self.schedule.lost and key.startswith("wrong") and not first
        return {"$step": 1, "$path": key} if lost else key

    def _draft(self, place: int, said: str) -> Call:
        """Give the right call, or the next wrong one that has not been rejected."""
        tool, key = self.schedule.calls[place]
        for attempt in range(self.schedule.wrong.get(place, 0)):
            wrong = f"wrong {place} {attempt}"
            if not any(f"wrong {place} {later}" in said for later in range(attempt, 9)):
                return tool, wrong
        return tool, key

    async def reason(self, messages: list[BaseMessage], given: dict[str, Any]) -> AIMessage:
        """Judge as the reason lane."""
        digest = _digest(messages, given)
        told = await self._before("reason", digest)
        await self.work("reason_wait", self.seconds(f"reason {digest}", 300, 4000))
        block = re.search(r"```json\n(.*)\n```", str(messages[-1].text), re.DOTALL)
        proposal = json.loads(block[1])["proposal"] if block else {}
        wrong = "wrong" in json.dumps(proposal)
        verdict = {"verdict": "reject" if wrong else "approve", "reason": "it is as it is"}
        return AIMessage(json.dumps(verdict), response_metadata=told)

    def tools(self) -> list[BaseTool]:
        """Make the tools."""
        world, session = self, self._session

        async def run(tool: str, key: str) -> str:
            await world.work("tool", world.seconds(f"{tool} {key}", 5, 1500))
            return f"{tool} of {key}"

        @effect("read")
        async def look(key: str) -> str:
            """Look something up."""
            return await run("look", key)

        @effect("session", session=session)
        async def walk(key: str) -> str:
            """Walk on."""
            session.current.append(key)
            return await run("walk", key)

        async def untie(args: dict[str, Any], result: str | None, key: str) -> None:
            await world.work("undo", world.seconds(f"undo {args['key']}", 5, 700))

        @effect("reversible", undo=untie)
        async def tie(key: str) -> str:
            """Tie a knot."""
            return await run("tie", key)

        @effect("write")
        async def store(key: str) -> str:
            """Store something."""
            return await run("store", key)

        return [look, walk, tie, store]  # type: ignore[list-item]


class Trickle(ScriptedModel):
    """A lane whose replies come in call by call, each after some time of its own."""

    world: Any = None

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[Any]:
        reply = await self.world.act(messages, kwargs)
        digest = _digest(messages, kwargs)
        for index, call in enumerate(reply.tool_calls):
            await self.world.work("act", self.world.seconds(f"part {index} {digest}", 5, 200))
            piece = tool_call_chunk(
                name=call["name"], args=json.dumps(call["args"]), id=f"{index}", index=index
            )
            chunk = AIMessageChunk(content="", tool_call_chunks=[piece], id=digest)
            yield ChatGenerationChunk(message=chunk)
        await self.world.work("act", self.world.seconds(f"end {digest}", 5, 100))
        last = AIMessageChunk(
            content=reply.content,
            id=digest,
            response_metadata=reply.response_metadata,
            chunk_position="last",
        )
        yield ChatGenerationChunk(message=last)


class SlowSaver(InMemorySaver):
    """A checkpointer that takes its time: what the framework costs, in a length that is known."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        """Save, after some time."""
        await self._world.work("framework", self._world.schedule.saver_ms / 1000)
        return await super().aput(config, checkpoint, metadata, new_versions)


def _digest(messages: list[BaseMessage], given: dict[str, Any]) -> str:
    texts = [(m.type, str(m.content), getattr(m, "tool_calls", None)) for m in messages]
    asked = json.dumps([texts, sorted(given)], default=str)
    return hashlib.blake2b(asked.encode(), digest_size=8).hexdigest()
