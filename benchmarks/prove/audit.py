"""Audit the effect classes of BFCL's APIs: `python -m benchmarks.prove.audit`.

Drives all eight APIs with the ground truth of the 800 multi-turn tasks and with further arguments,
prints what each tool changed, and ends with status 1 when a declared class is contradicted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from typing import Any

from rich.console import Console

from agentlanes.bench.bfcl_audit import audit_apis, mutating_getters
from agentlanes.bench.bfcl_calls import Catalog
from agentlanes.bench.bfcl_data import CATEGORIES, fetch_wheel, load_tasks
from agentlanes.testing.audit import EffectAudit, audit_table

__all__ = ["run_audit"]


def run_audit(tasks: int | None = None, *, explore_every: int = 8) -> list[EffectAudit]:
    """Audit over all tasks of the four categories, or over the first ones of each.

    Args:
        tasks: How many tasks of all categories together.
        explore_every: See `audit_apis`.
    """
    wheel = fetch_wheel()
    rows = zip(*(load_tasks(wheel, category=name) for name in CATEGORIES), strict=True)
    chosen = [task for row in rows for task in row][:tasks]
    started = time.monotonic()

    def tell(done: int) -> None:
        if done % 200 == 0 or done == len(chosen):
            spent_s = time.monotonic() - started
            print(f"{done} of {len(chosen)} tasks, {spent_s:.0f} s", file=sys.stderr, flush=True)

    work = audit_apis(Catalog(wheel), chosen, explore_every=explore_every, on_task=tell)
    return asyncio.run(work)


def main() -> int:
    """Audit and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prove.audit", description=__doc__)
    parser.add_argument("--tasks", type=int, default=None, help="how many; all 800 by default")
    parser.add_argument("--explain", action="store_true", help="print the evidence too")
    options = parser.parse_args()
    try:
        audits = run_audit(options.tasks)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(audit_table(audits))
    wrong = [audit for audit in audits if audit.contradicted]
    for audit in audits if options.explain else [*mutating_getters(audits), *wrong]:
        console.print(audit.explain(), markup=False, highlight=False)
    summary: dict[str, Any] = {
        "tools": len(audits),
        "calls": sum(audit.calls for audit in audits),
        "never_changing": sum(not audit.changing for audit in audits),
        "contradicted": [audit.tool for audit in wrong],
        "mutating_getters": [audit.tool for audit in mutating_getters(audits)],
        "could_be_narrower": {a.tool: a.could_be for a in audits if a.could_be is not None},
    }
    print(json.dumps(summary))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
