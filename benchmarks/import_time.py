"""How long `import agentlanes` takes, against `import langgraph.graph`, in one run.

Each import is timed in fresh interpreters, alternating, so that both see the same machine; the
medians are compared. It must stay under 1.15. `build_agent` itself brings in langgraph, so the
time to the first name is printed as well.

    python benchmarks/import_time.py --runs 15
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys

LIMIT = 1.15
WHAT = {
    "langgraph.graph": "import langgraph.graph",
    "agentlanes": "import agentlanes",
    "agentlanes.build_agent": "from agentlanes import build_agent",
}
TIMED = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"


def import_s(statement: str) -> float:
    """Time an import in a fresh interpreter, in seconds."""
    command = [sys.executable, "-c", TIMED.format(statement)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> int:
    """Measure and print.

    Returns:
        0 when the ratio is within its limit, else 1.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=15, help="fresh interpreters an import")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    for statement in WHAT.values():  # once for the file cache
        import_s(statement)
    taken: dict[str, list[float]] = {name: [] for name in WHAT}
    for _ in range(args.runs):
        for name, statement in WHAT.items():
            taken[name].append(import_s(statement))
    median_ms = {name: statistics.median(times) * 1000 for name, times in taken.items()}
    ratio = median_ms["agentlanes"] / median_ms["langgraph.graph"]
    if args.json:
        result = {"runs": args.runs, "median_ms": median_ms, "ratio": ratio, "limit": LIMIT}
        sys.stdout.write(f"{json.dumps(result)}\n")
    else:
        for name, ms in median_ms.items():
            sys.stdout.write(f"{name:<24} {ms:8.1f} ms (median of {args.runs})\n")
        sys.stdout.write(f"agentlanes / langgraph.graph = {ratio:.3f} (limit {LIMIT})\n")
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
