"""Random use of a ledger on every store, against what a plain dictionary says.

`--hypothesis-profile=long` runs at least 10,000 steps on each store.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar, get_args

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from agentlanes.errors import LeaseLost, LedgerMismatch
from agentlanes.speculation.ledger import EffectRecord, EffectStatus, Lease, Ledger, PostgresLedger
from tests.speculation.ledgers import STORES, Store, record

T = TypeVar("T")

THREADS, RUNS = ("", "t", "ü\0"), ("r", "s")
KEYS = tuple(f"k{n}" for n in range(5))
STATUSES: tuple[EffectStatus, ...] = get_args(EffectStatus)
# Written out here once more, so that the table that the ledgers use is checked too.
NEXT = {
    None: "proposed approved started",
    "proposed": "proposed approved started denied expired",
    "approved": "approved started denied expired",
    "started": "approved done failed unknown undoing",
    "done": "done undoing",
    "failed": "failed started",
    "unknown": "unknown done failed undoing",
    "denied": "denied",
    "expired": "expired",
    "undoing": "undoing undone unknown",
    "undone": "undone",
}
SETTLED = {"failed", "denied", "expired", "undone"}


class Model:
    """What a ledger is to hold and to answer."""

    def __init__(self) -> None:
        self.records: dict[str, EffectRecord] = {}
        self.tokens: dict[str, int] = {}

    def put(self, new: EffectRecord, lease: Lease | None) -> type[Exception] | None:
        """Take a record, or say what it is refused with."""
        held = self.records.get(new.key)
        follows = new.status in NEXT[held.status if held else None].split()
        if held is not None and (held.tool, held.args) != (new.tool, new.args):
            follows = follows and held.status == "proposed" and held.tool == new.tool
        if lease is None or self.tokens[lease.thread] == lease.token:
            if not follows:
                return LedgerMismatch
            self.records[new.key] = new
            return None
        outcome = new.status in ("done", "failed", "unknown", "undone")
        settles = held and new.status != held.status and new.attempt == held.attempt
        if settles and follows and outcome:
            self.records[new.key] = new
        return LeaseLost

    def pending(self, thread: str) -> list[EffectRecord]:
        """Give what nobody has settled."""
        return [
            r
            for r in self.records.values()
            if r.thread == thread and r.status not in SETTLED and (r.status != "done" or r.ahead)
        ]


class LedgerMachine(RuleBasedStateMachine):
    """Uses a ledger, and a model of it, in the same way."""

    leases = Bundle("leases")
    steps = 0

    def __init__(self, open_: Callable[[], Ledger]) -> None:
        super().__init__()
        self._open, self._model = open_, Model()
        self._runner = asyncio.Runner()
        self._ledger = open_()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    @invariant()
    def a_step_is_done(self) -> None:
        type(self).steps += 1

    @initialize(target=leases)
    def acquire_the_first(self) -> Lease:
        return self._acquire("t")

    @rule(target=leases, thread=st.sampled_from(THREADS))
    def acquire(self, thread: str) -> Lease:
        return self._acquire(thread)

    def _acquire(self, thread: str) -> Lease:
        lease = self._do(self._ledger.acquire(thread))
        self._model.tokens[thread] = self._model.tokens.get(thread, 0) + 1
        assert lease == Lease(thread=thread, token=self._model.tokens[thread])
        return lease

    def _put(self, new: EffectRecord, lease: Lease | None) -> None:
        wanted = self._model.put(new, lease)
        given: type[Exception] | None = None
        try:
            self._do(self._ledger.put(new, lease))
        except (LedgerMismatch, LeaseLost) as error:
            given = type(error)
        assert given is wanted
        assert self._do(self._ledger.get(new.key)) == self._model.records.get(new.key)

    @rule(
        key=st.sampled_from(KEYS),
        status=st.sampled_from(STATUSES),
        thread=st.sampled_from(THREADS),
        run=st.sampled_from(RUNS),
        tool=st.sampled_from(("mail", "call")),
        args=st.sampled_from(("{}", '{"to": 1}')),
        ahead=st.booleans(),
        lease=st.none() | leases,
    )
    def put_anything(self, lease: Lease | None, **facts: Any) -> None:
        self._put(record(**facts), lease)

    @rule(
        key=st.sampled_from(KEYS),
        pick=st.integers(0, 10),
        again=st.booleans(),
        result=st.none() | st.text(st.characters(), max_size=20),
        lease=st.none() | leases,
    )
    def put_what_follows(
        self, key: str, pick: int, again: bool, result: str | None, lease: Lease | None
    ) -> None:
        held = self._model.records.get(key)
        may = NEXT[held.status if held else None].split()
        status: Any = may[pick % len(may)]
        before = held or record(key)
        attempt = before.attempt + (status == "started" or again)
        self._put(replace(before, status=status, attempt=attempt, result=result), lease)

    @rule(key=st.sampled_from(KEYS), lease=st.none() | leases)
    def put_again(self, key: str, lease: Lease | None) -> None:
        self._put(self._model.records.get(key, record(key)), lease)

    @rule()
    def go_on_in_another_process(self) -> None:
        self._do(self._ledger.aclose())
        self._ledger = self._open()

    @rule()
    def go_on_in_another_event_loop(self) -> None:
        self._runner.close()
        self._runner = asyncio.Runner()

    @rule(run=st.sampled_from(RUNS))
    def list_a_run(self, run: str) -> None:
        wanted = [r for r in self._model.records.values() if r.run == run]
        assert list(self._do(self._ledger.of_run(run))) == wanted

    @rule(thread=st.sampled_from(THREADS))
    def list_what_is_pending(self, thread: str) -> None:
        assert list(self._do(self._ledger.pending(thread))) == self._model.pending(thread)

    def teardown(self) -> None:
        for key in KEYS:
            assert self._do(self._ledger.get(key)) == self._model.records.get(key)
        self._do(self._ledger.aclose())
        self._runner.close()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", STORES)
def test_a_ledger_is_what_a_dictionary_says(kind: str, stores: Callable[[str], Store]) -> None:
    long = settings.get_current_profile_name() == "long"
    places = itertools.count()
    database = stores(kind).where if kind == "postgres" else ""

    class Machine(LedgerMachine):
        def __init__(self) -> None:
            if kind == "postgres":
                schema = f"place{next(places)}"
                super().__init__(lambda: PostgresLedger(database, schema=schema, connections=1))
            else:
                super().__init__(stores(kind).open)

    chosen = settings() if long else settings(max_examples=12, stateful_step_count=30)
    run_state_machine_as_test(Machine, settings=settings(chosen, deadline=None))
    print(f"{Machine.steps} steps on {kind}")
    assert Machine.steps >= (10_000 if long else 300)
