"""What every ledger must do, on every store; and what the lasting ones do when a store fails."""

from __future__ import annotations

import asyncio
import gc
import signal
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict, replace
from typing import Any

import pytest
from blockbuster import BlockingError, blockbuster_ctx

from agentlanes.errors import LeaseLost, LedgerMismatch
from agentlanes.speculation.ledger import (
    EffectRecord,
    Ledger,
)
from agentlanes.testing import VirtualClock
from tests.speculation.ledgers import Children, Store, record

NASTY = "\0 \ud800 \N{SNOWMAN} '\"\\ \r\n {schema} %s ?"


async def refused(ledger: Ledger, unwanted: EffectRecord, *lease: Any) -> str:
    """Say which error a record is refused with, and see that it left no trace."""
    before = await ledger.get(unwanted.key)
    with pytest.raises((LedgerMismatch, LeaseLost)) as caught:
        await ledger.put(unwanted, *lease)
    assert await ledger.get(unwanted.key) == before
    return type(caught.value).__name__


# What every ledger must do.


async def test_every_field_is_read_back_as_it_was_written(store: Store) -> None:
    facts = {
        "run": f"run {NASTY}",
        "thread": f"thread {NASTY}",
        "ordinal": 2**40,
        "tool": f"tool {NASTY}",
        "args": f"args {NASTY}",
        "place": f"place {NASTY}",
        "effect": "reversible",
        "plan_version": 3,
        "ahead": True,
        "attempt": 4,
        "result": f"result {NASTY}" * 4000,
        "note": f"note {NASTY}",
    }
    plain, full = record("plain"), record(f"key {NASTY}", "started", **facts)
    assert set(facts) | {"key", "status"} == set(asdict(full))
    ledger = store.open()
    await ledger.put(plain)
    await ledger.put(full, await ledger.acquire(full.thread))
    await ledger.aclose()
    again = store.open()
    assert await again.get("plain") == plain
    assert await again.get(full.key) == full
    assert await again.get("other") is None
    assert list(await again.of_run(full.run)) == [full]
    assert list(await again.pending(full.thread)) == [full]
    await again.aclose()


async def test_a_record_moves_as_it_may_and_in_no_other_way(store: Store) -> None:
    ledger = store.open()
    assert await refused(ledger, record(status="done")) == "LedgerMismatch"
    await ledger.put(record(status="proposed"))
    edited = record(status="approved", args='{"to": "bob"}')
    await ledger.put(edited)
    assert await refused(ledger, record(status="started")) == "LedgerMismatch"
    await ledger.put(replace(edited, note="again"))
    started = replace(edited, status="started", attempt=1)
    await ledger.put(started)
    assert await refused(ledger, started) == "LedgerMismatch"
    assert await refused(ledger, replace(started, tool="call", status="done")) == "LedgerMismatch"
    assert await refused(ledger, replace(started, status="undone")) == "LedgerMismatch"
    await ledger.put(replace(started, status="unknown"))
    await ledger.put(replace(started, status="failed"))
    await ledger.put(replace(started, attempt=2))
    done = replace(started, status="done", attempt=2, result="sent")
    await ledger.put(done)
    assert await refused(ledger, replace(started, attempt=3)) == "LedgerMismatch"
    assert await ledger.get("k") == done
    await ledger.aclose()


