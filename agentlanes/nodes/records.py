"""Step records of a window, made when it is settled: only then is it known what counted."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf
from operator import itemgetter
from typing import Any

from agentlanes.latency.clock import offset_ms
from agentlanes.latency.langsmith import trace_steps
from agentlanes.latency.metric import metric_of
from agentlanes.latency.record import Outcome, StepRecord, blank_record
from agentlanes.latency.spans import Span, extent_of
from agentlanes.nodes.events import steps_event
from agentlanes.nodes.parts import Parts
from agentlanes.nodes.prefixes import with_prefixes
from agentlanes.nodes.spans import call_spans, span_of
from agentlanes.nodes.window_spans import WindowSpans, window_spans
from agentlanes.router.profiles import PROFILES, Profile, target_met
from agentlanes.state import AgentState, EarlyAnswer, Judged, ProposalDict, Proposed

__all__ = ["Told", "publish", "record_of", "settled_window"]

Fates = Mapping[int, Outcome]
_ms = partial(offset_ms, 0.0)

Interval = tuple[float, float]
Made = tuple[StepRecord, str | None]
"""A record, and the traced model run that it describes, if any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the records of a settled window say.

    Attributes:
        made: The records.
        closing: Ids of the spans that the next step waits for.
        answer: The answer that was written ahead of the verdicts, with its span.
        prompts: Keys of what each lane was shown last.
    """

    made: list[Made] = field(default_factory=list)
    closing: list[str] = field(default_factory=list)
    answer: EarlyAnswer | None = None
    prompts: dict[str, str] = field(default_factory=dict)


def settled_window(
    parts: Parts,
    state: AgentState,
    wrote: tuple[Proposed, Judged | None],
    fates: Fates,
    ends_at: int | None,
    undone: Interval | None,
    *,
    carried: int | None = None,
) -> Told:
    """Make the records of a window.

    Args:
        parts: The graph's parts.
        state: The state before it is settled.
        wrote: What the two branches wrote.
        fates: What became of each proposal.
        ends_at: Index of the proposal whose verdict ended the window.
        undone: When calls that ran ahead were taken back, from the run's start.
        carried: Number of the draft whose calls go to the next window.
    """
    proposed, judged = wrote
    early = proposed["answer"]
    if not parts.records:
        return Told(answer=early)
    window = state["window"]
    ordered = {name for name, tool in parts.tools.items() if tool.effect.ordered}
    spans = window_spans(window, proposed, judged, fates, ends_at, ordered, carried=carried)
    made, prompts = _window_records(parts, state, proposed, judged, fates, spans)
    closing = spans.closing
    if early is not None and spans.answer is not None:
        early = {**early, "span": spans.answer}
        finish = [p["index"] for p in proposed["proposals"] if p["kind"] == "finish"]
        if all(fates.get(index) == "discarded" for index in finish):
            made.append(_retracted(state, early["facts"], spans.answer))
    if undone is not None:
        undo = span_of(f"w{window['id']}.undo", "undo", "undo", undone, closing, "discarded")
        closing = [undo["id"]]
        made = _with_span(state, made, undo)
    return Told(made=made, closing=closing, answer=early, prompts=prompts)


def publish(
    parts: Parts, state: AgentState, made: Sequence[Made], emit: Callable[[Any], None]
) -> list[StepRecord]:
    """Number records after those the run has, and send them to the stream and to the trace.

    They are sent in one event: what LangGraph does for an event takes longer than a record.

    Returns:
        The records, for the state to append.
    """
    if not parts.records or not made:
        return []
    for number, (record, _) in enumerate(made, len(state["steps"])):
        record["step"] = number
    trace_steps(made)
    records = [record for record, _ in made]
    emit(steps_event(state["run"]["uid"], state["window"]["id"], records))
    return records


def record_of(state: AgentState, **known: Any) -> StepRecord:
    """Make a record of the current window, with the router's facts filled in."""
    record = _record(_known(state), known)
    return _complete(record, record["spans"], PROFILES.get(record["profile"] or ""))


