"""BFCL without sockets: the scripted lanes as chat models in the process, for virtual time.

The lanes decide as they do behind the bench's endpoint, with the same code. How long a reply or a
call takes is drawn from what is asked, so that verdicts come in every order.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, convert_to_openai_messages
from langgraph.checkpoint.memory import InMemorySaver

from agentlanes.bench.bfcl_calls import Call
from agentlanes.bench.bfcl_data import Task
from agentlanes.bench.bfcl_oracle import ACT_PREFIX, REASON_PREFIX, Oracle
from agentlanes.bench.bfcl_tools import World, live_tool
from agentlanes.context.prompts import PLAN_SYSTEM
from agentlanes.graph import build_agent
from agentlanes.testing import Reply, ScriptedModel, Snapshot

__all__ = ["Outcome", "Stage"]

_KEPT = 48  # agents


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a task came to. Two compare by what they committed, said and left behind.

    Attributes:
        turns: For each user turn its committed calls (tool, arguments, result) and its answer.
        world: Everything the API instances hold, private attributes included.
        took_s: Seconds on the event loop's clock.
        thrown_away: Calls that ran ahead and were discarded.
    """

    turns: tuple[tuple[tuple[tuple[str, str, str], ...], str], ...]
    world: Snapshot
    took_s: float = field(compare=False)
    thrown_away: int = field(compare=False)


class Stage:
    """Agents over BFCL's tools whose world and task are changed from run to run.

    An agent is built once for each set of tools: building costs more than a short run. In a task
    where a tool is missing at first, the turns before it comes have an agent of their own, on
    the same thread.

    Args:
        oracle: Both lanes' decisions.
        act_s: Most seconds that a reply of the act lane takes.
        reason_s: Most seconds that a verdict takes.
        tool_s: Seconds that a call takes.
        options: Further options of `build_agent`.
    """

    def __init__(
        self,
        oracle: Oracle,
        *,
        act_s: float = 0.6,
        reason_s: float = 6.0,
        tool_s: float = 1.0,
        **options: Any,
    ) -> None:
        self._oracle, self._options = oracle, options
        self._act_s, self._reason_s, self._tool_s = act_s, reason_s, tool_s
        self._agents: OrderedDict[tuple[tuple[str, ...], frozenset[str]], Any] = OrderedDict()
        self._saver = InMemorySaver()
        self._world: World | None = None
        self._task, self._executed = "", 0

    async def run(self, task: Task) -> Outcome:
        """Run a task from its first user turn to its last."""
        self._world, self._task = World(self._oracle.catalog, task), task.id
        self._executed = 0
        clock = asyncio.get_running_loop().time
        began = clock()
        config: Any = {"configurable": {"thread_id": task.id}}
        turns = []
        try:
            for number, text in enumerate(task.turns):
                said = HumanMessage(text, id=f"turn_{number}")
                agent = self._agent(task.classes, task.missing_at(number))
                output = await agent.ainvoke({"messages": [said]}, config)
                committed = tuple(
                    (c["tool"], str(Call(c["tool"], c["args"])), c["result"])
                    for c in output["committed"]
                )
                turns.append((committed, output["answer"]))
        finally:
            await self._saver.adelete_thread(task.id)
        return Outcome(
            turns=tuple(turns),
            world=self._world.snapshot(),
            took_s=clock() - began,
            thrown_away=self._executed - sum(len(committed) for committed, _ in turns),
        )

    def _agent(self, classes: tuple[str, ...], missing: frozenset[str]) -> Any:
        key = (classes, missing)
        agent = self._agents.pop(key, None) or self._build(*key)
        self._agents[key] = agent
        if len(self._agents) > _KEPT:
            self._agents.popitem(last=False)
        return agent

    def _build(self, classes: tuple[str, ...], missing: frozenset[str]) -> Any:
        specs = self._oracle.catalog.tools(classes).items()
        tools = [
            live_tool(spec, self._execute, self._tool_s)
            for name, spec in specs
            if name not in missing
        ]
        act = self._lane(ACT_PREFIX, self._oracle.act, self._act_s)
        reason = self._lane(REASON_PREFIX, self._oracle.reason, self._reason_s)
        return build_agent(act, reason, tools, checkpointer=self._saver, **self._options)

    def _execute(self, call: Call) -> str:
        assert self._world is not None, "tools are called while a task is run"
        self._executed += 1
        return self._world.execute(call)

    def _lane(
        self, prefix: str, decide: Callable[[Mapping[str, Any]], Reply], most_s: float
    ) -> ScriptedModel:
        async def answer(messages: list[BaseMessage], given: dict[str, Any]) -> AIMessage:
            asked = convert_to_openai_messages(messages)
            body: dict[str, Any] = {**given, "model": prefix + self._task, "messages": asked}
            if PLAN_SYSTEM in str(messages[0].text):
                body["response_format"] = {"type": "json_schema"}
            digest = hashlib.sha256(repr(asked).encode("utf-8", "surrogatepass")).digest()
            await asyncio.sleep(most_s * (0.25 + 0.75 * digest[0] / 255))
            reply = decide(body)
            calls = [
                {"name": name, "args": dict(args), "id": f"call_{place}"}
                for place, (name, args) in enumerate(reply.tool_calls)
                if isinstance(args, Mapping)
            ]
            return AIMessage(reply.content or "", tool_calls=calls)

        return ScriptedModel(script=answer, disable_streaming=True, model_name=prefix)
