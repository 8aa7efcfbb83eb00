"""The window exchange: who waits for what."""

from __future__ import annotations

import asyncio
from typing import Any

from agentlanes.plan import approve, reject
from agentlanes.speculation.exchange import Case, Exchange, Exchanges, binds


def case(index: int, **known: Any) -> Case:
    proposal: Any = {
        "index": index,
        "kind": "call",
        "tool": "t",
        "args": {},
        "steps": [],
        "plan_version": None,
        "rides_on": None,
    }
    return Case(proposal={**proposal, **known}, transcript=[])


async def test_proposals_come_as_they_are_made_and_end_with_the_window() -> None:
    exchange, seen = Exchange(judging=True), []

    async def read() -> None:
        async for found in exchange.proposals():
            seen.append(found.proposal["index"])

    reader = asyncio.create_task(read())
    exchange.propose(case(0))
    await asyncio.sleep(0)
    exchange.propose(case(1))
    exchange.propose(case(2))
    exchange.close()
    await reader
    assert seen == [0, 1, 2]


async def test_a_rejection_ends_the_reading_and_the_lowest_one_counts() -> None:
    exchange = Exchange(judging=True)
    for index in range(3):
        exchange.propose(case(index))
    exchange.decide(2, reject("reason", "no"))
    exchange.decide(1, reject("reason", "no"))
    assert exchange.ends_at == 1
    left = [found.proposal["index"] async for found in exchange.proposals()]
    assert left == [0]  # those below the lowest rejection still matter


def test_the_first_verdict_counts() -> None:
    exchange = Exchange(judging=True)
    exchange.propose(case(0))
    exchange.decide(0, reject("reason", "no"))
    exchange.decide(0, approve("reason"))
    verdict = exchange.verdict(0)
    assert verdict is not None
    assert verdict == {**reject("reason", "no"), "binding": verdict["binding"]}
    assert binds(verdict, exchange.cases[0].proposal)


def test_a_verdict_binds_one_call_of_one_plan_version() -> None:
    exchange = Exchange(judging=True)
    exchange.propose(case(0, args={"to": "bob"}, plan_version=2))
    exchange.decide(0, approve("reason"))
    verdict, proposal = exchange.verdicts[0], exchange.cases[0].proposal
    assert binds(verdict, {**proposal, "index": 7, "result": "x"})
    others: list[Any] = [
        {**proposal, "args": {"to": "eve"}},
        {**proposal, "tool": "mail"},
        {**proposal, "plan_version": 3},
        {**proposal, "plan_version": None},
        {**proposal, "steps": [{"tool": "t", "args": {}}]},
    ]
    assert not any(binds(verdict, other) for other in others)


def test_a_call_that_rides_on_a_plan_shares_its_verdict() -> None:
    exchange = Exchange(judging=True)
    exchange.propose(case(0, kind="plan"))
    exchange.propose(case(1, rides_on=0))
    exchange.propose(case(2))
    assert exchange.unverified(2) == 3
    exchange.decide(0, approve("reason"))
    assert exchange.verdict(1) == approve("plan")
    assert exchange.unverified(2) == 1


def test_a_run_keeps_one_window_open_and_leaves_none() -> None:
    exchanges = Exchanges()
    exchanges.open("run", 0, judging=True)
    first = exchanges.get("run", 0)
    exchanges.open("run", 1, judging=True)
    exchanges.open("other", 0, judging=True)
    assert first is not None
    assert first.closed
    assert exchanges.get("run", 0) is None
    exchanges.sweep("run")
    assert len(exchanges) == 1


def test_a_failure_is_taken_once() -> None:
    exchanges, error = Exchanges(), ValueError("x")
    exchanges.keep_failure("key", error)
    assert exchanges.take_failure("key") is error
    assert exchanges.take_failure("key") is None
