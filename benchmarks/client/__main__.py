"""Compare clients in one run: `make bench-client`, or `python -m benchmarks.client`.

All clients are measured in this process and the endpoint is another one. A round measures every
client in turn, beginning with another one each time, so that whatever else the machine does hits
all of them; what is reported are the medians of the rounds and of the differences within a round.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.client.callers import CALLERS, Caller
from benchmarks.client.faults import make_fail
from benchmarks.client.load import LEVELS, Level, Sample, measure
from benchmarks.client.server import FAULTS, TEXT

_FILES = 10_000  # descriptors: 2,000 calls have a socket each, and clients do not share them
_PACKAGES = ("openai", "langchain-openai", "litellm", "agentlanes", "httpx2", "aiohttp")


def main() -> int:
    """Run the comparison and print it."""
    options = _options()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, _FILES), hard), hard))
    logging.disable(logging.CRITICAL)  # LiteLLM logs each failure at length
    with endpoint_process() as base_url:
        report = asyncio.run(_run(options, base_url))
    _print(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.client", description=__doc__)
    parser.add_argument("--rounds", type=int, help="rounds of each load; 5, and 2 of the largest")
    parser.add_argument("--in-flight", type=int, nargs="*", help="only these loads")
    parser.add_argument("--no-faults", action="store_true", help="leave the faults out")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser.parse_args()


@contextlib.contextmanager
def endpoint_process() -> Iterator[str]:
    """Run the endpoint in a process of its own, and give its address."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.client.server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.stdin.close()  # which ends it
            server.wait(timeout=30)


async def _run(options: argparse.Namespace, base_url: str) -> dict[str, Any]:
    levels = [lv for lv in LEVELS if not options.in_flight or lv.in_flight in options.in_flight]
    callers: list[Caller] = [kind(base_url) for kind in CALLERS]
    report: dict[str, Any] = {"versions": {}, "load": {}, "faults": {}}
    for package in _PACKAGES:
        with contextlib.suppress(ModuleNotFoundError):
            report["versions"][package] = version(package)
    for level in levels:
        rounds = options.rounds or level.rounds
        samples = await _rounds(level, rounds, callers)
        report["load"][str(level.in_flight)] = {
            "level": asdict(level) | {"rounds": rounds},
            "clients": {name: _summary(samples, name) for name in samples},
        }
    if not options.no_faults:
        report["faults"] = await _faults(callers, base_url)
    for caller in callers:
        await caller.aclose()
    return report


async def _rounds(level: Level, rounds: int, callers: Sequence[Caller]) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {caller.name: [] for caller in callers}
    for nth in range(rounds):
        first = nth % len(callers)
        for caller in (*callers[first:], *callers[:first]):
            samples[caller.name].append(await measure(caller, level))
            print(f"{level.in_flight} in flight, round {nth + 1}: {caller.name}", file=sys.stderr)
    return samples


def _summary(samples: dict[str, list[Sample]], name: str) -> dict[str, Any]:
    """Take the medians of a client's rounds, and of its differences from the SDK's."""
    base, mine = samples[CALLERS[0].name], samples[name]
    found: dict[str, Any] = {}
    for key in ("p50_ms", "p99_ms", "cpu_ms"):
        own = [getattr(sample, key) for sample in mine]
        raw = [getattr(sample, key) for sample in base]
        found[key] = round(statistics.median(own), 3)
        added = statistics.median([one - other for one, other in zip(own, raw, strict=True)])
        found[f"added_{key}"] = round(added, 3)
        ratio = statistics.median([one / other for one, other in zip(own, raw, strict=True)])
        found[f"{key.removesuffix('_ms')}_ratio"] = round(ratio, 3)
    found["wall_s"] = round(statistics.median([sample.wall_s for sample in mine]), 2)
    found["stall_ms"] = round(statistics.median([sample.stall_ms for sample in mine]), 1)
    found["failed"] = sum(sample.failed for sample in mine)
    return found


async def _faults(callers: Sequence[Caller], base_url: str) -> dict[str, Any]:
    table: dict[str, Any] = {fault: {} for fault in FAULTS}
    for at, caller in enumerate(callers):
        for fault in FAULTS:
            outcome = await make_fail(caller, base_url, fault, at, TEXT)
            table[fault][caller.name] = asdict(outcome)
    return table


def _print(report: dict[str, Any]) -> None:
    console = Console(width=120)
    console.print("versions: " + ", ".join(f"{k} {v}" for k, v in report["versions"].items()))
    for in_flight, load in report["load"].items():
        level = load["level"]
        table = Table(
            title=f"{in_flight} in flight, {level['answer_ms']} ms an answer, "
            f"{level['rounds']} rounds of {level['calls']} calls: ms a call beyond the answer's own"
        )
        columns = ("client", "p50", "+p50", "p99", "+p99", "CPU", "+CPU", "x CPU", "wall s")
        for column in (*columns, "stall", "failed"):
            table.add_column(column, justify="left" if column == "client" else "right")
        for name, one in load["clients"].items():
            figures = [one[k] for k in ("p50_ms", "added_p50_ms", "p99_ms", "added_p99_ms")]
            figures += [one["cpu_ms"], one["added_cpu_ms"], one["cpu_ratio"], one["wall_s"]]
            table.add_row(
                name,
                *(f"{figure:.2f}" for figure in figures),
                f"{one['stall_ms']:.0f}",
                str(one["failed"]),
            )
        console.print(table)
    if report["faults"]:
        table = Table(title="requests made, what the caller got, and after how many seconds")
        names = [kind.name for kind in CALLERS]
        for column in ("fault", *names):
            table.add_column(column)
        for fault, row in report["faults"].items():
            told = [f"{row[n]['requests']}: {row[n]['gave']}, {row[n]['took_s']}" for n in names]
            table.add_row(fault, *told)
        console.print(table)


if __name__ == "__main__":
    sys.exit(main())
