"""The waterfall of docs/latency.md, drawn from the run file that was recorded with the demo."""

from __future__ import annotations

from pathlib import Path

from agentlanes.latency.jsonl import read_run
from agentlanes.latency.report.facts import facts_of
from agentlanes.latency.report.layout import lay_out
from agentlanes.latency.report.markup import render
from agentlanes.latency.report.picture import waterfall_picture

__all__ = ["waterfall_svg"]


def waterfall_svg(run_file: Path) -> str:
    """Draw a run file's waterfall as a picture that stands alone, in both themes."""
    facts = facts_of(read_run(run_file))
    return f"{render(waterfall_picture(facts, lay_out(facts.spans), width=1100, alone=True))}\n"