def _window_records(
    parts: Parts,
    state: AgentState,
    proposed: Proposed,
    judged: Judged | None,
    fates: Fates,
    spans: WindowSpans,
) -> tuple[list[Made], dict[str, str]]:
    """Make the records of a window's lane calls and of the calls code issued, by start time."""
    base = _known(state)
    profile = PROFILES.get(base["profile"] or "")
    verdicts = judged["calls"] if judged else []
    said = judged["verdicts"] if judged else {}
    timed: list[tuple[float, StepRecord, Mapping[str, Any]]] = []
    for number, facts in enumerate([*proposed["drafts"], *proposed["again"]]):
        record = _draft_record(base, facts, spans.members.get(number, ()), verdicts)
        _complete(record, spans.drafts[number], profile)
        record["outcome"] = record["spans"][0]["outcome"] or "discarded"
        timed.append((facts["started"], record, facts))
    for proposal in [*proposed["proposals"], *proposed["unused"]]:
        own = spans.issued.get(proposal["index"])
        if proposal["draft"] is None and (proposal["started_at"] is not None or own):
            record = _issued_record(base, proposal, fates, verdicts)
            _complete(record, own or [], profile)
            timed.append((proposal["started_at"] or proposal["proposed_at"], record, {}))
    idle = _idle(proposed, verdicts, fates)
    for place, facts in enumerate(verdicts):
        index, lost = facts["index"], bool(facts.get("lost"))
        used = not lost and (index is None or fates.get(index) != "discarded")
        record = _record(base, facts["record"])
        record["outcome"] = "committed" if used else "discarded"
        given = None if lost else said.get(str(index))
        status = given["status"] if given is not None else None
        right = facts.get("right") if given is not None else None
        _complete(record, spans.calls[place], profile, verdict=status, right=right)
        if used and index is not None:
            saved_s = facts["ended"] - facts["started"] - idle.get(index, 0.0)
            record["overlap_saved_ms"] = _ms(max(0.0, saved_s))
        timed.append((facts["started"], record, facts))
    timed.sort(key=itemgetter(0))
    prompts = with_prefixes(parts.notes, state, [(record, facts) for _, record, facts in timed])
    return [(record, facts.get("model_run")) for _, record, facts in timed], prompts


def _known(state: AgentState) -> StepRecord:
    """Give what is the same in all records of a window."""
    route = state["route"]
    return blank_record(
        window=state["window"]["id"],
        profile=route["profile"],
        route_score=route["score"],
        route_reason=route["reason"],
    )


def _record(base: StepRecord, known: Mapping[str, Any]) -> StepRecord:
    """Begin a record with what is the same in all, and with what is known of a call."""
    record: StepRecord = {**base, **known}  # type: ignore[typeddict-item]
    if "tokens" not in known:
        record["tokens"] = base["tokens"].copy()
    return record


def _complete(
    record: StepRecord,
    spans: list[Span],
    profile: Profile | None,
    *,
    verdict: str | None = None,
    right: bool | None = None,
) -> StepRecord:
    """Give a record its spans, and what follows from these and from the rest of it."""
    record["spans"] = spans
    record["started_ms"], record["ended_ms"], record["wasted_ms"] = extent_of(spans)
    if profile is not None and record["lane"] == profile.lane:
        record["target_met"] = target_met(profile, record["duration_ms"])
        record["metric_name"], record["metric_value"] = metric_of(
            record, verdict=verdict, right=right
        )
    return record


def _retracted(state: AgentState, facts: Mapping[str, Any], span: Span) -> Made:
    """Record an answer that a verdict took back."""
    spans = call_spans({**span, "outcome": "discarded"}, facts["record"])
    record = record_of(state, **facts["record"], outcome="discarded", spans=spans)
    return record, facts.get("model_run")


def _with_span(state: AgentState, made: list[Made], span: Span) -> list[Made]:
    """Put a span that belongs to no lane call on the window's last record."""
    if not made:
        blank = record_of(state, node="settle", outcome="discarded", attempts=0)
        made = [(blank, None)]
    record = made[-1][0]
    spans = record["spans"] = [*record["spans"], span]
    record["started_ms"], record["ended_ms"], record["wasted_ms"] = extent_of(spans)
    return made


