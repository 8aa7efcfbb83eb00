"""How the economy of a run's contexts is said, in the terminal and on the page alike."""

from __future__ import annotations

from agentlanes.context.prefix import BREAKS
from agentlanes.latency.economy import Economy, LaneEconomy
from agentlanes.latency.report.charts import percent
from agentlanes.latency.table import format_count

__all__ = ["KV_HEADS", "format_bytes", "kv_notes", "kv_words"]

UNKNOWN = "unknown"

KV_HEADS = (
    "lane",
    "calls",
    "shown",
    "cached",
    "reasoned",
    "same prompt as before",
    "most KV at once",
    "KV held",
)
"""Headings of `kv_words`."""


def format_bytes(count: float | None) -> str:
    """Write a number of bytes, in powers of 1000; unknown is said.

    Example:
        >>> format_bytes(None), format_bytes(950), format_bytes(12_288_000)
        ('unknown', '950 B', '12.3 MB')
    """
    if count is None:
        return UNKNOWN
    size, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 999.5:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if size >= 99.95 or unit == "B" else f"{size:.1f} {unit}"


def kv_words(found: Economy) -> list[tuple[str, ...]]:
    """Say what each lane was shown and held, and what the reason lane alone would have."""
    rows = [_lane(f"{lane} lane", each) for lane, each in found.lanes.items()]
    alone = found.single_lane
    held = _held(alone.kv_byte_s)
    shown, most = _tokens(alone.shown_tokens), format_bytes(alone.kv_peak_bytes)
    rows.append(("reason lane alone", str(alone.calls), shown, "", "", "", most, held))
    return rows


def kv_notes(found: Economy) -> list[str]:
    """Say why prompts were not their predecessors' continuation, and which shapes are unknown."""
    notes = []
    for lane, each in found.lanes.items():
        why = [f"{BREAKS.get(broke, broke)} ({count})" for broke, count in each.broke.items()]
        if why:
            notes.append(f"What broke the {lane} lane's prefix: {', '.join(why)}.")
    models = sorted({model for each in found.lanes.values() for model in each.unknown_models})
    if models:
        notes.append(f"The KV cache is unknown for models of unknown shape: {', '.join(models)}.")
    return notes


def _lane(name: str, each: LaneEconomy) -> tuple[str, ...]:
    same = percent(each.shared_chars / each.prompt_chars) if each.prompt_chars else UNKNOWN
    return (
        name,
        str(each.calls),
        _tokens(each.shown_tokens),
        _tokens(each.cached_tokens),
        _tokens(each.reasoning_tokens),
        same,
        format_bytes(each.kv_peak_bytes),
        _held(each.kv_byte_s),
    )


def _tokens(count: int | None) -> str:
    return UNKNOWN if count is None else format_count(count)


def _held(byte_s: float | None) -> str:
    return UNKNOWN if byte_s is None else f"{format_bytes(byte_s)} s"
