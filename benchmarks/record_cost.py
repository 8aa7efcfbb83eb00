"""What keeping step records costs, with endpoints that answer at once.

The same agent runs without records, with records kept in its state and streamed, and with each
written to the run's file as well, turn and turn about in one process, so all see the same
machine. With instant endpoints a step has nothing to wait for, so the share is as high as it can
get; it must stay under 3%.

A run is the same sequence of event loop callbacks every time, and what keeps records is in a few
of them. So each run is brought to one speed of the machine, by the median of how long its callbacks
take beside the usual; then the median of each callback over the rounds is added up. What slowed all
callbacks alike would not be seen.

A process as a whole is quicker or slower at some things, perhaps by where its memory lies: the
interval of one reached 0.3 points to each side, while 14 of them ranged over 2 points. So it is
done in several, and the median of them counts. The interval is a percentile bootstrap that draws
whole processes.

    python -m benchmarks.record_cost --processes 9 --rounds 50
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import Context
from pathlib import Path
from statistics import median, mode
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from agentlanes import build_agent, effect
from agentlanes.context import prompts
from agentlanes.latency.jsonl import RunLog
from agentlanes.testing import ScriptedModel

SHARE, RECORD_US = 0.03, 50.0
CALLS = 12
RESAMPLES = 1000
ROOT = Path(__file__).parents[1]
ORDERS = (  # each kind is as often early as late, and next to the one it is compared with
    ("off", "kept", "off_file", "written"),
    ("written", "off_file", "kept", "off"),
    ("off_file", "written", "off", "kept"),
    ("kept", "off", "written", "off_file"),
)

Run = list[float]
"""Seconds that each callback of a run took, in order."""


class TimedLoop(asyncio.SelectorEventLoop):
    """An event loop that times the callbacks it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.took: Run = []

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Have a callback run soon, and its time noted."""
        took = self.took

        def timed(*args: Any) -> None:
            started = time.perf_counter()
            callback(*args)
            took.append(time.perf_counter() - started)

        return super().call_soon(timed, *args, context=context)


@effect("read")
async def look(key: str) -> str:
    """Look something up."""
    return f"value of {key}"


def draft(messages: list[BaseMessage], given: dict[str, Any]) -> AIMessage:
    """Draft the next call, and the answer after the last."""
    place = sum(isinstance(message, ToolMessage) for message in messages)
    if prompts.DELIVER_SYSTEM in str(messages[0].text) or place == CALLS:
        return AIMessage("done")
    return AIMessage("", tool_calls=[{"name": "look", "args": {"key": str(place)}, "id": None}])


def approve(messages: list[BaseMessage], given: dict[str, Any]) -> str:
    """Approve whatever is proposed."""
    return '{"verdict": "approve", "reason": "fine"}'


def agent(*, records: bool) -> Any:
    """Build the agent that is measured."""
    act = ScriptedModel(script=draft, disable_streaming=True)
    reason = ScriptedModel(script=approve, disable_streaming=True)
    return build_agent(act, reason, [look], planning="never", records=records)


async def run(measured: Any, log: RunLog | None) -> int:
    """Run an agent once; give the number of records."""
    told = 0
    # Streamed, as `agentlanes run` does: sending records belongs to what they cost.
    async for event in measured.astream({"messages": [("user", "go")]}, stream_mode="custom"):
        if log is not None:
            log.event(event)
        if event["type"] == "agentlanes.steps":
            told += len(event["records"])
    return told


def timed_rounds(rounds: int, folder: Path) -> tuple[list[dict[str, Run]], int]:
    """Run all kinds in turn.

    Returns:
        The run of each kind in each round, and the number of records of a run.
    """
    with_records, without = agent(records=True), agent(records=False)
    # A run's file holds more than records, so it is written, or not, on both sides.
    kinds = {
        "off": (without, False),
        "kept": (with_records, False),
        "off_file": (without, True),
        "written": (with_records, True),
    }
    timed: list[dict[str, Run]] = []
    records = 0
    gc.disable()  # a collection that falls into a run would be charged to it
    with asyncio.Runner(loop_factory=TimedLoop) as runner:
        loop: Any = runner.get_loop()
        for number in range(-3, rounds):  # the first three warm up
            took: dict[str, Run] = {}
            for name in ORDERS[number % len(ORDERS)]:
                measured, logs = kinds[name]
                loop.took = took[name] = []
                with RunLog(folder, f"{name}{number + 3}") as log:
                    records = max(records, runner.run(run(measured, log if logs else None)))
                gc.collect()
                gc.freeze()  # what is left stays, and need not be looked through each time
            if number >= 0:
                timed.append(took)
    gc.enable()
    gc.unfreeze()
    return timed, records


def usual(runs: Iterable[Run]) -> Run:
    """Give the median of each callback; runs that have not as many as most are left out."""
    runs = list(runs)
    callbacks = mode(map(len, runs))
    return [
        median(took) for took in zip(*(run for run in runs if len(run) == callbacks), strict=True)
    ]


def at_one_speed(timed: Sequence[dict[str, Run]]) -> list[dict[str, Run]]:
    """Bring all runs to the speed that the machine has in most of them."""
    plain = usual(took["off"] for took in timed)
    return [{name: _at_speed(run, plain) for name, run in took.items()} for took in timed]


def _at_speed(run: Run, plain: Run) -> Run:
    slower = median(took / other for took, other in zip(run, plain, strict=False))
    return [took / slower for took in run]


def added_s(timed: Sequence[dict[str, Run]], name: str, other: str) -> float:
    """Give the seconds that one kind's runs take more than another's."""
    return sum(usual(took[name] for took in timed)) - sum(usual(took[other] for took in timed))


def found(timed: Sequence[dict[str, Run]], records: int) -> dict[str, float]:
    """Compare the kinds: what is added to a plain step, a record and as a share of it."""
    timed = at_one_speed(timed)
    plain_s = sum(usual(took["off"] for took in timed))
    said = {"records": records, "step_us": plain_s / records * 1e6}
    for name, other in (("kept", "off"), ("written", "off_file")):
        more_s = added_s(timed, name, other)
        said |= {f"{name}_us": more_s / records * 1e6, f"{name}_share": more_s / plain_s}
    return said


def measured_apart(count: int, rounds: int) -> list[dict[str, float]]:
    """Have processes of their own measure, one after the other."""
    command = [sys.executable, "-m", "benchmarks.record_cost", "--processes", "0"]
    command += ["--rounds", str(rounds)]
    said: list[dict[str, float]] = []
    for number in range(count):
        _progress(f"process {number + 1} of {count}")
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        said.append(json.loads(done.stdout))
    _progress("")
    return said


def summed_up(said: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Give the median of each figure over the processes, and of the shares the 95% interval too.

    The bootstrap is seeded: the same figures give the same interval.
    """
    draw = random.Random(0)
    drawn = [draw.choices(said, k=len(said)) for _ in range(RESAMPLES)]
    whole: dict[str, Any] = {"processes": len(said)}
    for name in said[0]:
        share = name.endswith("_share")
        whole[name] = round(median(one[name] for one in said), 4 if share else 1)
        if share:
            ends = sorted(median(one[name] for one in ones) for ones in drawn)
            low, high = ends[round(0.025 * RESAMPLES)], ends[round(0.975 * RESAMPLES) - 1]
            whole[f"{name}_interval"] = [round(low, 4), round(high, 4)]
    return whole


