"""What every schedule has to keep to: section by section of the guarantees."""

from __future__ import annotations

from collections import Counter
from typing import Any

from agentlanes.plan import canonical
from agentlanes.speculation.effects import HARMLESS
from tests.simulation.runs import Outcome, run
from tests.simulation.schedules import Schedule
from tests.simulation.worlds import CHANGES

__all__ = ["check", "check_troubled"]

SLOWER = 1.02
FENCED = CHANGES - {"note", "pin"}


def check(schedule: Schedule) -> tuple[Outcome, Outcome]:
    """Run a schedule serially and ahead, and compare.

    Raises:
        AssertionError: A guarantee does not hold.
    """
    serial = run(schedule, run_ahead=0)
    ahead = run(schedule, run_ahead=schedule.run_ahead)
    same_outcome(serial, ahead)
    if schedule.act_s and schedule.reason_s:
        # Where nothing takes any time, chance decides whether what is discarded was asked at all.
        same_requests(serial, ahead)
    if not schedule.undo_fails:
        no_later(serial, ahead)
    for outcome in (serial, ahead):
        approved_before_started(outcome)
        effects_once(outcome)
        only_reads_unverified(outcome)
        assert not outcome.left, outcome.left
    return serial, ahead


def check_troubled(schedule: Schedule) -> None:
    """Run a schedule undisturbed, then with its troubles, and compare.

    Raises:
        AssertionError: A guarantee does not hold.
    """
    calm = run(schedule, run_ahead=schedule.run_ahead)
    troubled = run(
        schedule, run_ahead=schedule.run_ahead, troubles=schedule.troubles, lasts_s=calm.took_s
    )
    same_outcome(calm, troubled)
    approved_before_started(troubled)
    effects_once(troubled)
    only_reads_unverified(troubled)
    assert not troubled.left, troubled.left


def same_outcome(serial: Outcome, other: Outcome) -> None:
    """Claims 1 and 3: same commits, answer and world; what was discarded left no trace."""
    for name in ("committed", "error", "answer", "transcript", "world", "unverified"):
        wanted, got = getattr(serial, name), getattr(other, name)
        assert got == wanted, f"{name}: {got!r} instead of {wanted!r}"


def same_requests(serial: Outcome, ahead: Outcome) -> None:
    """Claim 5: whatever the serial run asked, the other asked in the same bytes."""
    asked = {(r.lane, r.what, r.digest) for r in ahead.requests}
    missing = {(r.lane, r.what, r.digest) for r in serial.requests} - asked
    assert not missing, missing


def no_later(serial: Outcome, ahead: Outcome) -> None:
    """Claim 4: at most 1.02 times as long.

    Left out is what undoing takes, and how long the calls ran that were undone: a `reversible`
    call is never cut short, so its window may wait for it. Runs stopped by a failing undo are not
    compared. Synchronous calls cannot be cut short either, but take no virtual time.
    """
    excluded = _undoing_s(ahead)
    assert ahead.took_s <= SLOWER * serial.took_s + excluded + 1e-6, (
        f"{ahead.took_s} s ahead, {serial.took_s} s serially, {excluded} s excluded"
    )


def _undoing_s(outcome: Outcome) -> float:
    began: dict[str, float] = {}
    spent, undone = 0.0, {event.key for event in outcome.log if event.what == "undo"}
    for event in outcome.log:
        if event.key not in undone:
            continue
        if event.what in ("start", "undo"):
            began[event.key] = event.at
        else:
            spent += event.at - began.get(event.key, event.at)
            began[event.key] = event.at
    return spent


def approved_before_started(outcome: Outcome) -> None:
    """Claim 2, first half: no fenced call starts before its approval."""
    proposed: dict[tuple[int, int], dict[str, Any]] = {}
    approved: set[tuple[int, int]] = set()
    may_start: Counter[tuple[str, str]] = Counter()
    for _, event in outcome.stream:
        kind = event["type"]
        if kind == "agentlanes.proposal":
            proposed[event["window"], event["index"]] = event
        elif kind == "agentlanes.verdict" and event["status"] == "approve":
            approved.add((event["window"], event["index"]))
        elif kind == "agentlanes.tool" and event["status"] == "started" and not event["ahead"]:
            place = event["window"], event["index"]
            if place not in proposed:
                continue  # taken up from the ledger: approved in an earlier life
            call = proposed[place]
            rides = (event["window"], call["rides_on"])
            assert place in approved or rides in approved, f"{call['tool']} started unapproved"
            may_start[call["tool"], canonical(call["args"])] += 1
    for tool, args in outcome.edits:
        may_start[tool, args] += 1
    for done in outcome.log:
        if done.what == "start" and done.tool in FENCED:
            assert may_start[done.tool, done.args], f"{done.tool} {done.args} started unasked"


def only_reads_unverified(outcome: Outcome) -> None:
    """What goes without a verdict is a `pure` or `read` call that may run ahead."""
    proposed = {
        (event["window"], event["index"]): event
        for _, event in outcome.stream
        if event["type"] == "agentlanes.proposal"
    }
    for _, event in outcome.stream:
        if event["type"] == "agentlanes.verdict" and event["by"] == "skip":
            call = proposed[event["window"], event["index"]]
            if call["kind"] == "call":
                assert call["effect"] in HARMLESS, call
                assert not call["fenced"], call


def effects_once(outcome: Outcome) -> None:
    """Claim 2, second half: each authorised call takes effect once at most, and only that way."""
    undone = {event.key for event in outcome.log if event.what == "undone"}
    effects = Counter((e.tool, e.key) for e in outcome.log if e.what == "effect")
    twice = {call: times for call, times in effects.items() if times > 1}
    assert not twice, twice
    kept = Counter(
        (e.tool, e.args) for e in outcome.log if e.what == "effect" and e.key not in undone
    )
    committed = Counter((tool, args) for tool, args, _, _ in outcome.committed)
    extra = kept - committed
    if outcome.error is None:
        assert not extra, extra
