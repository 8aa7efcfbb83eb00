"""One agent run several times at once by a graph above it, as `Send` does."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send

from agentlanes import build_agent, effect
from agentlanes.nodes.place import are_beside
from agentlanes.speculation.ledger import Ledger, MemoryLedger, SqliteLedger
from tests.oracle import Oracle, lane_for
from tests.test_once import kept_records

CONFIG: Any = {"configurable": {"thread_id": "t"}}
NAMES = ("ann", "bob", "cy")


class Above(TypedDict):
    names: list[str]
    done: Annotated[list[str], operator.add]


class Post:
    """Sends twice for each name; the second for some names hangs until it is told not to."""

    def __init__(self, *hangs: str) -> None:
        self.sent: list[str] = []
        self.hangs = {f"{name}-2" for name in hangs}
        self.hanging, self.looked = 0, 0

    def above(self, saver: Any, ledger: Ledger | None, **options: Any) -> Any:
        async def check(args: dict[str, Any], key: str) -> str | None:
            self.looked += 1
            return "found" if args["to"] in self.sent else None

        @effect("irreversible", check=check)
        async def send(to: str) -> str:
            """Send something."""
            await asyncio.sleep(0.1)  # others begin while it is under way
            if to in self.hangs:
                self.hanging += 1
                await asyncio.sleep(3600)
            self.sent.append(to)
            return f"sent to {to}"

        oracles = {n: Oracle([("send", {"to": f"{n}-{i}"}) for i in (1, 2)]) for n in NAMES}
        lanes = (lane_for(oracles, which, latency_s=0.005) for which in ("act", "reason"))
        agent = build_agent(*lanes, [send], planning="never", ledger=ledger, **options)

        async def one(given: dict[str, str]) -> dict[str, Any]:
            name = given["name"]
            await asyncio.sleep(0.05 * NAMES.index(name))
            result = await agent.ainvoke({"messages": [("user", f"mail for {name}")]})
            return {"done": [f"{name} {len(result['committed'])}"]}

        graph = StateGraph(Above)
        graph.add_node("one", one)
        graph.add_conditional_edges(
            START, lambda state: [Send("one", {"name": n}) for n in state["names"]], ["one"]
        )
        graph.add_edge("one", END)
        return graph.compile(checkpointer=saver)

    def given(self) -> dict[str, Any]:
        return {"names": list(NAMES), "done": []}


@pytest.fixture
async def lasting(tmp_path: Path) -> AsyncIterator[tuple[Any, Ledger]]:
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "saved.db")) as saver:
        ledger = SqliteLedger(tmp_path / "ledger.db")
        yield saver, ledger
        await ledger.aclose()


EACH_TWICE = sorted(f"{name}-{i}" for name in NAMES for i in (1, 2))
ALL_DONE = [f"{name} 2" for name in NAMES]


@pytest.mark.parametrize("saver", [None, InMemorySaver()], ids=["none", "memory"])
async def test_each_does_its_own_work_once(saver: Any) -> None:
    post, before = Post(), kept_records()
    result = await post.above(saver, None).ainvoke(post.given(), CONFIG)
    assert sorted(result["done"]) == ALL_DONE
    assert sorted(post.sent) == EACH_TWICE
    if saver is None:
        assert kept_records() == before


async def test_each_does_its_own_work_once_where_all_is_saved(lasting: Any) -> None:
    post, (saver, ledger) = Post(), lasting
    result = await post.above(saver, ledger).ainvoke(post.given(), CONFIG)
    assert sorted(result["done"]) == ALL_DONE
    assert sorted(post.sent) == EACH_TWICE
    assert not await ledger.pending("t|one")
    assert not post.looked, "what those beside it are at is not for it to settle"


async def test_each_asks_its_own_questions_and_they_may_be_answered_one_by_one(
    lasting: Any,
) -> None:
    post, (saver, ledger) = Post(), lasting
    above = post.above(saver, ledger, approval={"irreversible": "always"})
    result = await above.ainvoke(post.given(), CONFIG)
    for sent in range(len(EACH_TWICE)):
        assert len(post.sent) == sent
        asked = result["__interrupt__"]
        answer = {asked[0].id: {"decisions": [{"type": "approve"}]}}
        result = await above.ainvoke(Command(resume=answer), CONFIG)
    assert sorted(result["done"]) == ALL_DONE
    assert sorted(post.sent) == EACH_TWICE
    assert not post.looked


async def cut_short(post: Post, saver: Any, ledger: Ledger) -> None:
    task = asyncio.create_task(post.above(saver, ledger).ainvoke(post.given(), CONFIG))
    async with asyncio.timeout(30):
        while len(post.sent) + post.hanging < len(EACH_TWICE):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    post.hangs.clear()


@pytest.mark.parametrize("hangs", [("bob",), NAMES], ids=["one", "all"])
async def test_what_was_cut_short_goes_on_where_each_was(lasting: Any, hangs: Any) -> None:
    post, (saver, ledger) = Post(*hangs), lasting
    await cut_short(post, saver, ledger)
    result = await post.above(saver, ledger).ainvoke(None, CONFIG)
    assert sorted(result["done"]) == ALL_DONE
    assert sorted(post.sent) == EACH_TWICE
    assert post.looked == len(hangs), "each at its own, and none at what those beside it are at"


async def test_what_an_earlier_turn_left_open_is_settled_first(lasting: Any) -> None:
    post, (saver, ledger) = Post("bob"), lasting
    await cut_short(post, saver, ledger)
    (open_,) = await ledger.pending("t|one")
    assert open_.status == "unknown"
    result = await post.above(saver, ledger).ainvoke(post.given(), CONFIG)
    assert sorted(result["done"]) == ALL_DONE
    assert post.looked >= 1
    settled = await ledger.get(open_.key)
    assert settled is not None
    assert settled.status == "failed", "it never arrived"


async def test_those_beside_each_other_are_told_from_those_one_after_the_other(
    lasting: Any,
) -> None:
    post, saver, kept = Post(), lasting[0], MemoryLedger()
    for _ in range(2):
        await post.above(saver, kept).ainvoke(post.given(), CONFIG)
    places = list(dict.fromkeys(record.place for record in kept.records()))
    first, second = places[:3], places[3:]
    assert len(second) == 3
    for turn, other in ((first, second), (second, first)):
        for place in turn:
            assert [are_beside(place, one) for one in turn].count(True) == 2
            assert not any(are_beside(place, one) for one in other)
