from __future__ import annotations

import json
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from agentlanes import build_agent
from agentlanes.context.kv import KNOWN_SHAPES, KvShape
from agentlanes.latency.economy import economy
from agentlanes.latency.record import StepRecord, blank_record
from tests.latency.export.served import ASK, served_agent
from tests.oracle import Oracle, World

BYTE = KvShape(layers=1, latent_dim=1, dtype_bytes=1)
"""A model whose context takes a byte a token."""
SHAPES = {"act": BYTE, "reason": KvShape(layers=10, latent_dim=1, dtype_bytes=1)}


def call(lane: str, shown: int | None, said: int | None, took_ms: float, **more: Any) -> StepRecord:
    tokens = {"input": shown, "output": said, "reasoning": None, "cached": None}
    tokens.update(more.pop("tokens", {}))
    known = {"step": 0, "window": 0, "node": lane, "model": lane, "outcome": "committed"}
    return blank_record(**{**known, "lane": lane, "tokens": tokens, "duration_ms": took_ms, **more})


def test_tokens_bytes_and_byte_seconds_of_each_lane() -> None:
    found = economy(
        [
            call("act", 100, 20, 1000.0, tokens={"cached": 60}),
            call("act", 200, 0, 3000.0, queue_ms=1000.0, outcome="discarded"),
            call("reason", 100, 50, 4000.0, tokens={"reasoning": 30}),
        ],
        SHAPES,
    )
    act, reason = found.lanes["act"], found.lanes["reason"]
    assert (act.calls, act.shown_tokens, act.cached_tokens, act.output_tokens) == (2, 300, 60, 20)
    assert (act.kv_peak_bytes, act.silent_calls) == (200, 0)
    # 100 tokens for a second, 20 that grow from nothing, 200 for the two seconds out of the queue.
    assert act.kv_byte_s == 100 + 10 + 400
    assert (reason.reasoning_tokens, reason.kv_peak_bytes) == (30, 1500)
    assert reason.kv_byte_s == (1000 + 250) * 4
    assert found.kv_byte_s == 510 + 5000


def test_one_lane_would_be_shown_what_counted_and_hold_it_for_its_own_time() -> None:
    found = economy(
        [
            call("act", 100, 20, 10.0),
            call("act", 500, 20, 10.0, outcome="discarded"),
            call("act", 200, 40, 10.0, outcome="fenced"),
            call("reason", 100, 50, 4000.0, tokens={"reasoning": 30}),
            call("reason", 100, 50, 2000.0, tokens={"reasoning": 10}),
        ],
        SHAPES,
    ).single_lane
    assert (found.calls, found.shown_tokens, found.call_s) == (2, 300, 3.0)
    # What it says is what the act lane said, and the 20 tokens that a reason call thinks.
    assert found.kv_peak_bytes == 10 * (200 + 40 + 20)
    assert found.kv_byte_s == 10 * 3.0 * (100 + 20 + 200 + 30)


def test_unknown_is_said_as_unknown() -> None:
    found = economy([call("act", 100, 1, 10.0, model="gpt-5-nano"), call("act", None, None, 10.0)])
    act = found.lanes["act"]
    assert (act.kv_byte_s, act.kv_peak_bytes, found.kv_byte_s) == (None, None, None)
    assert act.unknown_models == ("act", "gpt-5-nano")
    assert (act.shown_tokens, act.silent_calls) == (100, 1)
    assert act.cached_tokens is None
    assert found.single_lane.kv_byte_s is None
    assert economy([]).lanes == {}
    json.dumps(found.to_json())


def test_a_call_without_a_reply_is_counted_and_leaves_the_rest_known() -> None:
    lost = call("reason", None, None, 0.0, model=None, duration_ms=None, outcome="discarded")
    found = economy([call("act", 100, 0, 1000.0), call("reason", 10, 0, 1000.0), lost], SHAPES)
    reason = found.lanes["reason"]
    assert (reason.calls, reason.lost_calls, reason.silent_calls) == (2, 1, 0)
    assert (reason.unknown_models, found.kv_byte_s) == ((), 200.0)
    assert found.single_lane.call_s == 1.0