async def test_what_a_fenced_out_lease_may_still_write(store: Store) -> None:
    ledger = store.open()
    assert await ledger.newest("t") == 0
    old = await ledger.acquire("t")
    assert await ledger.newest("t") == old.token
    for key in ("known", "lost", "anew", "settled"):
        await ledger.put(record(key, "started", attempt=1), old)
    await ledger.put(record("fresh", "approved"), old)
    other_thread = await ledger.acquire("other")
    new = await store.open().acquire("t")
    assert await ledger.newest("t") == new.token
    assert new.token > old.token
    await ledger.put(record("there", "approved", thread="other"), other_thread)

    for unwanted in (record("fresh", "started", attempt=1), record("fresh"), record("none")):
        assert await refused(ledger, unwanted, old) == "LeaseLost"
    # What the older worker did is worth knowing, and it learns that it has been replaced.
    known = record("known", "done", attempt=1, result="sent")
    with pytest.raises(LeaseLost):
        await ledger.put(known, old)
    assert await ledger.get("known") == known
    await ledger.put(record("lost", "unknown", attempt=1), new)
    with pytest.raises(LeaseLost):
        await ledger.put(record("lost", "done", attempt=1, result="sent"), old)
    assert (await ledger.get("lost") or known).result == "sent"
    # What has been started anew or settled meanwhile is not what it did.
    await ledger.put(record("anew", "failed", attempt=1), new)
    await ledger.put(record("anew", "started", attempt=2), new)
    assert await refused(ledger, record("anew", "done", attempt=1), old) == "LeaseLost"
    await ledger.put(record("settled", "done", attempt=1, result="as a person says"), new)
    late = record("settled", "done", attempt=1, result="as the old one says")
    assert await refused(ledger, late, old) == "LeaseLost"
    await ledger.aclose()


async def test_the_newest_lease_wins_from_wherever_it_was_taken(store: Store) -> None:
    ledgers = [store.open() for _ in range(3)]
    tokens = []
    for ledger in ledgers * 3:
        tokens.append((await ledger.acquire("t")).token)
    assert tokens == sorted(set(tokens))
    many = await asyncio.gather(*(ledgers[n % 3].acquire("t") for n in range(30)))
    assert len({lease.token for lease in many}) == 30
    newest = max(many, key=lambda lease: lease.token)
    for lease in many:
        if lease is newest:
            await ledgers[0].put(record("mine"), lease)
        else:
            assert await refused(ledgers[1], record("not mine"), lease) == "LeaseLost"
    for ledger in ledgers:
        await ledger.aclose()


async def test_lists_are_in_the_order_of_the_first_writing(store: Store) -> None:
    ledger = store.open()
    for number in (3, 1, 2, 0):
        await ledger.put(record(f"k{number}", run="a" if number != 2 else "b", ordinal=number))
    await ledger.put(record("k1", "started", run="a", ordinal=1, attempt=1))
    await ledger.put(record("elsewhere", run="a", thread="u"))
    await ledger.put(record("k3", "denied", run="a", ordinal=3))
    await ledger.put(record("ahead", "started", run="a", ahead=True))
    await ledger.put(record("ahead", "done", run="a", ahead=True))
    assert [r.key for r in await ledger.of_run("a")] == ["k3", "k1", "k0", "elsewhere", "ahead"]
    assert [r.key for r in await ledger.of_run("b")] == ["k2"]
    assert [r.key for r in await ledger.of_run("c")] == []
    assert [r.key for r in await ledger.pending("t")] == ["k1", "k2", "k0", "ahead"]
    await ledger.put(record("ahead", "done", run="a", ahead=False))
    assert [r.key for r in await ledger.pending("t")] == ["k1", "k2", "k0"]
    assert [r.key for r in await ledger.pending("")] == []
    await ledger.aclose()


