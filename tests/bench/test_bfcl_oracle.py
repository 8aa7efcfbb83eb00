"""The scripted lanes, asked over a real socket by a plain loop: no agent, no graph."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, convert_to_openai_messages
from langchain_core.utils.function_calling import convert_to_openai_tool
from openai import AsyncOpenAI

from agentlanes.bench.bfcl_calls import Call, Catalog
from agentlanes.bench.bfcl_check import Checker
from agentlanes.bench.bfcl_data import Task
from agentlanes.bench.bfcl_oracle import ACT_PREFIX, REASON_PREFIX, Oracle
from agentlanes.bench.bfcl_server import scripted_endpoint, serve_oracle
from agentlanes.bench.bfcl_tools import World
from agentlanes.context.prompts import call_messages, deliver_prompt, draft_prompt, judge_prompt
from agentlanes.context.prompts import plan_prompt as ask_plan
from agentlanes.plan import resolve_step


@dataclass
class Conversation:
    """What one task's loop knows: both lanes, the transcript and the live world."""

    client: AsyncOpenAI
    task: Task
    world: World
    transcript: list[BaseMessage] = field(default_factory=list)

    @property
    def tools(self) -> list[dict[str, Any]]:
        return [convert_to_openai_tool(tool) for tool in self.world.tools()]

    @property
    def listing(self) -> list[dict[str, Any]]:
        return [{"tool": tool["function"]["name"]} for tool in self.tools]

    async def ask(self, prefix: str, messages: list[BaseMessage], **more: Any) -> Any:
        reply = await self.client.chat.completions.create(
            model=prefix + self.task.id,
            messages=convert_to_openai_messages(messages),  # type: ignore[arg-type]
            **more,
        )
        return reply.choices[0].message

    async def draft(self, correction: Any = None) -> Call | str:
        prompt = draft_prompt(None, self.transcript, correction=correction)
        message = await self.ask(ACT_PREFIX, prompt, tools=self.tools)
        if not message.tool_calls:
            return str(message.content)
        (call,) = message.tool_calls
        return Call(call.function.name, json.loads(call.function.arguments))

    async def plan(self, correction: Any = None) -> list[dict[str, Any]]:
        prompt = ask_plan(None, self.transcript, self.listing, correction=correction)
        schema = {"type": "json_schema", "json_schema": {"name": "plan", "schema": {}}}
        message = await self.ask(ACT_PREFIX, prompt, response_format=schema)
        steps: list[dict[str, Any]] = json.loads(message.content)["steps"]
        return steps

    async def verdict(
        self, proposal: dict[str, Any], together: list[dict[str, Any]] | None = None
    ) -> dict[str, Any]:
        prompt = judge_prompt(None, self.transcript, self.listing, proposal, together or [])
        schema = {"type": "json_schema", "json_schema": {"name": "verdict", "schema": {}}}
        message = await self.ask(REASON_PREFIX, prompt, response_format=schema)
        given: dict[str, Any] = json.loads(message.content)
        return given

    def run(self, call: Call) -> str:
        result = self.world.execute(call)
        number = sum(isinstance(message, AIMessage) for message in self.transcript)
        self.transcript += call_messages(number, call.tool, call.args, result)
        return result


def proposed(call: Call) -> dict[str, Any]:
    return {"kind": "call", "tool": call.tool, "args": dict(call.args)}


def rejected(proposal: dict[str, Any], verdict: dict[str, Any]) -> Any:
    return {"proposal": proposal, "reason": verdict["reason"], "suggestion": verdict["suggestion"]}


@asynccontextmanager
async def talking(wheel: Path, task: Task, **options: Any) -> AsyncIterator[Conversation]:
    oracle = Oracle(wheel, **options)
    async with (
        serve_oracle(oracle, act_s=0, reason_s=0) as server,
        AsyncOpenAI(base_url=server.base_url, api_key="any", max_retries=0) as client,
    ):
        yield Conversation(client, task, World(oracle.catalog, task))


@pytest.mark.parametrize("number", [0, 60, 160])
@pytest.mark.parametrize("act_error", [0.0, 1.0])
async def test_a_plain_loop_over_both_lanes_gets_tasks_right(
    wheel: Path, tasks: list[Task], checker: Checker, catalog: Catalog, number: int,
    act_error: float,
) -> None:  # fmt: skip
    task = tasks[number]
    committed: list[list[Call]] = []
    rejections = 0
    async with talking(wheel, task, act_error=act_error) as talk:
        for text in task.turns:
            talk.transcript.append(HumanMessage(text))
            committed.append([])
            correction = None
            for _ in range(40):
                call = await talk.draft(correction)
                if isinstance(call, str):
                    assert (await talk.verdict({"kind": "finish", "text": call}))[
                        "verdict"
                    ] == "approve"
                    break
                verdict = await talk.verdict(proposed(call))
                correction = None
                if verdict["verdict"] == "reject":
                    rejections += 1
                    correction = rejected(proposed(call), verdict)
                    continue
                committed[-1].append(call)
                talk.run(call)
            answer = await talk.ask(ACT_PREFIX, deliver_prompt(None, talk.transcript, None))
            talk.transcript.append(AIMessage(answer.content))
        assert checker.check(task, committed, talk.world).correct
    calls = sum(len(turn) for turn in task.truth)
    assert rejections == (calls if act_error else 0)