def _draft_record(
    base: StepRecord,
    facts: Mapping[str, Any],
    mine: Sequence[ProposalDict],
    verdicts: Sequence[Mapping[str, Any]],
) -> StepRecord:
    record = _record(base, facts["record"])
    waited_s, first, last = 0.0, inf, -inf
    for proposal in mine:
        waited_s += _waited(proposal, verdicts)
        start, end = proposal["started_at"], proposal["ended_at"]
        if start is not None and end is not None:
            first, last = min(first, start), max(last, end)
    if last > -inf:
        record["tool_ms"] = _ms(last - first)
    record["verdict_wait_ms"] = _ms(waited_s)
    return record


def _issued_record(
    base: StepRecord,
    proposal: ProposalDict,
    fates: Fates,
    verdicts: Sequence[Mapping[str, Any]],
) -> StepRecord:
    """Record a call that code issued from a plan, without asking a model."""
    started, ended = proposal["started_at"], proposal["ended_at"]
    took = None if ended is None or started is None else _ms(ended - started)
    known = {
        "node": "act",
        "lane": "act",
        "duration_ms": took,
        "tool_ms": took,
        "attempts": 0,
        "outcome": fates.get(proposal["index"], "discarded"),
        "verdict_wait_ms": _ms(_waited(proposal, verdicts)),
    }
    return _record(base, known)


def _waited(proposal: ProposalDict, verdicts: Sequence[Mapping[str, Any]]) -> float:
    """Seconds in which a proposal waited for a verdict and for nothing else."""
    if not proposal["fenced"]:
        return proposal["waited_s"]
    ends = [
        v["ended"] for v in verdicts if v["index"] is not None and v["index"] <= proposal["index"]
    ]
    return max(0.0, max(ends, default=proposal["proposed_at"]) - proposal["proposed_at"])


def _idle(
    proposed: Proposed, verdicts: Sequence[Mapping[str, Any]], fates: Fates
) -> dict[int, float]:
    """Seconds of each verdict in which the act lane did nothing that counted.

    Idle time is charged once, to the earliest proposal whose verdict was out, so that what was
    saved adds up: the sum of the verdicts' durations less the time the window idled.
    """
    taken = _union(_busy(proposed, fates))
    idle: dict[int, float] = {}
    judged = [facts for facts in verdicts if facts["index"] is not None]
    for facts in sorted(judged, key=lambda f: f["index"]):
        free = _take(taken, facts["started"], facts["ended"])
        idle[facts["index"]] = idle.get(facts["index"], 0.0) + free
    return idle


def _take(taken: list[Interval], start: float, end: float) -> float:
    """Take what is free of an interval, and give its length.

    Args:
        taken: What is taken: disjoint and in order.
        start: The interval's start.
        end: Its end.
    """
    first = bisect_left(taken, (start,))
    if first and taken[first - 1][1] >= start:
        first -= 1
    last, low, at, free = first, start, start, 0.0
    while last < len(taken) and taken[last][0] <= end:
        begins, ends = taken[last]
        if begins > at:
            free += begins - at
        elif begins < low:
            low = begins
        if ends > at:
            at = ends
        last += 1
    if end > at:
        free += end - at
        at = end
    taken[first:last] = [(low, at)]
    return free


def _busy(proposed: Proposed, fates: Fates) -> list[Interval]:
    useful = {p["draft"] for p in proposed["proposals"] if fates.get(p["index"]) != "discarded"}
    spans = [(f["started"], f["ended"]) for n, f in enumerate(proposed["drafts"]) if n in useful]
    for p in proposed["proposals"]:
        if fates.get(p["index"]) != "discarded" and p["started_at"] and p["ended_at"]:
            spans.append((p["started_at"], p["ended_at"]))
    return spans


def _union(spans: Sequence[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for span in sorted(spans):
        if not merged or span[0] > merged[-1][1]:
            merged.append(span)
        elif span[1] > merged[-1][1]:
            merged[-1] = (merged[-1][0], span[1])
    return merged
