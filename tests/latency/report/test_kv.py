"""The panel of contexts and KV cache: the economy's figures, and unknown said as unknown."""

from __future__ import annotations

from typing import Any

import pytest

from agentlanes.latency.economy import economy
from agentlanes.latency.record import StepRecord, blank_record
from agentlanes.latency.report.kv import format_bytes, kv_notes, kv_words


def call(lane: str, model: str, **more: Any) -> StepRecord:
    tokens = {"input": 1000, "output": 0, "reasoning": None, "cached": 500}
    known = {"step": 0, "window": 0, "node": lane, "outcome": "committed", "attempts": 1}
    return blank_record(
        lane=lane, model=model, duration_ms=2000.0, tokens=tokens, **{**known, **more}
    )


def test_figures_are_the_economys() -> None:
    prefix = {"total_chars": 4000, "shared_chars": 3000, "shared_tokens": 750, "broke": "plan step"}
    act, alone = kv_words(economy([call("act", "qwen2.5-0.5b", prefix=prefix)]))
    assert act == ("act lane", "1", "1000", "500", "unknown", "75%", "12.3 MB", "24.6 MB s")
    assert alone[0] == "reason lane alone"


def test_what_is_unknown_is_said() -> None:
    found = economy([call("act", "nobody-knows-1"), call("reason", "nobody-knows-2")])
    assert [row[-2:] for row in kv_words(found)] == [("unknown", "unknown")] * 3
    assert kv_notes(found) == [
        "The KV cache is unknown for models of unknown shape: nobody-knows-1, nobody-knows-2."
    ]


def test_it_is_said_why_a_prompt_was_not_the_last_ones_continuation() -> None:
    prefix = {"total_chars": 10, "shared_chars": 0, "shared_tokens": 0, "broke": "tools"}
    found = economy([call("act", "qwen2.5-0.5b", prefix=prefix)] * 2)
    assert kv_notes(found)[0] == "What broke the act lane's prefix: the tools changed (2)."


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_960, "100 kB"), (5e15, "5000 TB")],
)
def test_bytes_are_short(count: float, said: str) -> None:
    assert format_bytes(count) == said
