"""Run the fault matrix of docs/reliability.md: `make faults`, or `python -m benchmarks.faults`.

Prints a row a fault with what was expected and what was seen, and as its last line one JSON object
with the counts. Ends with status 1 when a row failed, and with 130 on Ctrl-C. Rows that take long
run in processes of their own, beside the others.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor

from benchmarks.faults.lab import Checks, Row
from benchmarks.faults.table import ROWS

_MOST_S = 400.0


def main() -> int:
    """Run the rows and print what they came to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("rows", nargs="*", type=int, help="row numbers; all by default")
    parser.add_argument("--only", type=int, help=argparse.SUPPRESS)  # what a child process is told
    options = parser.parse_args()
    if options.only is not None:
        row = next(row for row in ROWS if row.number == options.only)
        checks, took_s = _run(row)
        print(json.dumps([checks.seen, checks.wrong, took_s]))
        return 0
    rows = [row for row in ROWS if not options.rows or row.number in options.rows]
    began = time.monotonic()
    passed = 0
    try:
        with ThreadPoolExecutor(max_workers=2) as beside:
            apart: dict[int, Future[tuple[Checks, float]]] = {
                row.number: beside.submit(_run_apart, row) for row in rows if row.apart
            }
            for row in rows:
                checks, took_s = apart[row.number].result() if row.apart else _run(row)
                passed += not checks.wrong
                _show(row, checks, took_s)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    print(f"\n{(time.monotonic() - began) / 60:.1f} minutes")
    print(json.dumps({"rows": len(rows), "passed": passed}))
    return 0 if passed == len(rows) else 1


def _run(row: Row) -> tuple[Checks, float]:
    checks = Checks()
    began = time.monotonic()

    async def bounded() -> None:
        async with asyncio.timeout(_MOST_S):
            await row.run(checks)

    try:
        asyncio.run(bounded())
    except Exception as error:
        checks.that(False, f"{type(error).__name__}: {error}")
    return checks, time.monotonic() - began


def _run_apart(row: Row) -> tuple[Checks, float]:
    command = [sys.executable, "-m", "benchmarks.faults", "--only", str(row.number)]
    checks = Checks()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        checks.seen, checks.wrong, took_s = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        checks.that(False, f"it ended with status {done.returncode}: {done.stderr[-300:]}")
        took_s = 0.0
    return checks, took_s


def _show(row: Row, checks: Checks, took_s: float) -> None:
    said = "; ".join(checks.wrong or checks.seen)
    word = "FAIL" if checks.wrong else "ok"
    print(f"{row.number:>2}  {word:<4}  {row.name}  [{took_s:.1f} s]", flush=True)
    print(f"          expected: {row.expected}")
    print(f"          seen:     {said[:600]}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
