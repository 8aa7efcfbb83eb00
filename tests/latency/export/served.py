"""Lanes on a real endpoint for the exporters' tests: they report tokens, tiers and first tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from agentlanes import Lane, build_agent
from agentlanes.context.prompts import CORRECTION_PREFIX, DELIVER_SYSTEM
from agentlanes.latency.export import RunEnd, RunStart
from agentlanes.latency.record import StepRecord
from agentlanes.testing import EndpointServer, Latency, Reply
from tests.oracle import World

ASK = {"messages": [("user", "my secret question")]}
TRUTH = [("look", {"key": "a"}), ("store", {"key": "x", "value": "1"}), ("look", {"key": "x"})]
WRONG = ("look", {"key": "q"})
"""What the act lane proposes at first instead of the last call."""


def act(body: Mapping[str, Any]) -> Reply:
    messages = body["messages"]
    done = sum(message["role"] == "tool" for message in messages)
    usage = _usage(messages, said=7, cached=40)
    if DELIVER_SYSTEM in messages[0]["content"]:
        return Reply(content="my secret answer", usage=usage, model="qwen2.5-0.5b")
    if done == len(TRUTH):
        return Reply(content="done", usage=usage, model="qwen2.5-0.5b")
    corrected = str(messages[-1]["content"]).startswith(CORRECTION_PREFIX)
    call = TRUTH[done] if done < 2 or corrected else WRONG
    return Reply(tool_calls=[call], usage=usage, model="qwen2.5-0.5b", service_tier="priority")


def reason(body: Mapping[str, Any]) -> Reply:
    asked = json.loads(
        body["messages"][-1]["content"].partition("```json\n")[2].rpartition("\n")[0]
    )
    proposal = asked["proposal"]
    wrong = proposal["kind"] == "call" and (proposal["tool"], proposal["args"]) == WRONG
    verdict = {"reason": "no" if wrong else "yes", "verdict": "reject" if wrong else "approve"}
    usage = _usage(body["messages"], said=30, thought=20)
    return Reply(
        reasoning="hm, hm, hm", content=json.dumps(verdict), usage=usage, model="qwen2.5-1.5b"
    )


def _usage(messages: Any, *, said: int, cached: int = 0, thought: int = 0) -> dict[str, Any]:
    shown = len(json.dumps(messages)) // 4
    return {
        "prompt_tokens": shown,
        "completion_tokens": said,
        "total_tokens": shown + said,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": thought},
    }


@contextmanager
def served_agent(**options: Any) -> Iterator[Any]:
    """Serve both lanes and build an agent on them."""
    latency = {"act": Latency(total_s=0.005), "reason": Latency(total_s=0.03)}
    server = EndpointServer({"act": act, "reason": reason}, latency=latency)
    with server.serve_in_thread():
        fast, deep = (Lane(name, base_url=server.base_url) for name in ("act", "reason"))
        options = {"planning": "never", "name": "served", **options}
        yield build_agent(fast, deep, World().tools(), **options)


class Kept:
    """An exporter that keeps what it is told, run by run."""

    def __init__(self) -> None:
        self.runs: list[KeptRun] = []

    def open(self, run: RunStart) -> KeptRun:
        self.runs.append(KeptRun(run))
        return self.runs[-1]


class KeptRun:
    def __init__(self, start: RunStart) -> None:
        self.start = start
        self.batches: list[list[StepRecord]] = []
        self.ends: list[RunEnd] = []

    def steps(self, records: Sequence[StepRecord]) -> None:
        assert not self.ends
        self.batches.append(list(records))

    def end(self, end: RunEnd) -> None:
        self.ends.append(end)

    @property
    def records(self) -> list[StepRecord]:
        return [record for batch in self.batches for record in batch]
