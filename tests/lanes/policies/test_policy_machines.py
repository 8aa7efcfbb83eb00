"""Random use of breaker, budget and limiter, against what a plain model of each says.

`make faults` runs them for 10,000 steps and more (row 39).
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from agentlanes.lanes.policies.breaker import Breaker
from agentlanes.lanes.policies.budget import RetryBudget
from agentlanes.lanes.policies.limiter import Limiter

PAUSES = st.sampled_from([0.0, 0.01, 0.5, 3.0, 5.0, 10.0, 31.0, 61.0])


class BreakerMachine(RuleBasedStateMachine):
    """Requests that begin and end in any order, at any pace."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.now, self.drawn = 0.0, 0.5
        self.breaker = Breaker(draw=lambda: self.drawn)
        self.flights: list[tuple[float, bool]] = []
        self.outcomes: list[tuple[float, bool]] = []
        self.in_row = 0
        self.until: float | None = None
        self.changed = float("-inf")
        self.openings = 0

    @property
    def probing(self) -> bool:
        return any(probe for _, probe in self.flights)

    @rule(pause=PAUSES, drawn=st.floats(0, 1))
    def time_passes(self, pause: float, drawn: float) -> None:
        self.now += pause
        self.drawn = drawn

    @rule()
    def ask(self) -> None:
        said = self.breaker.enter(self.now)
        if self.until is None:
            assert said == "go"
        elif self.now < self.until:
            assert said == "shut"
        else:
            assert said == ("wait" if self.probing else "probe")
        if said in ("go", "probe"):
            self.flights.append((self.now, said == "probe"))

    @precondition(lambda self: self.flights)
    @rule(data=st.data(), outcome=st.sampled_from(["succeeded", "failed", "abandoned"]))
    def end(self, data: st.DataObject, outcome: str) -> None:
        since, probe = self.flights.pop(data.draw(st.integers(0, len(self.flights) - 1)))
        if outcome == "abandoned":
            self.breaker.abandoned(probe=probe)
            return
        getattr(self.breaker, outcome)(self.now, since=since, probe=probe)
        if probe:
            self._turn(opens=outcome == "failed")
        elif self.until is None and since >= self.changed:
            self._count(bad=outcome == "failed")

    @rule(times=st.integers(1, 6))
    def fail_in_a_row(self, times: int) -> None:
        for _ in range(times):
            said = self.breaker.enter(self.now)
            if said == "probe":
                self.flights.append((self.now, True))
            if said == "go":
                self.breaker.failed(self.now, since=self.now)
                self._count(bad=True)

    def _count(self, *, bad: bool) -> None:
        self.outcomes = [o for o in self.outcomes if o[0] > self.now - 30] + [(self.now, bad)]
        self.in_row = self.in_row + 1 if bad else 0
        failures = sum(b for _, b in self.outcomes)
        enough = len(self.outcomes) >= 10 and 2 * failures >= len(self.outcomes)
        if bad and (self.in_row >= 5 or enough):
            self._turn(opens=True)

    def _turn(self, *, opens: bool) -> None:
        self.openings = self.openings + 1 if opens else 0
        top = min(60.0, 5.0 * 2**self.openings)
        self.until = self.now + 5.0 + (top - 5.0) * self.drawn if opens else None
        self.outcomes, self.in_row, self.changed = [], 0, self.now

    @invariant()
    def it_agrees(self) -> None:
        type(self).steps += 1
        assert self.breaker.closed == (self.until is None)
        assert sum(probe for _, probe in self.flights) <= 1
        left = 0.0 if self.until is None else max(0.0, self.until - self.now)
        assert abs(self.breaker.retry_in_s(self.now) - left) < 1e-9


class BudgetMachine(RuleBasedStateMachine):
    """Calls and retries at any pace, against a list of all that was ever granted."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.budget = RetryBudget(ratio=0.1, per_s=1.0, burst=10.0)
        self.calls: list[float] = []
        self.granted: list[float] = []

    @rule(pause=st.sampled_from([0.0, 0.1, 0.9, 7.0, 59.0, 61.0, 300.0]))
    def time_passes(self, pause: float) -> None:
        self.now += pause

    @rule(times=st.integers(1, 50))
    def call(self, times: int) -> None:
        for _ in range(times):
            self.budget.count(self.now)
        self.calls += [self.now] * times

    @rule(times=st.integers(1, 30))
    def retry(self, times: int) -> None:
        for _ in range(times):
            left = self.budget.left(self.now)
            granted = self.budget.take(self.now)
            assert granted == (left >= 1 - 1e-6) or 0.9 <= left < 2
            if granted:
                self.granted.append(self.now)

    @invariant()
    def never_more_than_its_share_in_any_span(self) -> None:
        type(self).steps += 1
        for start in {0.0, self.now - 60, *self.granted[-3:]}:
            granted = sum(at >= start for at in self.granted)
            calls = sum(at >= start - 61 for at in self.calls)
            span_s = min(self.now - start, self.now - 100.0)
            assert granted <= 0.1 * calls + 10.0 + span_s + 1e-6


class LimiterMachine(RuleBasedStateMachine):
    """Places taken and given back in any order."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.limiter = Limiter()
        self.taken: list[float] = []

    @rule(times=st.integers(1, 40))
    def take(self, times: int) -> None:
        self.now += 0.1
        for _ in range(times):
            free = len(self.taken) < self.limiter.limit
            assert self.limiter.take() == free
            if free:
                self.taken.append(self.now)

    @precondition(lambda self: self.taken)
    @rule(data=st.data(), slow=st.booleans(), times=st.integers(1, 40))
    def give_back(self, data: st.DataObject, slow: bool, times: int) -> None:
        self.now += 0.1
        for _ in range(min(times, len(self.taken))):
            before = self.limiter.limit
            since = self.taken.pop(data.draw(st.integers(0, len(self.taken) - 1)))
            self.limiter.give_back(self.now, since=since, slow=slow)
            if slow:
                assert max(1, int(0.7 * before) - 1) <= self.limiter.limit <= before
            else:
                assert before <= self.limiter.limit <= before + 1

    @invariant()
    def places_are_kept_count_of(self) -> None:
        type(self).steps += 1
        assert self.limiter.in_flight == len(self.taken)
        assert 1 <= self.limiter.limit <= 128


MACHINES: tuple[Any, ...] = (BreakerMachine, BudgetMachine, LimiterMachine)


def run_machines(examples: int, steps: int) -> int:
    """Run every machine; give the steps that were made."""
    chosen = settings(max_examples=examples, stateful_step_count=steps, deadline=None)
    for machine in MACHINES:
        machine.steps = 0
        run_state_machine_as_test(machine, settings=chosen)
    return sum(machine.steps for machine in MACHINES)


def test_the_policies_are_what_their_models_say() -> None:
    assert run_machines(examples=15, steps=30) >= 300
