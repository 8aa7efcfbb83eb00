"""The claims can fail: each notices an outcome that breaks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.simulation import claims
from tests.simulation.runs import Outcome
from tests.simulation.schedules import Schedule, Trouble
from tests.simulation.worlds import Event

SCHEDULE = Schedule(
    kit="undo",
    truth=(("look", {"key": "a"}), ("note", {"text": "a"}), ("send", {"to": "a"})),
    wrong={0: (("note", {"text": "b"}),)},
    reversible=True,
    saver=True,
)


@pytest.fixture(scope="module")
def outcomes() -> tuple[Outcome, Outcome]:
    return claims.check(SCHEDULE)


def test_a_schedule_runs_ahead_discards_undoes_and_fences(
    outcomes: tuple[Outcome, Outcome],
) -> None:
    serial, ahead = outcomes
    assert [tool for tool, *_ in ahead.committed] == ["look", "note", "send"]
    assert [event.what for event in ahead.log].count("undone") == 1
    assert not any(event.what == "undone" for event in serial.log)


@pytest.mark.parametrize("name", ["committed", "error", "answer", "transcript", "world"])
def test_another_outcome_is_noticed(outcomes: tuple[Outcome, Outcome], name: str) -> None:
    serial, ahead = outcomes
    other: dict[str, Any] = {name: "something else"}
    with pytest.raises(AssertionError, match=name):
        claims.same_outcome(serial, replace(ahead, **other))


def test_hidden_state_is_part_of_the_world(outcomes: tuple[Outcome, Outcome]) -> None:
    world = outcomes[0].world
    assert {"_rng", "_World__drawn", "_writes", "session"} <= world.keys()
    assert {"_steps", "_Cursor__rng"} <= world["session"].keys()


def test_another_request_and_a_later_end_are_noticed(outcomes: tuple[Outcome, Outcome]) -> None:
    serial, ahead = outcomes
    with pytest.raises(AssertionError):
        claims.same_requests(serial, replace(ahead, requests=ahead.requests[1:]))
    with pytest.raises(AssertionError, match="s ahead"):
        claims.no_later(serial, replace(ahead, took_s=2 * serial.took_s + 100))


Doctor = Callable[[Outcome], Outcome]


def _no_verdicts(outcome: Outcome) -> Outcome:
    kept = [(at, e) for at, e in outcome.stream if e["type"] != "agentlanes.verdict"]
    return replace(outcome, stream=kept)


def _no_fence(outcome: Outcome) -> Outcome:
    kept = [(at, e) for at, e in outcome.stream if e.get("ahead", True)]
    return replace(outcome, stream=kept)


@pytest.mark.parametrize("doctor", [_no_verdicts, _no_fence])
def test_a_fenced_call_without_approval_is_noticed(
    outcomes: tuple[Outcome, Outcome], doctor: Doctor
) -> None:
    with pytest.raises(AssertionError, match="start"):
        claims.approved_before_started(doctor(outcomes[1]))


@pytest.mark.parametrize("key", ["its own", "another"])
def test_an_effect_more_than_was_committed_is_noticed(
    outcomes: tuple[Outcome, Outcome], key: str
) -> None:
    ahead = outcomes[1]
    last = next(e for e in ahead.log if e.what == "effect" and e.tool == "send")
    again = last if key == "its own" else Event(last.at, "effect", last.tool, last.args, key)
    with pytest.raises(AssertionError):
        claims.effects_once(replace(ahead, log=[*ahead.log, again]))


@pytest.mark.parametrize("what", ["cancel", "crash"])
@pytest.mark.parametrize("at", [0.02, 0.37, 0.62, 0.9])
def test_troubles_happen(what: str, at: float) -> None:
    troubled = replace(SCHEDULE, troubles=(Trouble(what=what, at=at),))  # type: ignore[arg-type]
    claims.check_troubled(troubled)