def main() -> int:
    """Measure and print.

    Returns:
        0 when both limits are kept, else 1.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50, help="runs of each kind in a process")
    parser.add_argument(
        "--processes", type=int, default=9, help="processes; 0 measures in this one, prints JSON"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    if args.processes == 0:
        with tempfile.TemporaryDirectory() as folder:
            sys.stdout.write(json.dumps(found(*timed_rounds(args.rounds, Path(folder)))))
        return 0
    said = summed_up(measured_apart(args.processes, args.rounds))
    if args.json:
        sys.stdout.write(f"{json.dumps(said)}\n")
    else:
        sys.stdout.write(
            f"a step takes {said['step_us']:,.0f} us with instant endpoints (the median of "
            f"{said['processes']} processes, {args.rounds} rounds each)\n"
            f"kept and streamed  {_line(said, 'kept')}\n"
            f"and written        {_line(said, 'written')}   "
            f"(limits {RECORD_US:g} us, {SHARE:.0%})\n"
        )
    return 0 if said["written_share"] <= SHARE and said["written_us"] <= RECORD_US else 1


def _progress(what: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{what}")
        sys.stderr.flush()


def _line(said: dict[str, Any], name: str) -> str:
    low, high = said[f"{name}_share_interval"]
    share = said[f"{name}_share"]
    return f"{said[f'{name}_us']:6.1f} us a record, {share:.2%} [{low:.2%}, {high:.2%}]"


if __name__ == "__main__":
    sys.exit(main())
