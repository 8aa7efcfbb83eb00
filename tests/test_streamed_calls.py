"""Calls that start while their reply is still coming in, over a real socket."""

from __future__ import annotations

from typing import Any

import pytest

from agentlanes import Lane, build_agent, effect
from agentlanes.errors import LaneError
from agentlanes.testing import EndpointServer, Fault, Latency, Reply

ASK = {"messages": [("user", "look at a and b")]}
BOTH = [("look", {"key": "a"}), ("look", {"key": "b" * 400})]


async def run(faults: dict[int, Fault]) -> tuple[Any, list[tuple[str, bool]], Any]:
    """Run a draft of two calls, the second a long one, with faults by number of the act request."""
    seen: list[tuple[str, bool]] = []

    def act(body: dict[str, Any]) -> Reply:
        drafts = [m for m in body["messages"] if m["role"] == "tool"]
        number = len([r for r in server.requests if r.model == "act"])
        if not drafts and "final answer" not in str(body["messages"][0]):
            slow = Latency(token_s=0.005)
            return Reply(tool_calls=BOTH, latency=slow, fault=faults.get(number))
        return Reply(content="looked")

    def reason(body: dict[str, Any]) -> Reply:
        return Reply(content='{"reason": "fine", "verdict": "approve"}')

    async with EndpointServer({"act": act, "reason": reason}) as server:

        @effect("read")
        async def look(key: str) -> str:
            """Look a key up."""
            seen.append((key[0], server.requests[0].t_end is None))
            return key[0]

        here: Any = {"base_url": server.base_url}
        agent = build_agent(Lane("act", **here), Lane("reason", **here), [look], planning="never")
        try:
            result: Any = await agent.ainvoke(ASK)
        except LaneError as error:
            result = error
        return result, seen, server.requests


async def test_the_first_call_starts_before_the_reply_is_complete() -> None:
    result, seen, _ = await run({})
    assert seen == [("a", True), ("b", False)]
    assert [call["result"] for call in result["committed"]] == ["a", "b"]


async def test_a_reply_that_breaks_off_after_a_call_has_started_commits_nothing() -> None:
    result, seen, requests = await run({1: Fault(kind="cut", after_chunks=60)})
    assert isinstance(result, LaneError)
    assert [key for key, _ in seen] == ["a"]
    assert len([r for r in requests if r.model == "act"]) == 1


async def test_a_reply_that_breaks_off_before_any_call_is_complete_is_asked_for_again() -> None:
    result, seen, _ = await run({1: Fault(kind="cut", after_chunks=3)})
    assert [call["result"] for call in result["committed"]] == ["a", "b"]
    assert sorted(key for key, _ in seen) == ["a", "b"]


@pytest.mark.parametrize("kind", ["no_finish", "bad_json"])
async def test_a_reply_that_is_not_whole_never_counts(kind: Any) -> None:
    result, seen, _ = await run({n: Fault(kind=kind, after_chunks=80) for n in range(1, 9)})
    assert isinstance(result, LaneError)
    assert [key for key, _ in seen] in ([], ["a"])
