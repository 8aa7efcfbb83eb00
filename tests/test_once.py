"""A fenced call runs once: crashes, unknown outcomes, people, forks, two workers."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from agentlanes import MemoryLedger, NotApplied, build_agent, effect
from agentlanes.errors import ConfigError, LeaseLost, LedgerMismatch
from agentlanes.nodes.custody import Custody
from agentlanes.speculation.ledger import EffectRecord
from tests.oracle import Oracle, World
from tests.test_graph import MIXED, ask

CONFIG: Any = {"configurable": {"thread_id": "t"}}
BOB = [("send", {"to": "bob"})]
TWO = [("send", {"to": "bob"}), ("send", {"to": "eve"})]


class Crash(BaseException):
    """Ends a run as a killed process would: nothing after it is done."""


@dataclass
class Post:
    """A post office without idempotency: what is sent twice arrives twice."""

    sent: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    break_after: Callable[[], None] = lambda: None
    lost: bool = False

    def tool(self, **declared: Any) -> Any:
        @effect("irreversible", **declared)
        async def send(to: str) -> str:
            """Send something."""
            if not self.lost:
                self.sent.append(to)
            self.break_after()
            return f"sent to {to}"

        return send


def line_dead() -> None:
    raise ConnectionError("the line went dead")


def crash() -> None:
    raise Crash


@pytest.fixture
def saver() -> InMemorySaver:
    return InMemorySaver()


def calls(result: dict[str, Any]) -> list[Any]:
    return [(c["tool"], c["args"]) for c in result["committed"]]


@pytest.mark.parametrize("planning", ["never", "always"])
async def test_a_person_says_what_became_of_an_unknown_effect(
    saver: InMemorySaver, planning: Any
) -> None:
    post, oracle = Post(break_after=line_dead), Oracle(TWO)
    agent = build_agent(
        oracle.act, oracle.reason, [post.tool()], checkpointer=saver, planning=planning
    )
    paused = await agent.ainvoke(ask(), CONFIG)
    asked = paused["__interrupt__"][0].value
    assert asked["type"] == "agentlanes.unknown_effect"
    assert asked["call"] == {"tool": "send", "args": {"to": "bob"}}
    assert "the line went dead" in asked["note"]
    post.break_after = lambda: None
    # An answer that cannot be read is asked for again.
    paused = await agent.ainvoke(Command(resume="what?"), CONFIG)
    assert paused["__interrupt__"][0].value["call"] == asked["call"]
    resume: Any = Command(resume={"outcome": "done", "result": "it arrived"})
    result = await agent.ainvoke(resume, CONFIG)
    assert calls(result) == TWO
    assert result["committed"][0]["result"] == "it arrived"
    assert post.sent == ["bob", "eve"]


async def test_a_call_that_never_took_effect_is_made_again_under_its_key(
    saver: InMemorySaver,
) -> None:
    post, oracle, ledger = Post(break_after=line_dead, lost=True), Oracle(BOB), MemoryLedger()
    agent = build_agent(oracle.act, oracle.reason, [post.tool()], checkpointer=saver, ledger=ledger)
    await agent.ainvoke(ask(), CONFIG)
    post.break_after, post.lost = (lambda: None), False
    resume: Any = Command(resume={"outcome": "not_applied"})
    result = await agent.ainvoke(resume, CONFIG)
    assert calls(result) == BOB
    assert post.sent == ["bob"]
    assert [(r.status, r.attempt) for r in ledger.records()] == [("done", 2)]


@pytest.mark.parametrize("arrived", [True, False])
async def test_a_check_settles_what_a_crash_left_open(saver: InMemorySaver, arrived: bool) -> None:
    post, oracle, ledger = Post(break_after=crash, lost=not arrived), Oracle(BOB), MemoryLedger()
    asked: list[tuple[dict[str, Any], str]] = []

    def check(args: dict[str, Any], key: str) -> str | None:
        asked.append((args, key))
        return f"found {args['to']}" if args["to"] in post.sent else None

    def agent() -> Any:
        return build_agent(
            oracle.act,
            oracle.reason,
            [post.tool(check=check)],
            checkpointer=saver,
            ledger=ledger,
        )

    with pytest.raises(Crash):
        await agent().ainvoke(ask(), CONFIG)
    before = len(oracle.judged)
    post.break_after, post.lost = (lambda: None), False
    result = await agent().ainvoke(None, CONFIG)
    assert calls(result) == BOB
    assert post.sent == ["bob"]
    assert result["committed"][0]["result"] == ("found bob" if arrived else "sent to bob")
    assert asked == [({"to": "bob"}, ledger.records()[0].key)]
    # Nothing was judged again: the plan that approved it still stands.
    assert len(oracle.judged) == before


async def test_what_was_done_before_a_crash_is_replayed_and_not_asked_for_again(
    saver: InMemorySaver,
) -> None:
    """The process dies after the outcome is recorded and before the checkpoint is."""

    class DiesAfterDone(MemoryLedger):
        async def put(self, record: Any, lease: Any = None) -> None:
            await super().put(record, lease)
            if record.status == "done" and record.ordinal == 0:
                raise Crash

    post, oracle, ledger = Post(), Oracle(TWO), DiesAfterDone()

    def agent() -> Any:
        return build_agent(
            oracle.act, oracle.reason, [post.tool()], checkpointer=saver, ledger=ledger
        )

    with pytest.raises(Crash):
        await agent().ainvoke(ask(), CONFIG)
    drafted = len(oracle.act.calls)
    result = await agent().ainvoke(None, CONFIG)
    assert calls(result) == TWO
    assert post.sent == ["bob", "eve"]
    assert oracle.act.calls[drafted:], "the run went on"
    assert [r.status for r in ledger.records()] == ["done", "done"]


@pytest.mark.parametrize(
    ("decision", "sent"),
    [
        ({"type": "approve"}, ["bob"]),
        ({"type": "edit", "edited_action": {"name": "send", "args": {"to": "ann"}}}, ["ann"]),
    ],
)
async def test_a_person_approves_or_edits_before_anything_happens(
    saver: InMemorySaver, decision: dict[str, Any], sent: list[str]
) -> None:
    post, oracle, ledger = Post(), Oracle(BOB), MemoryLedger()
    agent = build_agent(
        oracle.act,
        oracle.reason,
        [post.tool()],
        checkpointer=saver,
        ledger=ledger,
        approval={"irreversible": "always"},
    )
    paused = await agent.ainvoke(ask(), CONFIG)
    asked = paused["__interrupt__"][0].value
    assert asked["action_requests"][0]["name"] == "send"
    assert asked["action_requests"][0]["args"] == {"to": "bob"}
    assert asked["plan"]["status"] == "approved"
    assert asked["verdict"]["status"] == "approve"
    assert post.sent == []
    assert [r.status for r in ledger.records()] == ["proposed"]
    wrong = {"type": "edit", "edited_action": {"name": "send", "args": {"whom": "ann"}}}
    paused = await agent.ainvoke(Command(resume={"decisions": [wrong]}), CONFIG)
    assert "no such argument" in paused["__interrupt__"][0].value["error"]
    result = await agent.ainvoke(Command(resume={"decisions": [decision]}), CONFIG)
    assert post.sent == sent
    assert [c["args"]["to"] for c in result["committed"]][:1] == sent
    assert ledger.records()[0].status == "done"


async def test_a_refusal_is_a_correction_and_ends_the_plan(saver: InMemorySaver) -> None:
    post, ledger = Post(), MemoryLedger()
    oracle = Oracle([("send", {"to": "ann"})], wrong={0: ("send", {"to": "bob"})})
    agent = build_agent(
        oracle.act,
        oracle.reason,
        [post.tool()],
        checkpointer=saver,
        ledger=ledger,
        verify="approve",
        approval={"send": "always"},
    )
    await agent.ainvoke(ask(), CONFIG)
    refused: Any = Command(resume={"decisions": [{"type": "reject", "message": "not ann"}]})
    paused = await agent.ainvoke(refused, CONFIG)
    state = (await agent.aget_state(CONFIG)).values
    assert [r.status for r in ledger.records()] == ["denied", "proposed"]
    assert "not ann" in state["messages"][-1].text or paused["__interrupt__"]
    assert post.sent == []
    result = await agent.ainvoke(Command(resume="approve"), CONFIG)
    assert post.sent == ["ann"]
    assert calls(result) == [("send", {"to": "ann"})]


@pytest.mark.parametrize("edit", [False, True])
@pytest.mark.parametrize("at", ["route", "settle", "effects"])
async def test_a_fork_is_another_run_and_needs_fresh_approval(
    saver: InMemorySaver, at: str, edit: bool
) -> None:
    post, oracle, ledger = Post(), Oracle(BOB), MemoryLedger()
    agent = build_agent(oracle.act, oracle.reason, [post.tool()], checkpointer=saver, ledger=ledger)
    await agent.ainvoke(ask(), CONFIG)
    assert post.sent == ["bob"]
    history = [state async for state in agent.aget_state_history(CONFIG)]
    old = next(s for s in history if at in s.next and not s.values.get("committed"))
    judged = len(oracle.judged)
    config: Any = old.config
    if edit:
        before = "act" if at == "settle" else None
        await agent.aupdate_state(old.config, {"draft_answer": None}, as_node=before)
        config = CONFIG
    result = await agent.ainvoke(None, config)
    # The other branch is a run of its own: it does it again, after verdicts of its own.
    assert post.sent == ["bob", "bob"]
    assert calls(result) == BOB
    assert len(oracle.judged) > judged
    assert len({r.run for r in ledger.records()}) == 2


async def test_a_new_turn_settles_what_the_last_one_left_open(saver: InMemorySaver) -> None:
    post, oracle, ledger = Post(break_after=crash), Oracle(BOB), MemoryLedger()

    def agent() -> Any:
        return build_agent(
            oracle.act, oracle.reason, [post.tool()], checkpointer=saver, ledger=ledger
        )

    with pytest.raises(Crash):
        await agent().ainvoke(ask(), CONFIG)
    post.break_after = lambda: None
    drafted = len(oracle.act.calls)
    paused = await agent().ainvoke(ask("And now?"), CONFIG)
    assert paused["__interrupt__"][0].value["type"] == "agentlanes.unknown_effect"
    assert len(oracle.act.calls) == drafted, "no model is asked before that is settled"
    resume: Any = Command(resume={"outcome": "done", "result": "it arrived"})
    result = await agent().ainvoke(resume, CONFIG)
    assert "it arrived" in [m.text for m in result["messages"]]
    assert ledger.records()[0].status == "done"


async def test_of_two_workers_on_a_thread_only_the_later_one_acts(saver: InMemorySaver) -> None:
    oracle, ledger = Oracle(BOB), MemoryLedger()
    post = Post()
    agent = build_agent(oracle.act, oracle.reason, [post.tool()], checkpointer=saver, ledger=ledger)

    class TakenOver(MemoryLedger):
        """Another worker takes the lease between this one's lease and its first write."""

        async def put(self, record: Any, lease: Any = None) -> None:
            if record.status == "started":
                await self.acquire("t")
            await super().put(record, lease)

    late = TakenOver()
    loser = build_agent(oracle.act, oracle.reason, [post.tool()], checkpointer=saver, ledger=late)
    with pytest.raises(LeaseLost):
        await loser.ainvoke(ask(), CONFIG)
    assert post.sent == []
    result = await agent.ainvoke(None, CONFIG)
    assert post.sent == ["bob"]
    assert calls(result) == BOB