def test_what_asked_no_model_is_no_call() -> None:
    issued = call("act", None, None, 10.0, attempts=0)
    effect = blank_record(step=0, window=0, node="effects", outcome="committed")
    assert economy([issued, effect]).lanes == {}


async def test_a_run_on_known_models_has_all_its_figures() -> None:
    with served_agent() as agent:
        result = await agent.ainvoke(ASK)
    found = economy(result["steps"])
    act, reason = found.lanes["act"], found.lanes["reason"]
    assert found.kv_byte_s == pytest.approx((act.kv_byte_s or 0) + (reason.kv_byte_s or 0))
    assert act.unknown_models == reason.unknown_models == ()
    inputs = [r["tokens"]["input"] or 0 for r in result["steps"] if r["lane"] == "act"]
    outputs = {r["tokens"]["output"] for r in result["steps"] if r["lane"] == "act"}
    assert outputs - {None} == {7}  # a draft that was called off has none
    assert act.shown_tokens == sum(inputs)
    assert act.kv_peak_bytes == KNOWN_SHAPES["qwen2.5-0.5b"].bytes_of(max(inputs) + 7)
    assert found.single_lane.kv_byte_s is not None
    assert act.broke.keys() == {"first", "correction", "tools"}
    assert reason.broke.keys() == {"first", "proposal"}
    assert act.shared_tokens is not None
    assert 0 < act.shared_tokens < sum(inputs)


TRUTH = [("look", {"key": "a"}), ("store", {"key": "x", "value": "1"})]
DO_IT: Any = {"messages": [("user", "do it")]}


async def prefixes(act_s: float, reason_s: float, **options: Any) -> list[Any]:
    oracle = Oracle(TRUTH, act_s=act_s, reason_s=reason_s)
    options = {"planning": "never", **options}
    agent = build_agent(oracle.act, oracle.reason, World().tools(), **options)
    result = await agent.ainvoke(DO_IT)
    # By lane: which lane's call comes first is a matter of time, what it is shown is not.
    return sorted((r["lane"], str(r["prefix"])) for r in result["steps"] if r["lane"])


async def test_what_a_prompt_shares_depends_on_no_clock() -> None:
    quick = await prefixes(0.0, 0.0)
    assert quick == await prefixes(0.01, 0.0) == await prefixes(0.0, 0.02)
    assert quick == await prefixes(0.0, 0.02, max_run_ahead=0)
    assert any("None}" in said for _, said in quick), "no prompt only grew"


async def test_the_next_turn_begins_where_the_last_one_ended() -> None:
    oracle = Oracle(TRUTH)
    agent = build_agent(
        oracle.act,
        oracle.reason,
        World().tools(),
        planning="never",
        checkpointer=InMemorySaver(),
    )
    config: Any = {"configurable": {"thread_id": "t"}}
    first = await agent.ainvoke(DO_IT, config)
    second = await agent.ainvoke(DO_IT, config)
    (opening,) = [r for r in first["steps"] if (r["prefix"] or {}).get("broke") == "first"][:1]
    assert opening["step"] == 0
    assert all((r["prefix"] or {}).get("broke") != "first" for r in second["steps"])


async def test_without_records_no_prompt_is_noted() -> None:
    oracle = Oracle(TRUTH)
    agent = build_agent(
        oracle.act,
        oracle.reason,
        World().tools(),
        records=False,
        checkpointer=InMemorySaver(),
        planning="never",
    )
    config: Any = {"configurable": {"thread_id": "t"}}
    noted = []
    async for place, part in agent.astream(DO_IT, config, stream_mode="updates", subgraphs=True):
        del place
        for update in part.values():
            told = {
                **((update or {}).get("proposed") or {}),
                **((update or {}).get("judged") or {}),
            }
            for facts in [*(told.get("drafts") or ()), *(told.get("calls") or ())]:
                noted.append(facts["prompt"])
    assert len(noted) > 3
    assert set(noted) == {None}
    assert (await agent.aget_state(config)).values.get("prompts") == {}
