"""The economy of a run's contexts: what the lanes were shown, and what holding it takes.

Two questions. How much of each prompt was the beginning of the lane's last one, so that a prefix
cache has it, and what broke it? And how much KV cache did the run hold, for how long, against the
same run with one lane? Bytes are estimated from the shapes of the models (`agentlanes.context.kv`);
where a shape or a count is unknown, the figure is `None`, not 0.

**Byte-seconds.** A call holds its prompt from the moment it leaves the queue to its end, and its
output, which grows evenly from nothing: `bytes(input) * t + (bytes(input + output) -
bytes(input)) * t / 2`. What an endpoint keeps between calls is its own affair and is left out.

**One lane.** The counterfactual is an agent that asks the reason lane for each step: every act
lane call that counted is shown to the reason model instead, and takes as long as this run's mean
reason call, with that call's mean reasoning tokens on top of its output. Verdicts fall away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from agentlanes.context.kv import KvShape, find_shape
from agentlanes.latency.facts import asked_a_model, was_answered
from agentlanes.latency.record import StepRecord

__all__ = ["Economy", "LaneEconomy", "SingleLane", "economy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneEconomy:
    """What one lane was shown and held. `None` is unknown: no call of the lane says it.

    Attributes:
        calls: Lane calls, discarded ones included: they were made.
        lost_calls: Those that gave no reply, cancelled or failed. What they were shown and held
            is in no other figure, since nobody says.
        shown_tokens: Input tokens.
        cached_tokens: Input tokens that the endpoint says it had cached.
        output_tokens: Output tokens, reasoning included.
        reasoning_tokens: Those of them that were reasoning.
        silent_calls: Calls that were answered and report no tokens, and so are in no sum of them.
        prompt_chars: Characters of the prompts, tools included.
        shared_chars: Those of them that were the beginning of the lane's call before.
        shared_tokens: Input tokens that they come to, in proportion to the characters.
        broke: Why a prompt was not all shared or new at its end (`agentlanes.context.prefix`),
            with how often.
        kv_peak_bytes: The most that one call held.
        kv_byte_s: Byte-seconds of all calls whose model's shape is known.
        unknown_models: Models whose shape is not.
    """

    calls: int
    lost_calls: int
    shown_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    silent_calls: int
    prompt_chars: int
    shared_chars: int
    shared_tokens: int | None
    broke: Mapping[str, int]
    kv_peak_bytes: int | None
    kv_byte_s: float | None
    unknown_models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleLane:
    """The same work with the reason lane alone, estimated.

    Attributes:
        calls: Calls it would have made.
        shown_tokens: Input tokens shown to the reasoning model.
        call_s: Seconds a call takes: the run's mean reason call.
        kv_peak_bytes: The most that one call would hold.
        kv_byte_s: Byte-seconds.
    """

    calls: int
    shown_tokens: int | None
    call_s: float | None
    kv_peak_bytes: int | None
    kv_byte_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Economy:
    """A run's figures, or those of several runs together.

    Attributes:
        lanes: By lane.
        single_lane: The counterfactual.
        kv_byte_s: Byte-seconds of both lanes; `None` unless those of both are known.
    """

    lanes: Mapping[str, LaneEconomy]
    single_lane: SingleLane
    kv_byte_s: float | None

    def to_json(self) -> dict[str, Any]:
        """Give it as plain values."""
        return asdict(self)


def economy(records: Sequence[StepRecord], shapes: Mapping[str, KvShape] | None = None) -> Economy:
    """Work out what a run's contexts took.

    Args:
        records: Step records, of any version; older ones say nothing of prefixes.
        shapes: Shapes of your own models, by the name that they answer under.

    Example:
        >>> from agentlanes.latency.record import blank_record
        >>> tokens = {"input": 1000, "output": 0, "reasoning": 0, "cached": 500}
        >>> record = blank_record(step=0, window=0, node="act", lane="act", outcome="committed",
        ...                       model="qwen2.5-0.5b", duration_ms=2000.0, tokens=tokens)
        >>> act = economy([record]).lanes["act"]
        >>> act.shown_tokens, act.cached_tokens, act.kv_peak_bytes, act.kv_byte_s
        (1000, 500, 12288000, 24576000.0)
    """
    calls = [_Call.of(record, shapes) for record in records if asked_a_model(record)]
    lanes = {
        lane: _lane([call for call in calls if call.record["lane"] == lane])
        for lane in ("act", "reason")
        if any(call.record["lane"] == lane for call in calls)
    }
    held = [lane.kv_byte_s for lane in lanes.values()]
    whole = bool(lanes) and not any(lane.unknown_models for lane in lanes.values())
    return Economy(
        lanes=lanes,
        single_lane=_single(calls),
        kv_byte_s=_total(held) if whole and None not in held else None,
    )


@dataclass(frozen=True, slots=True)
class _Call:
    record: StepRecord
    shape: KvShape | None
    held_s: float | None = None
    tokens: Mapping[str, int | None] = field(default_factory=dict)

    @classmethod
    def of(cls, record: StepRecord, shapes: Mapping[str, KvShape] | None) -> _Call:
        took = record["duration_ms"]
        held_s = None if took is None else max(0.0, took - (record["queue_ms"] or 0.0)) / 1000
        tokens: Any = record["tokens"]
        return cls(record, find_shape(record["model"], shapes), held_s, tokens)

    def peak_bytes(self) -> int | None:
        return _peak(self.shape, self.tokens["input"], self.tokens["output"])

    def byte_s(self) -> float | None:
        return _byte_s(self.shape, self.tokens["input"], self.tokens["output"], self.held_s)


def _lane(asked: Sequence[_Call]) -> LaneEconomy:
    calls = [call for call in asked if was_answered(call.record)]
    prefixes = [prefix for call in calls if (prefix := call.record.get("prefix")) is not None]
    tokens = {
        key: _total(call.tokens[key] for call in calls)
        for key in ("input", "cached", "output", "reasoning")
    }
    unknown = {
        str(call.record["model"] or "a model without a name")
        for call in calls
        if call.shape is None
    }
    return LaneEconomy(
        calls=len(asked),
        lost_calls=len(asked) - len(calls),
        shown_tokens=tokens["input"],
        cached_tokens=tokens["cached"],
        output_tokens=tokens["output"],
        reasoning_tokens=tokens["reasoning"],
        silent_calls=sum(call.tokens["input"] is None for call in calls),
        prompt_chars=sum(each["total_chars"] for each in prefixes),
        shared_chars=sum(each["shared_chars"] for each in prefixes),
        shared_tokens=_total(each["shared_tokens"] for each in prefixes),
        broke=dict(Counter(broke for each in prefixes if (broke := each["broke"]) is not None)),
        kv_peak_bytes=max((b for c in calls if (b := c.peak_bytes()) is not None), default=None),
        kv_byte_s=_total(call.byte_s() for call in calls),
        unknown_models=tuple(sorted(unknown)),
    )


def _single(calls: Sequence[_Call]) -> SingleLane:
    counted = [
        call
        for call in calls
        if call.record["lane"] == "act"
        and call.record["outcome"] != "discarded"
        and was_answered(call.record)
    ]
    judges = [c for c in calls if c.record["lane"] == "reason" and was_answered(c.record)]
    times = [call.held_s for call in judges if call.held_s is not None]
    call_s = sum(times) / len(times) if times else None
    thinking = [t for call in judges if (t := call.tokens["reasoning"]) is not None]
    thought = round(sum(thinking) / len(thinking)) if thinking else 0
    shapes = {call.record["model"]: call.shape for call in judges}
    # With several reasoning models nobody knows which would have been asked.
    shape = next(iter(shapes.values())) if len(shapes) == 1 else None
    shown = [call.tokens["input"] for call in counted]
    said = [None if (o := call.tokens["output"]) is None else o + thought for call in counted]
    pairs = list(zip(shown, said, strict=True))
    return SingleLane(
        calls=len(counted),
        shown_tokens=_total(shown),
        call_s=call_s,
        kv_peak_bytes=max(
            (b for i, o in pairs if (b := _peak(shape, i, o)) is not None), default=None
        ),
        kv_byte_s=_total(_byte_s(shape, i, o, call_s) for i, o in pairs),
    )


def _peak(shape: KvShape | None, shown: int | None, said: int | None) -> int | None:
    return None if shape is None or shown is None else shape.bytes_of(shown + (said or 0))


def _byte_s(
    shape: KvShape | None, shown: int | None, said: int | None, held_s: float | None
) -> float | None:
    if shape is None or shown is None or held_s is None:
        return None
    prompt, whole = shape.bytes_of(shown), shape.bytes_of(shown + (said or 0))
    return (prompt + (whole - prompt) / 2) * held_s


def _total(values: Iterable[Any]) -> Any:
    """Add up what is known; `None` when nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None