async def test_a_ledger_that_tells_of_another_call_stops_the_run(saver: InMemorySaver) -> None:
    post, oracle, ledger = Post(break_after=crash), Oracle(BOB), MemoryLedger()
    agent = build_agent(oracle.act, oracle.reason, [post.tool()], checkpointer=saver, ledger=ledger)
    with pytest.raises(Crash):
        await agent.ainvoke(ask(), CONFIG)
    other = MemoryLedger()
    held = ledger.records()[0]
    await other.put(type(held)(**{**vars_of(held), "args": '{"to":"eve"}', "status": "started"}))
    again = build_agent(oracle.act, oracle.reason, [post.tool()], checkpointer=saver, ledger=other)
    with pytest.raises(LedgerMismatch):
        await again.ainvoke(None, CONFIG)
    assert post.sent == ["bob"]


def vars_of(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__slots__}


async def test_durability_exit_is_refused_where_there_are_effects(saver: InMemorySaver) -> None:
    world, oracle = World(), Oracle(MIXED)
    agent = build_agent(oracle.act, oracle.reason, world.tools(), checkpointer=saver)
    with pytest.raises(ConfigError, match="exit"):
        await agent.ainvoke(ask(), CONFIG, durability="exit")
    assert world.log == []
    reads = build_agent(Oracle([]).act, Oracle([]).reason, world.tools()[:1], checkpointer=saver)
    await reads.ainvoke(ask(), {"configurable": {"thread_id": "r"}}, durability="exit")


