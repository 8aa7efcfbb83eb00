"""The step record: one lane call or one effect, with where its time went.

**Units.** Times are milliseconds, to the microsecond; unknown is `None`, which is not zero.

**Clock.** The event loop's monotonic clock. What ends in `_ms` and names an instant (`started_ms`,
`ended_ms`, a span's `start_ms` and `end_ms`) is an offset from the run's start, that is from the
beginning of its first `route`; see `agentlanes.latency.clock` for runs that are resumed. Lengths
(`duration_ms`, `tool_ms`, ...) are differences on the same clock.

**When stamps are taken.** A lane call: immediately before the chat model is called and after it
has answered; the first tokens inside it by the lane's own client. A tool that runs ahead: after
its waits, just before it is started, and when it has ended, however it ended. A wait: from the
proposal being ready to start until it starts; of a fence from its proposal to its verdict. A
verdict: from its lane call to that call's end. A fenced call: around the tool alone, without the
ledger. An undo: around the hooks. A person: from the question to the answer.

**When records are made.** When the window is settled, since only then is it known what counted;
after an effect; after the answer. They are sent at once to the custom stream, together, as
`{"type": "agentlanes.steps", "run": ..., "window": ..., "records": [...]}`, so a run file
(`agentlanes.latency.jsonl`) holds whatever was settled before a crash. `build_agent(records=False)`
keeps and sends none.
"""

from __future__ import annotations

from typing import Any, TypedDict

from agentlanes.latency.spans import Outcome, Span

__all__ = [
    "RECORD_VERSION",
    "LaneTimes",
    "Outcome",
    "Prefix",
    "StepRecord",
    "Tokens",
    "blank_record",
    "lane_times",
]

RECORD_VERSION = 2
"""Version of the record's form. Records of version 1 have no `version` and no spans."""

TIMES_KEY = "agentlanes_times"
"""Where a lane's chat model leaves its `LaneTimes` in `AIMessage.response_metadata`."""


class Tokens(TypedDict):
    """Tokens of one call; `None` is unknown."""

    input: int | None
    output: int | None
    reasoning: int | None
    cached: int | None


class Prefix(TypedDict):
    """How much of a lane call's prompt was the beginning of the lane's call before it.

    An endpoint with a prefix cache has that part already. The call before is the one recorded
    before, discarded calls included: they too were made.

    Attributes:
        shared_chars: Characters of the messages, from the first, that are the same.
        total_chars: Characters of the whole prompt, tools included.
        shared_tokens: Input tokens that the shared part comes to, in proportion to the characters;
            `None` where the call reports none.
        total_tokens: Input tokens of the call.
        broke: The first difference, a key of `agentlanes.context.prefix.BREAKS`; `None` where the
            prompt only grew.
    """

    shared_chars: int
    total_chars: int
    shared_tokens: int | None
    total_tokens: int | None
    broke: str | None


class LaneTimes(TypedDict, total=False):
    """What a lane's chat model measures of one call itself.

    Times are milliseconds from the moment the call was made (queueing included), on the monotonic
    clock; `None` where it did not happen.
    """

    model: str | None
    tier: str | None
    queue_ms: float | None
    retry_ms: float | None
    first_reasoning_ms: float | None
    first_content_ms: float | None
    first_tool_arg_ms: float | None
    duration_ms: float
    attempts: int


class StepRecord(TypedDict):
    """One lane call or effect. All times in milliseconds; unknown is `None`.

    Attributes:
        version: Version of the record's form (`RECORD_VERSION`).
        step: Position among the run's records, from 0.
        window: The window the step belongs to, from 0.
        node: `route`, `act`, `reason`, `effects` or `deliver`.
        lane: `act` or `reason`; `None` for an effect, which no model runs.
        profile: Workload profile the router chose.
        model: What really answered.
        tier: Service tier that really answered.
        route_score: The router's probability that the step needs reasoning.
        route_reason: Why the router chose these lanes.
        started_ms: When the step's first span starts, from the run's start.
        ended_ms: When its last span ends.
        queue_ms: Waiting for a place in the lane.
        retry_ms: Attempts of the lane call that failed, and the waits after them.
        first_reasoning_ms: First reasoning token, from the call.
        first_content_ms: First content token, from the call.
        first_tool_arg_ms: First token of a tool call's arguments, from the call.
        duration_ms: The lane call, or the effect, from start to end.
        tool_ms: The tool runs the step led to, from first start to last end.
        verdict_wait_ms: Idle time in which nothing but a verdict was awaited.
        overlap_saved_ms: Work that ran while its verdict was still out and was committed.
        wasted_ms: Work that was thrown away.
        tokens: Tokens of the lane call.
        attempts: Requests the lane call made.
        outcome: What became of it.
        target_met: Whether `duration_ms` kept the profile's target.
        metric_name: What the profile measures besides latency (`agentlanes.router.PROFILES`).
        metric_value: Its value for this step, where it can be known.
        prefix: How stable the lane call's prompt was; `None` where no lane was asked, or where
            this process does not know what it was asked before: a resumed run's first calls.
        spans: Everything in the step that took time.
    """

    version: int
    step: int
    window: int
    node: str
    lane: str | None
    profile: str | None
    model: str | None
    tier: str | None
    route_score: float | None
    route_reason: str | None
    started_ms: float | None
    ended_ms: float | None
    queue_ms: float | None
    retry_ms: float | None
    first_reasoning_ms: float | None
    first_content_ms: float | None
    first_tool_arg_ms: float | None
    duration_ms: float | None
    tool_ms: float | None
    verdict_wait_ms: float | None
    overlap_saved_ms: float | None
    wasted_ms: float | None
    tokens: Tokens
    attempts: int | None
    outcome: Outcome
    target_met: bool | None
    metric_name: str | None
    metric_value: float | None
    prefix: Prefix | None
    spans: list[Span]


def blank_record(**known: Any) -> StepRecord:
    """Make a record in which everything that is not given is unknown.

    Example:
        >>> blank_record(step=0, window=0, node="act", outcome="committed")["tool_ms"] is None
        True
    """
    record = _BLANK | known
    record["tokens"] = known.get("tokens") or Tokens(**_NO_TOKENS)
    spans = record["spans"] = known.get("spans") or []
    if spans:
        record["started_ms"] = min([span["start_ms"] for span in spans])
        record["ended_ms"] = max([span["end_ms"] for span in spans])
    return record  # type: ignore[return-value]


_BLANK: dict[str, Any] = {**dict.fromkeys(StepRecord.__annotations__), "version": RECORD_VERSION}
_NO_TOKENS: Tokens = {"input": None, "output": None, "reasoning": None, "cached": None}


def lane_times(message: Any, duration_ms: float) -> tuple[LaneTimes, Tokens]:
    """Read what is known of a call off the message it gave.

    Works for any chat model: what the model does not report stays `None`.

    Args:
        message: The `AIMessage`.
        duration_ms: The caller's own measurement, used when the model has none.
    """
    meta: dict[str, Any] = getattr(message, "response_metadata", None) or {}
    times: LaneTimes = {"duration_ms": duration_ms, "model": meta.get("model_name")}
    measured: LaneTimes | None = meta.get(TIMES_KEY)
    times.update(measured or {})
    usage: dict[str, Any] = getattr(message, "usage_metadata", None) or {}
    return times, Tokens(
        input=usage.get("input_tokens"),
        output=usage.get("output_tokens"),
        reasoning=(usage.get("output_token_details") or {}).get("reasoning"),
        cached=(usage.get("input_token_details") or {}).get("cache_read"),
    )
