"""From outcomes to the rows that are reported."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.peers.outcome import Outcome

__all__ = ["REFERENCE", "rows_of"]

REFERENCE = "create_agent-reason"
_DRAWS = 1000


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _interval(base: Sequence[float], mine: Sequence[float]) -> tuple[float, float]:
    """Give the 95% bootstrap interval of the ratio of two medians over the same tasks."""
    draw = random.Random(0)
    places = range(len(base))
    ratios = []
    for _ in range(_DRAWS):
        chosen = draw.choices(places, k=len(base))
        ratios.append(median(base[n] for n in chosen) / median(mine[n] for n in chosen))
    return _quantile(ratios, 0.025), _quantile(ratios, 0.975)


def _ratio(bound_s: float, wall_s: float) -> float:
    return round(bound_s / wall_s, 4)


def rows_of(outcomes: Sequence[Outcome], common: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Make a row for each contestant.

    Args:
        outcomes: Every contestant over the same tasks.
        common: What all rows say: workload, act_error, seed, clock, scale.
    """
    by_name: dict[str, dict[str, Outcome]] = {}
    for one in outcomes:
        by_name.setdefault(one.contestant, {})[one.task] = one
    tasks = sorted(by_name[REFERENCE]) if REFERENCE in by_name else []
    rows = []
    for name, mine in by_name.items():
        all_of = list(mine.values())
        walls = [one.wall_s for one in all_of]
        bounds = [one.bound_s for one in all_of if one.bound_s is not None]
        row: dict[str, Any] = {
            **common,
            "contestant": name,
            "tasks": len(all_of),
            "success": round(sum(one.success for one in all_of) / len(all_of), 4),
            "wall_p50_s": round(median(walls), 3),
            "wall_p95_s": round(_quantile(walls, 0.95), 3),
        }
        if tasks:
            base = [by_name[REFERENCE][task].wall_s for task in tasks]
            own = [mine[task].wall_s for task in tasks]
            row["speedup_vs_reason"] = round(median(base) / median(own), 3)
            low, high = _interval(base, own)
            row["speedup_low"], row["speedup_high"] = round(low, 3), round(high, 3)
            row["speedup_of_sums"] = round(sum(base) / sum(own), 3)
        row |= {
            "bound_ratio": _ratio(sum(bounds), sum(walls)) if bounds else None,
            "bound_ratio_p50": round(median(map(_ratio, bounds, walls)), 4) if bounds else None,
            "first_output_p50_s": round(median(one.first_output_s for one in all_of), 3),
            "calls": sum(one.calls for one in all_of),
            "wasted_calls": sum(one.wasted_calls for one in all_of),
            "act_tokens": sum(one.act_tokens for one in all_of),
            "reason_tokens": sum(one.reason_tokens for one in all_of),
            "wasted_tokens": sum(one.wasted_tokens for one in all_of),
            "reason_requests": sum(one.reason_requests for one in all_of),
            "cost_usd_per_task": round(sum(one.cost_usd for one in all_of) / len(all_of), 6),
            "kv_gb_s_per_task": round(sum(one.kv_gb_s for one in all_of) / len(all_of), 3),
        }
        rows.append(row)
    return rows