async def test_the_reason_lane_judges_what_it_is_shown(
    wheel: Path, tasks: list[Task], catalog: Catalog
) -> None:
    task = tasks[0]  # its first turn: cd, mkdir, mv
    cd, mkdir, mv = (catalog.parse(text, task.classes) for text in task.truth[0])
    async with talking(wheel, task) as talk:
        talk.transcript.append(HumanMessage(task.turns[0]))

        async def says(call: Call, *together: Call) -> str:
            before = [proposed(other) for other in together]
            return str((await talk.verdict(proposed(call), before))["verdict"])

        assert await says(cd) == "approve"
        assert await says(mkdir) == "reject"  # not its turn yet
        assert await says(mkdir, cd) == "approve"
        assert await says(mv, cd, mkdir) == "approve"
        early = await talk.verdict({"kind": "finish", "text": "done"})
        assert early["verdict"] == "reject"
        assert early["suggestion"] == {"tool": "cd", "args": {"folder": "document"}}
        talk.run(cd)
        assert await says(cd) == "reject"
        assert await says(mkdir) == "approve"


async def test_errors_depend_on_seed_task_and_call_only(wheel: Path, tasks: list[Task]) -> None:
    def drafts(oracle: Oracle, order: list[Task]) -> dict[str, list[str]]:
        return {
            task.id: [
                str(oracle.draft(task, turn, index))
                for turn, calls in enumerate(task.truth)
                for index in range(len(calls))
            ]
            for task in order
        }

    some = tasks[:40]
    first = drafts(Oracle(wheel, act_error=0.2, seed=3), some)
    again = drafts(Oracle(wheel, act_error=0.2, seed=3), some[::-1])
    assert first == again
    assert first != drafts(Oracle(wheel, act_error=0.2, seed=4), some)
    right = drafts(Oracle(wheel), some)
    calls = sum(map(len, right.values()))
    wrong = sum(
        a != b for task in some for a, b in zip(first[task.id], right[task.id], strict=True)
    )
    assert 0.1 < wrong / calls < 0.3


@pytest.mark.parametrize("act_error", [0.0, 1.0])
async def test_plans_refer_to_results_they_cannot_know(
    wheel: Path, tasks: list[Task], catalog: Catalog, act_error: float
) -> None:
    referring = 0
    for task in tasks[50:97:6]:
        async with talking(wheel, task, act_error=act_error) as talk:
            for turn, text in enumerate(task.turns):
                talk.transcript.append(HumanMessage(text))
                truth = [catalog.parse(call, task.classes) for call in task.truth[turn]]
                steps = await talk.plan()
                proposal = {"kind": "plan", "steps": steps}
                verdict = await talk.verdict(proposal)
                if act_error and steps:  # none of these tasks has a step left open
                    assert verdict["verdict"] == "reject"
                    steps = await talk.plan(rejected(proposal, verdict))
                    verdict = await talk.verdict({"kind": "plan", "steps": steps})
                assert verdict["verdict"] == "approve"
                assert [step["tool"] for step in steps] == [call.tool for call in truth]
                results: list[str] = []
                for step, call in zip(steps, truth, strict=True):
                    referring += not step_pinned(step)
                    args = resolve_step(step, results)  # type: ignore[arg-type]
                    assert args is not None
                    assert args.items() <= dict(call.args).items()
                    results.append(talk.run(call))
                talk.transcript.append(AIMessage("done"))
    assert referring > 2


def step_pinned(step: dict[str, Any]) -> bool:
    return not any(isinstance(value, dict) and "$step" in value for value in step["args"].values())


async def test_a_plan_that_skips_repeats_or_adds_is_rejected(
    wheel: Path, tasks: list[Task]
) -> None:
    async with talking(wheel, tasks[0]) as talk:
        talk.transcript.append(HumanMessage(tasks[0].turns[0]))
        steps = await talk.plan()
        for wrong in (steps[1:], steps[:-1], [*steps, steps[-1]], steps[::-1], []):
            verdict = await talk.verdict({"kind": "plan", "steps": wrong})
            assert verdict["verdict"] == "reject"


async def test_the_lanes_process_ends_with_the_block(wheel: Path, tasks: list[Task]) -> None:
    async with (
        scripted_endpoint(wheel, act_error=0, seed=0, act_s=0, reason_s=0) as url,
        AsyncOpenAI(base_url=url, api_key="any", max_retries=0) as client,
    ):
        reply = await client.chat.completions.create(
            model=f"{ACT_PREFIX}{tasks[0].id}",
            messages=[{"role": "user", "content": tasks[0].turns[0]}],
        )
        assert "Done" in str(reply.choices[0].message.content)
    port = int(url.rsplit(":", 1)[1].split("/")[0])
    with pytest.raises(OSError):  # noqa: PT011 - its text is the system's
        await asyncio.open_connection("127.0.0.1", port)