async def test_writers_at_once_lose_nothing(store: Store) -> None:
    ledgers = [store.open() for _ in range(3)]
    await asyncio.gather(
        *(ledgers[n % 3].put(record(f"k{n}", ordinal=n, thread="")) for n in range(60))
    )
    assert {r.ordinal for r in await ledgers[0].of_run("r")} == set(range(60))
    starts = [ledgers[n % 3].put(record("k0", "started", attempt=n)) for n in range(12)]
    results = await asyncio.gather(*starts, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == [
        *["LedgerMismatch"] * 11,
        "NoneType",
    ]
    for ledger in ledgers:
        await ledger.aclose()


# What lasting ledgers do beyond one process, one event loop, one caller.


def test_what_is_written_outlives_the_process(shared: Store, children: Children) -> None:
    dying = children(shared.where)
    written = record(status="started", attempt=1)
    assert dying.do(do="put", record=asdict(written), die=True) is None
    assert dying.process.wait() == -signal.SIGKILL
    assert asyncio.run(_get(shared, "k")) == written
    done = replace(written, status="done", result="sent")
    assert children(shared.where).do(do="put", record=asdict(done)) == "written"
    assert asyncio.run(_get(shared, "k")) == done


def test_of_two_processes_that_start_a_call_one_does(shared: Store, children: Children) -> None:
    workers = [children(shared.where), children(shared.where)]
    said = set()
    for number in range(30):
        start = record(f"k{number}", "started", thread=f"t{number % 3}", attempt=1)
        for name, worker in enumerate(workers):
            worker.tell(do="start", record=asdict(replace(start, note=str(name))))
        answers = [worker.answer() for worker in workers]
        assert answers.count("started") == 1, answers
        held = asyncio.run(_get(shared, f"k{number}"))
        assert held is not None
        assert held.note == str(answers.index("started"))
        said.update(answers)
    print(f"how {shared.kind} told the other one: {sorted(said - {'started'})}")


async def _get(store: Store, key: str) -> EffectRecord | None:
    ledger = store.open()
    try:
        return await ledger.get(key)
    finally:
        await ledger.aclose()


class _Inline(asyncio.SelectorEventLoop):
    """A loop that runs work for threads at once, on its own thread."""

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


def test_one_ledger_serves_one_event_loop_after_another(shared: Store) -> None:
    ledger = shared.open()

    async def work(key: str) -> EffectRecord | None:
        lease = await ledger.acquire("t")
        await ledger.put(record(key), lease)
        return await ledger.get(key)

    for number in range(3):
        assert asyncio.run(work(f"run{number}")) == record(f"run{number}")
    assert VirtualClock.run(work("virtual")) == record("virtual")
    with asyncio.Runner(loop_factory=_Inline) as inline:
        assert inline.run(work("inline")) == record("inline")
    assert asyncio.run(work("last")) == record("last")
    asyncio.run(ledger.aclose())


def test_no_call_blocks_the_event_loop(shared: Store) -> None:
    async def work() -> None:
        ledger = shared.open()
        lease = await ledger.acquire("t")
        await ledger.put(record(), lease)
        assert await ledger.get("k") == record()
        assert len(await ledger.of_run("r")) == len(await ledger.pending("t")) == 1
        await ledger.aclose()
        with pytest.raises(BlockingError), sqlite3.connect(":memory:") as db:
            db.execute("SELECT 1")

    with blockbuster_ctx():
        asyncio.run(work())


async def test_a_closed_ledger_leaves_no_thread_and_opens_again(shared: Store) -> None:
    before = set(threading.enumerate())
    ledger = shared.open()
    await ledger.aclose()
    await ledger.put(record())
    mine = [thread for thread in threading.enumerate() if thread not in before]
    assert mine
    await ledger.aclose()
    for thread in mine:
        await asyncio.to_thread(thread.join, 30)
    assert not any(thread.is_alive() for thread in mine)
    assert await ledger.get("k") == record()
    await ledger.aclose()


async def test_a_ledger_that_nobody_closed_leaves_nothing_behind(shared: Store) -> None:
    before = set(threading.enumerate())
    ledger = shared.open()
    await ledger.put(record())
    mine = [thread for thread in threading.enumerate() if thread not in before]
    del ledger
    gc.collect()  # an open connection would warn here, and warnings are errors
    for thread in mine:
        await asyncio.to_thread(thread.join, 30)
    assert not any(thread.is_alive() for thread in mine)


async def test_a_cancelled_write_is_made_and_nothing_overtakes_it(shared: Store) -> None:
    ledger, other = shared.open(), shared.open()
    lease = await ledger.acquire("t")
    whole = [record(f"k{n}", ordinal=n, result="x" * 5000) for n in range(40)]
    for number, wanted in enumerate(whole):
        task = asyncio.create_task(ledger.put(wanted, lease))
        await asyncio.sleep(0 if number % 2 else number / 10_000)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        # No lock is left to wait for, here or in another process.
        await other.put(record(f"after{number}", run="other"))
    taking = asyncio.create_task(ledger.acquire("t"))
    await asyncio.sleep(0)
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    assert (await ledger.acquire("t")).token == lease.token + 2
    assert list(await ledger.of_run("r")) == whole
    await ledger.aclose()
    await other.aclose()
