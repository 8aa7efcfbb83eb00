"""Prove the guarantees of docs/guarantees.md: `make prove`, or `python -m benchmarks.prove`.

Runs every proof in its long form and prints, as its last line, one JSON object with the counts.
Ends with status 1 when anything was violated, and with 130 on Ctrl-C, leaving no process behind.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from benchmarks.prove.bfcl_equal import run_bfcl_equal
from benchmarks.prove.crashes import run_crashes
from benchmarks.prove.schedules import run_schedules
from benchmarks.prove.speedup import measure_speedups

RATES = (0.0, 0.1, 0.3, 0.5, 1.0)
PROCESSES = 2


def main() -> int:
    """Run the proofs and print what they came to."""
    options = _options()
    started = time.monotonic()
    report: dict[str, Any] = {}
    try:
        _say("speed on the virtual clock")
        report |= measure_speedups()
        _say(f"{options.schedules:,} generated schedules")
        report |= run_schedules(options.schedules, seed=options.seed, processes=PROCESSES)
        _say(f"crashes in real processes, {options.kills} random kills among them")
        report |= run_crashes(kills=options.kills)
        _say(f"BFCL, {options.tasks or 'all'} tasks at {len(RATES)} error rates, serial and ahead")
        report["bfcl_equal"] = run_bfcl_equal(RATES, tasks=options.tasks, processes=PROCESSES)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    wrong = list(_violations(report))
    print(f"\n{(time.monotonic() - started) / 60:.1f} minutes")
    for line in wrong:
        print(f"VIOLATED: {line}")
    print(json.dumps(report))
    return 1 if wrong else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prove", description=__doc__)
    parser.add_argument("--schedules", type=int, default=20_000, help="generated schedules")
    parser.add_argument("--kills", type=int, default=500, help="random kills")
    parser.add_argument("--tasks", type=int, default=None, help="BFCL tasks; all 800 by default")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _violations(report: dict[str, Any]) -> Any:
    """Name what does not hold."""
    for name in ("violations", "duplicate_irreversible", "lost_runs", "crash_violations"):
        if report[name]:
            yield f"{name} is {report[name]}"
    for rate, equal in report["bfcl_equal"].items():
        same, of = equal.split("/")
        if same != of:
            yield f"BFCL at error rate {rate}: only {equal} equal"
    if report["worst_slowdown_vs_serial"] > 1.02:
        yield f"worst slowdown against serial is {report['worst_slowdown_vs_serial']}"
    for name, least in (("speedup_per_call", 1.7), ("speedup_per_plan", 3.0)):
        if report[name] < least:
            yield f"{name} is {report[name]}, less than {least}"


def _say(what: str) -> None:
    print(f"\n== {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
