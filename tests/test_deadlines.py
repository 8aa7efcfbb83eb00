"""Deadlines of runs and steps, and a context that is too long, on virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver

from agentlanes import build_agent, effect
from agentlanes.context.compaction import compact
from agentlanes.errors import ConfigError, ContextTooLong, DeadlineExceeded
from agentlanes.testing import ScriptedModel, VirtualClock

ASK: Any = {"messages": [("user", "look at a, b and c")]}
CONFIG: Any = {"configurable": {"thread_id": "t"}}
APPROVE = '{"reason": "fine", "verdict": "approve"}'


@effect("read")
async def look(key: str) -> str:
    """Look a key up."""
    return key * 1000


@effect("write")
async def put(key: str) -> str:
    """Put a key."""
    return key


def act_of(calls: list[tuple[str, str]], latency_s: float) -> ScriptedModel:
    def script(messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        done = sum(isinstance(message, ToolMessage) for message in messages)
        if "tools" in kwargs and done < len(calls):
            tool, key = calls[done]
            return AIMessage("", tool_calls=[{"name": tool, "args": {"key": key}, "id": None}])
        return AIMessage("all done")

    return ScriptedModel(script=script, latency_s=latency_s)


def reason_of(latency_s: float) -> ScriptedModel:
    return ScriptedModel(script=lambda messages, kwargs: APPROVE, latency_s=latency_s)


def test_a_slow_verdict_ends_with_its_step() -> None:
    async def main() -> None:
        act = act_of([("look", "a"), ("look", "b")], latency_s=1)
        agent = build_agent(act, reason_of(1000), [look], planning="never", step_timeout_s=5)
        result = await agent.ainvoke(ASK)
        assert asyncio.get_running_loop().time() < 60
        assert len(result["committed"]) == result["run"]["unverified"] == 2
        assert result["answer"] == "all done"

    VirtualClock.run(main())


def test_a_slow_verdict_never_lets_a_write_through() -> None:
    async def main() -> None:
        agent = build_agent(
            act_of([("put", "a")], 1), reason_of(1000), [put], planning="never", step_timeout_s=5
        )
        with pytest.raises(Exception, match=r"verdict|reason lane"):
            await agent.ainvoke(ASK)

    VirtualClock.run(main())


@pytest.mark.parametrize("run_timeout_s", [1, 2.5, 4.5, 7, 9.9])
def test_a_run_ends_with_its_deadline_and_can_be_resumed(run_timeout_s: float) -> None:
    async def main() -> None:
        clock = asyncio.get_running_loop().time
        tools, saver = [look, put], InMemorySaver()
        calls = [("look", "a"), ("put", "b"), ("look", "c")]
        parts: Any = (act_of(calls, 2), reason_of(1), tools)
        agent = build_agent(
            *parts, planning="never", checkpointer=saver, run_timeout_s=run_timeout_s
        )
        began = clock()
        with pytest.raises(DeadlineExceeded, match="run_timeout_s") as caught:
            await agent.ainvoke(ASK, CONFIG)
        assert caught.value.of == "run"
        assert run_timeout_s <= clock() - began <= run_timeout_s + 0.25
        whole = build_agent(*parts, planning="never", checkpointer=saver)
        result = await whole.ainvoke(None, CONFIG)
        assert result["answer"] == "all done"
        assert [call["tool"] for call in result["committed"]] == ["look", "put", "look"]
        assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    VirtualClock.run(main())


def test_a_run_without_deadlines_takes_its_time() -> None:
    async def main() -> None:
        agent = build_agent(act_of([("look", "a")], 500), reason_of(500), [look], planning="never")
        assert (await agent.ainvoke(ASK))["answer"] == "all done"
        assert asyncio.get_running_loop().time() > 1000

    VirtualClock.run(main())


@pytest.mark.parametrize("wrong", [0, -1.0, float("nan")])
def test_a_timeout_is_above_zero(wrong: float) -> None:
    with pytest.raises(ConfigError, match="step_timeout_s"):
        build_agent(act_of([], 0), reason_of(0), run_timeout_s=wrong)


def test_a_context_that_is_too_long_is_cut_once() -> None:
    shown: list[int] = []

    def strict(model: ScriptedModel, most: int) -> ScriptedModel:
        def script(messages: list[BaseMessage], kwargs: dict[str, Any]) -> Any:
            size = sum(len(message.text) for message in messages)
            shown.append(size)
            if size > most:
                raise ContextTooLong(f"{size} characters are too many")
            return model.script(messages, kwargs)  # type: ignore[operator]

        return ScriptedModel(script=script)

    async def run(most: int) -> dict[str, Any]:
        calls = [("look", key) for key in "abcdef"]
        agent = build_agent(strict(act_of(calls, 0), most), reason_of(0), [look], planning="never")
        return await agent.ainvoke(ASK)

    result = asyncio.run(run(5_000))
    assert [call["result"] for call in result["committed"]] == [key * 1000 for key in "abcdef"]
    assert max(shown) > 5_000
    with pytest.raises(ContextTooLong):
        asyncio.run(run(2_000))


def test_compaction_keeps_what_is_no_tool_result() -> None:
    assert compact([AIMessage("x" * 9000)]) is None
    assert compact([ToolMessage("x" * 300, tool_call_id="1")]) is None
    results = [ToolMessage(str(n) * 1000, tool_call_id=str(n)) for n in range(6)]
    short = compact(results)
    assert short is not None
    assert short == compact(results)
    assert [len(message.text) > 500 for message in short] == [False] * 4 + [True] * 2
    assert all(len(message.text) == 1000 for message in results)