async def test_a_run_says_whether_its_effects_are_crash_safe(saver: InMemorySaver) -> None:
    oracle = Oracle(BOB)
    for checkpointer in (None, saver):
        agent = build_agent(oracle.act, oracle.reason, [Post().tool()], checkpointer=checkpointer)
        result = await agent.ainvoke(ask(), CONFIG)
        assert result["run"]["crash_safe"] is False


async def test_what_raises_not_applied_is_told_and_not_tried_again(saver: InMemorySaver) -> None:
    def closed() -> None:
        raise NotApplied("the office is closed")

    post, oracle, ledger = Post(break_after=closed, lost=True), Oracle(BOB), MemoryLedger()
    agent = build_agent(oracle.act, oracle.reason, [post.tool()], checkpointer=saver, ledger=ledger)
    result = await agent.ainvoke(ask(), CONFIG)
    assert "closed" in result["committed"][0]["result"]
    assert [r.status for r in ledger.records()] == ["failed"]


async def test_a_worker_that_lost_its_lease_stops_though_it_only_reads() -> None:
    ledger = MemoryLedger()
    older = Custody(thread="t", ledger=ledger, lasting=True)
    newer = Custody(thread="t", ledger=ledger, lasting=True)
    await older.take()
    await older.check()
    await newer.take()
    with pytest.raises(LeaseLost):
        await older.check()
    await newer.check()


def kept_records() -> int:
    gc.collect()
    return sum(isinstance(one, EffectRecord) for one in gc.get_objects())


async def test_nothing_of_a_delivered_run_stays_where_nothing_can_resume_it() -> None:
    post, oracle, before = Post(), Oracle(TWO), kept_records()
    agent = build_agent(oracle.act, oracle.reason, [post.tool()])
    for _ in range(3):
        assert calls(await agent.ainvoke(ask())) == TWO
    assert kept_records() == before
