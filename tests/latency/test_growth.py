"""What checkpoints keep of a run's calls grows with the run, not with its square."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver

from agentlanes import build_agent
from agentlanes.context import prompts
from agentlanes.testing import ScriptedModel, VirtualClock
from tests.latency.test_spans import ASK, approve, look


def kept_bytes(calls: int, *channels: str) -> tuple[int, int]:
    """Run so many calls; give the bytes that the saver keeps of channels, and the records."""

    def draft(messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        place = sum(isinstance(message, ToolMessage) for message in messages)
        if prompts.DELIVER_SYSTEM in str(messages[0].text) or place == calls:
            return AIMessage("done")
        return AIMessage("", tool_calls=[{"name": "look", "args": {"key": "k"}, "id": None}])

    saver = InMemorySaver()
    config: Any = {"configurable": {"thread_id": "t"}}

    async def go() -> int:
        act, reason = ScriptedModel(script=draft), ScriptedModel(script=approve)
        agent = build_agent(act, reason, [look], planning="never", max_window=2, checkpointer=saver)
        steps = (await agent.ainvoke(ASK, config))["steps"]
        assert (await agent.aget_state(config)).values["steps"] == steps
        return len(steps)

    records = VirtualClock.run(go())
    blobs = [blob for (_, _, channel, _), blob in saver.blobs.items() if channel in channels]
    writes = [
        value
        for saved in saver.writes.values()
        for _, channel, value, *_ in saved.values()
        if channel in channels
    ]
    return sum(len(data or b"") for _, data in (*blobs, *writes)), records


def test_each_record_is_kept_once() -> None:
    few, few_records = kept_bytes(10, "steps")
    many, many_records = kept_bytes(40, "steps")
    assert many_records > 3 * few_records
    assert many / many_records < 1.1 * few / few_records


def test_what_both_branches_write_does_not_grow_with_the_transcript() -> None:
    channels = ("proposed", "judged", "prompts", "window", "route", "run")
    few, few_records = kept_bytes(10, *channels)
    many, many_records = kept_bytes(40, *channels)
    assert many / many_records < 1.1 * few / few_records
