"""One sentence that says why a run took as long as it did."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from agentlanes.latency.report.facts import CAUSES, RunFacts, totals
from agentlanes.latency.table import format_ms

__all__ = ["headline", "headline_of_all"]


def headline(facts: RunFacts) -> tuple[str, str]:
    """Say how long a run took, what most of it went to, and what running ahead did.

    Returns:
        The time it took, and the rest of the sentence.

    Example:
        `("12.4 s", "61% waiting for verdicts; running ahead saved 8.1 s; wasted 0.4 s")`
    """
    said = [_ended(facts), _largest(facts.causes), _gained([facts])]
    return format_ms(facts.wall_ms), "; ".join(part for part in said if part)


def headline_of_all(runs: Sequence[RunFacts]) -> tuple[str, str]:
    """Say the same of several runs: sums over all of them, and the median of their times."""
    walls = [facts.wall_ms for facts in runs if facts.wall_ms is not None]
    first = f"{len(runs)} runs" if len(runs) != 1 else "1 run"
    said = [
        f"half of them within {format_ms(median(walls))}" if walls else "",
        _largest(totals(runs)),
        _gained(runs),
    ]
    return first, "; ".join(part for part in said if part)


def _ended(facts: RunFacts) -> str:
    if facts.run.status == "done":
        return ""
    error = (facts.run.result or {}).get("error")
    ways = {
        "failed": f"failed with {error}" if error else "failed",
        "stopped": "stopped before its end",
        "open": "its file has no end: killed, or still running",
    }
    return ways.get(facts.run.status, facts.run.status)


def _largest(causes: dict[str, float]) -> str:
    whole = sum(causes.values())
    if not whole:
        return ""
    cause, ms = next(iter(causes.items()))
    return f"{ms / whole:.0%} {CAUSES.get(cause, (cause, cause))[1]}"


def _gained(runs: Sequence[RunFacts]) -> str:
    known = [facts.against for facts in runs if facts.against is not None]
    if not known:
        return ""
    saved, wasted = (
        sum(one.saved_ms for one in known),
        sum(one.wasted_ms for one in known),
    )
    gained = f"saved {format_ms(saved)}" if saved >= 0 else f"cost {format_ms(-saved)}"
    return f"running ahead {gained}; wasted {format_ms(wasted)}"
