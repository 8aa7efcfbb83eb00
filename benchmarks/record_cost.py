"""What keeping step records costs, with endpoints that answer at once.

The same agent runs without records, with records kept in its state and streamed, and with each
written to the run's file as well, turn and turn about in one process, so all see the same
machine; what is compared is the CPU time of the process. With instant endpoints a step has
nothing to wait for, so the share is as high as it can get; it must stay under 3%.

    python benchmarks/record_cost.py --rounds 200
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from agentlanes import build_agent, effect
from agentlanes.context import prompts
from agentlanes.latency.jsonl import RunLog
from agentlanes.testing import ScriptedModel

SHARE, RECORD_US = 0.03, 50.0
CALLS = 12


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


async def cpu_s(measured: Any, log: RunLog | None) -> tuple[float, int]:
    """Run an agent once; give the CPU seconds and the records."""
    told = 0
    started = time.process_time()
    # Streamed, as `agentlanes run` does: sending records belongs to what they cost.
    async for event in measured.astream({"messages": [("user", "go")]}, stream_mode="custom"):
        if log is not None:
            log.event(event)
        if event["type"] == "agentlanes.steps":
            told += len(event["records"])
    return time.process_time() - started, told


async def measure(rounds: int, folder: Path) -> dict[str, Any]:
    """Run all kinds in turn and compare them."""
    with_records, without = agent(records=True), agent(records=False)
    # A run's file holds more than records, so it is written, or not, on both sides.
    kinds = {
        "off": (without, False),
        "kept": (with_records, False),
        "off_file": (without, True),
        "written": (with_records, True),
    }
    times: dict[str, list[float]] = {name: [] for name in kinds}
    records = 0
    gc.disable()  # a collection that falls into one of them would be charged to it
    try:
        for number in range(-3, rounds):  # the first three warm up
            names = list(times)
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                gc.collect()
                with RunLog(folder, f"{name}{number + 3}") as log:
                    measured, logs = kinds[name]
                    took, told = await cpu_s(measured, log if logs else None)
                records = max(records, told)
                if number >= 0:
                    times[name].append(took)
    finally:
        gc.enable()
    plain = _quiet(times["off"])
    found: dict[str, Any] = {
        "rounds": rounds,
        "records": records,
        "step_us": round(plain / records * 1e6, 1),
    }
    for name, other in (("kept", "off"), ("written", "off_file")):
        more = _quiet(times[name]) - _quiet(times[other])
        found[f"{name}_us"] = round(more / records * 1e6, 1)
        found[f"{name}_share"] = round(more / plain, 4)
    return found


def _quiet(times: list[float]) -> float:
    """Give the mean of the quickest tenth: on a busy machine even CPU time is disturbed."""
    return statistics.fmean(sorted(times)[: max(1, len(times) // 10)])


def main() -> int:
    """Measure and print.

    Returns:
        0 when both limits are kept, else 1.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200, help="runs of each kind")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(args.rounds, Path(folder)))
    if args.json:
        sys.stdout.write(f"{json.dumps(found)}\n")
    else:
        sys.stdout.write(
            f"a step takes {found['step_us']:,.0f} us of CPU time with instant endpoints (the "
            f"quickest tenth of {found['rounds']} rounds of {found['records']} records)\n"
            f"kept and streamed  {found['kept_us']:6.1f} us a record, {found['kept_share']:.2%}\n"
            f"and written        {found['written_us']:6.1f} us a record, "
            f"{found['written_share']:.2%}   (limits {RECORD_US:g} us, {SHARE:.0%})\n"
        )
    return 0 if found["written_share"] <= SHARE and found["written_us"] <= RECORD_US else 1


if __name__ == "__main__":
    sys.exit(main())
