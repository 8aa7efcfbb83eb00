"""The state machine: what is committed, what is discarded, what waits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from agentlanes import NotApplied, build_agent, effect, run_sync
from agentlanes.errors import (
    CorrectionLimit,
    EmptyInput,
    NeedsIntervention,
    StepLimit,
    VerdictUnavailable,
)
from agentlanes.latency.record import StepRecord
from agentlanes.testing import ScriptedModel
from tests.oracle import Oracle, World

READS = [("look", {"key": "a"}), ("look", {"key": "b"}), ("double", {"number": 3})]
MIXED = [
    ("look", {"key": "a"}),
    ("store", {"key": "x", "value": "1"}),
    ("look", {"key": "x"}),
    ("store", {"key": "y", "value": "2"}),
]


def ask(text: str = "do it") -> dict[str, Any]:
    return {"messages": [("user", text)]}


async def run(oracle: Oracle, world: World, **options: Any) -> dict[str, Any]:
    agent = build_agent(oracle.act, oracle.reason, world.tools(), **options)
    return await agent.ainvoke(ask())


@pytest.mark.parametrize("planning", ["never", "always"])
@pytest.mark.parametrize("run_ahead", [0, 1, 8])
@pytest.mark.parametrize("truth", [READS, MIXED, []])
async def test_commits_the_right_calls_in_order(
    planning: str, run_ahead: int, truth: list[Any]
) -> None:
    world, oracle = World(), Oracle(truth)
    result = await run(oracle, world, planning=planning, max_run_ahead=run_ahead)
    assert [(c["tool"], c["args"]) for c in result["committed"]] == truth
    assert sorted(world.log, key=str) == sorted(truth, key=str)
    assert [call for call in world.log if call[0] == "store"] == [
        call for call in truth if call[0] == "store"
    ]
    assert result["answer"] == f"done: {len(truth)} calls"
    assert isinstance(result["messages"][-1], AIMessage)


@pytest.mark.parametrize("planning", ["never", "always"])
@pytest.mark.parametrize("run_ahead", [0, 8])
@pytest.mark.parametrize("place", [0, 1, 2, 3])
async def test_a_wrong_draft_is_corrected_and_leaves_no_trace(
    planning: str, run_ahead: int, place: int
) -> None:
    wrong = {place: ("store", {"key": "bad", "value": "bad"})}
    world, oracle = World(), Oracle(MIXED, wrong=wrong)
    result = await run(oracle, world, planning=planning, max_run_ahead=run_ahead)
    assert [(c["tool"], c["args"]) for c in result["committed"]] == MIXED
    assert "bad" not in world.data
    assert not any("bad" in str(m.content) for m in result["messages"])
    outcomes = {r["outcome"] for r in result["steps"]}
    assert "discarded" in outcomes


async def test_a_read_runs_before_its_verdict_and_a_write_does_not() -> None:
    world, oracle = World(), Oracle(MIXED[:2], reason_s=0.05)
    seen: list[tuple[str, int]] = []
    tools = world.tools()
    agent = build_agent(oracle.act, oracle.reason, tools, planning="never")
    original_append = world.log.append

    class Log(list[Any]):
        def append(self, item: Any) -> None:
            seen.append((item[0], sum(call.t_end is not None for call in oracle.reason.calls)))
            original_append(item)

    world.log = Log()
    await agent.ainvoke(ask())
    assert seen == [("look", 0), ("store", 2)]


async def test_a_plan_takes_one_verdict() -> None:
    world, oracle = World(), Oracle(MIXED)
    result = await run(oracle, world, planning="always")
    assert [asked["proposal"]["kind"] for asked in oracle.judged] == ["plan"]
    assert result["plan"]["status"] == "approved"
    assert result["plan"]["done"] == len(MIXED)


async def test_a_step_record_a_lane_call() -> None:
    result = await run(Oracle(MIXED), World(), planning="never")
    steps = result["steps"]
    assert [r["step"] for r in steps] == list(range(len(steps)))
    assert all(set(r) == set(StepRecord.__annotations__) for r in steps)
    nodes = [r["node"] for r in steps]
    assert nodes.count("effects") == 2
    assert nodes.count("reason") == len(MIXED) + 1
    assert nodes[-1] == "deliver"
    assert {r["outcome"] for r in steps} == {"committed", "fenced"}


async def test_skip_commits_reads_unverified_and_still_fences_writes() -> None:
    oracle = Oracle(MIXED)
    result = await run(oracle, World(), verify="skip", planning="never")
    kinds = [asked["proposal"].get("tool") for asked in oracle.judged]
    assert kinds == ["store", "store"]
    assert "skipped" in {r["outcome"] for r in result["steps"]}
    assert [(c["tool"], c["args"]) for c in result["committed"]] == MIXED


async def test_match_commits_only_the_reasoners_own_calls() -> None:
    wrong = {1: ("store", {"key": "bad", "value": "bad"})}
    world, act = World(), Oracle(MIXED, wrong=wrong)
    reason = Oracle(MIXED)
    agent = build_agent(act.act, reason.act, world.tools(), verify="match")
    result = await agent.ainvoke(ask())
    assert [(c["tool"], c["args"]) for c in result["committed"]] == MIXED
    assert "bad" not in world.data


async def test_endless_rejection_ends_in_a_typed_error() -> None:
    wrong = {0: ("look", {"key": "zzz"})}
    with pytest.raises(CorrectionLimit) as caught:
        await run(Oracle(READS, wrong=wrong, always=True), World(), max_corrections=3)
    assert caught.value.corrections == 4


async def test_step_limit() -> None:
    with pytest.raises(StepLimit):
        await run(Oracle(MIXED), World(), max_steps=2, planning="never")


@pytest.mark.parametrize("given", [{"messages": []}, {"messages": [("user", " ")]}])
async def test_empty_input_says_what_to_give(given: dict[str, Any]) -> None:
    oracle = Oracle([])
    agent = build_agent(oracle.act, oracle.reason)
    with pytest.raises(EmptyInput, match="user message"):
        await agent.ainvoke(given)


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (("nothing_of_the_kind", {}), "there is no tool"),
        (("look", {"wrong": "argument"}), "do not fit"),
        (("double", {"number": "three"}), "do not fit"),
    ],
)
async def test_bad_calls_are_refused_by_code(call: Any, why: str) -> None:
    world, oracle = World(), Oracle(READS, wrong={0: call})
    result = await run(oracle, world, planning="never")
    assert world.log == READS
    assert all(
        asked["proposal"].get("tool") != call[0]
        or call[0] == "look"
        or asked["proposal"]["args"] != call[1]
        for asked in oracle.judged
    )
    corrections = [c.messages[-1].text for c in oracle.act.calls if why in str(c.messages[-1].text)]
    assert len(corrections) == 1
    assert result["answer"]


async def test_a_read_that_raises_is_a_result_and_ends_the_plan() -> None:
    @effect("read")
    async def broken(key: str) -> str:
        """Look a key up in a broken place."""
        raise RuntimeError("no such place")

    oracle = Oracle([("broken", {"key": "a"})])
    agent = build_agent(oracle.act, oracle.reason, [broken], planning="always")
    result = await agent.ainvoke(ask())
    assert "no such place" in result["committed"][0]["result"]
    assert result["plan"]["status"] == "ended"


async def test_a_huge_result_is_cut() -> None:
    @effect("read")
    def huge() -> str:
        """Give ten megabytes."""
        return "x" * 10_000_000

    oracle = Oracle([("huge", {})])
    agent = build_agent(oracle.act, oracle.reason, [huge], max_result_chars=1000)
    result = await agent.ainvoke(ask())
    assert len(result["committed"][0]["result"]) < 1100
    assert "10,000,000 characters" in result["committed"][0]["result"]


async def test_an_effect_of_unknown_outcome_stops_the_run_and_is_never_repeated() -> None:
    ran: list[str] = []

    @effect("irreversible")
    async def send(to: str) -> str:
        """Send something."""
        ran.append(to)
        raise ConnectionError("the line went dead")

    oracle = Oracle([("send", {"to": "bob"})])
    with pytest.raises(NeedsIntervention):
        await build_agent(oracle.act, oracle.reason, [send]).ainvoke(ask())
    assert ran == ["bob"]


async def test_not_applied_is_a_result_the_run_can_go_on_from() -> None:
    @effect("irreversible")
    async def send(to: str) -> str:
        """Send something."""
        raise NotApplied("the address book is closed")

    oracle = Oracle([("send", {"to": "bob"})])
    agent = build_agent(oracle.act, oracle.reason, [send])
    result = await agent.ainvoke(ask())
    assert "address book" in result["committed"][0]["result"]


async def test_reads_go_on_when_the_reason_lane_is_down_and_writes_do_not() -> None:
    world, oracle = World(), Oracle(MIXED)
    down = ScriptedModel(script=lambda messages, kwargs: _raise(ConnectionError("down")))
    saver = InMemorySaver()
    agent = build_agent(oracle.act, down, world.tools(), planning="never", checkpointer=saver)
    config: Any = {"configurable": {"thread_id": "t"}}
    with pytest.raises(VerdictUnavailable, match="mend the lane"):
        await agent.ainvoke(ask(), config)
    state = (await agent.aget_state(config)).values
    assert [c["tool"] for c in state["committed"]] == ["look"]
    assert state["steps"][0]["outcome"] == "skipped"
    assert "x" not in world.data
    mended = build_agent(
        oracle.act, oracle.reason, world.tools(), planning="never", checkpointer=saver
    )
    result = await mended.ainvoke(None, config)
    assert [(c["tool"], c["args"]) for c in result["committed"]] == MIXED


async def test_an_act_lane_failure_is_raised_and_the_run_resumes() -> None:
    world, oracle = World(), Oracle(READS)
    fails = iter([None, None, ConnectionError("act is down"), None, None, None, None, None])

    def script(messages: Any, kwargs: Any) -> Any:
        error = next(fails)
        if error is not None:
            raise error
        return oracle._act(messages, kwargs)

    agent = build_agent(
        ScriptedModel(script=script),
        oracle.reason,
        world.tools(),
        planning="never",
        checkpointer=InMemorySaver(),
    )
    config: Any = {"configurable": {"thread_id": "t"}}
    with pytest.raises(ConnectionError, match="act is down"):
        await agent.ainvoke(ask(), config)
    result = await agent.ainvoke(None, config)
    assert [(c["tool"], c["args"]) for c in result["committed"]] == READS
    assert world.log == READS


async def test_turns_on_one_thread_are_runs_of_their_own() -> None:
    world, oracle = World(), Oracle(READS)
    agent = build_agent(oracle.act, oracle.reason, world.tools(), checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    first = await agent.ainvoke(ask("one"), config)
    second = await agent.ainvoke(ask("two"), config)
    assert [c["tool"] for c in second["committed"]] == [c[0] for c in READS]
    assert len(second["messages"]) == 2 * len(first["messages"])
    assert second["steps"][0]["step"] == 0
    ids = [c["id"] for m in second["messages"] if isinstance(m, AIMessage) for c in m.tool_calls]
    assert ids == [f"call_{n}" for n in range(2 * len(READS))]


async def test_cancelling_leaves_no_task_and_no_exchange() -> None:
    world, oracle = World(), Oracle(READS, reason_s=30)
    agent = build_agent(oracle.act, oracle.reason, world.tools(), max_run_ahead=0)
    before = asyncio.all_tasks()
    task = asyncio.create_task(agent.ainvoke(ask()))
    async with asyncio.timeout(10):
        while not oracle.reason.calls:  # noqa: ASYNC110 - the scripted model signals nothing
            await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == before
    assert world.log == []
    assert oracle.reason.calls[0].cancelled


async def test_streams_records_and_tags_speculative_tokens() -> None:
    oracle = Oracle(READS)
    agent = build_agent(oracle.act, oracle.reason, World().tools(), planning="never")
    kinds: set[str] = set()
    tags: set[str] = set()
    async for _, mode, part in agent.astream(
        ask(), stream_mode=["custom", "messages", "updates"], subgraphs=True
    ):
        if mode == "custom":
            kinds.add(part["type"])
        elif mode == "messages":
            tags.update(part[1].get("tags") or [])
    assert "agentlanes.steps" in kinds
    assert {"lane:act", "lane:reason", "speculative", "final"} <= tags


async def test_parallel_calls_of_one_reply() -> None:
    world = World()
    calls = [{"name": t, "args": a, "id": str(n)} for n, (t, a) in enumerate(READS)]

    def act(messages: Any, kwargs: Any) -> Any:
        done = any(m.type == "tool" for m in messages)
        return AIMessage("fine" if done else "", tool_calls=[] if done else calls)

    oracle = Oracle(READS)
    agent = build_agent(ScriptedModel(script=act), oracle.reason, world.tools(), planning="never")
    result = await agent.ainvoke(ask())
    assert [(c["tool"], c["args"]) for c in result["committed"]] == READS
    assert [len(asked["together"]) for asked in oracle.judged] == [0, 1, 2, 0]


async def test_windows_are_bounded_and_what_is_drafted_is_carried_over() -> None:
    truth = [("look", {"key": str(n)}) for n in range(9)]
    world, oracle = World(), Oracle(truth)
    result = await run(oracle, world, planning="never", max_window=2)
    assert world.log == truth
    assert max(r["window"] for r in result["steps"]) >= 4


async def test_prompts_do_not_depend_on_running_ahead() -> None:
    shown: list[list[list[tuple[str, str]]]] = []
    for run_ahead in (0, 8):
        oracle = Oracle(MIXED, wrong={2: ("look", {"key": "q"})})
        await run(oracle, World(), planning="never", max_run_ahead=run_ahead)
        shown.append(
            [[(m.type, str(m.content)) for m in call.messages] for call in oracle.reason.calls]
        )
    serial, ahead = shown
    assert all(request in ahead for request in serial)


def test_run_sync() -> None:
    oracle = Oracle(READS)
    agent = build_agent(oracle.act, oracle.reason, World().tools())
    assert run_sync(agent, ask())["answer"] == "done: 3 calls"


def test_the_graph_draws_itself() -> None:
    oracle = Oracle([])
    drawn = build_agent(oracle.act, oracle.reason).get_graph().draw_mermaid()
    for node in ("route", "act", "reason", "settle", "effects", "deliver"):
        assert node in drawn


async def test_without_tools_the_lanes_still_answer() -> None:
    oracle = Oracle([])
    agent = build_agent(oracle.act, oracle.reason)
    result = await agent.ainvoke({"messages": [HumanMessage("hello")]})
    assert result["answer"] == "done: 0 calls"


def _raise(error: Exception) -> Any:
    raise error
