"""Prove that every attributed millisecond is right: `make latency-proof`.

Generated runs on the virtual clock, whose truth is read off the log of their lanes and tools: who
ended when the next began. It is compared with the critical path of the runs' records, microsecond
by microsecond. The last line is one JSON object; status 1 when anything is off.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from benchmarks.latency_proof.runs import Proof, prove

PROCESSES = 2
CHUNK = 25


def main() -> int:
    """Run the proof and print what it came to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency_proof", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="generated runs")
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    options = parser.parse_args()
    started, proof = time.monotonic(), Proof()
    with ProcessPoolExecutor(PROCESSES) as pool:
        parts = [
            pool.submit(prove, min(CHUNK, options.first + options.runs - first), first=first)
            for first in range(options.first, options.first + options.runs, CHUNK)
        ]
        for part in parts:
            _merge(proof, part.result())
    total = sum(proof.causes.values())
    for cause, us in proof.causes.most_common():
        sys.stdout.write(f"{cause:<12} {us / 1e6:12.3f} s {us / total:7.1%}\n")
    sys.stdout.write(
        f"{total / 1e6:,.0f} s of runs in {time.monotonic() - started:.0f} s; the serial time of "
        f"{proof.serial_runs} runs is off by at most {proof.max_serial_error:.6f}; "
        f"{proof.ambiguous} instants left to chance\n"
    )
    for schedule in proof.wrong[:5]:
        sys.stdout.write(f"WRONG: {schedule}\n")
    result = {
        "runs": proof.runs,
        "max_total_error": proof.max_total_error,
        "misattributed_ms": proof.misattributed / 1000 if proof.misattributed else 0,
    }
    sys.stdout.write(f"{json.dumps(result)}\n")
    return 1 if proof.misattributed or proof.max_total_error > 0.01 else 0


def _merge(proof: Proof, other: Proof) -> None:
    proof.runs += other.runs
    proof.max_total_error = max(proof.max_total_error, other.max_total_error)
    proof.misattributed += other.misattributed
    proof.max_serial_error = max(proof.max_serial_error, other.max_serial_error)
    proof.serial_runs += other.serial_runs
    proof.ambiguous += other.ambiguous
    proof.causes += other.causes
    proof.wrong += other.wrong


if __name__ == "__main__":
    sys.exit(main())
