"""Made-up runs whose timings are known: what a run file of schema 2 holds, of any length.

A run goes from window to window. In each the act lane drafts calls one after the other and runs
them ahead, verdicts come in meanwhile, and now and then one rejects. Every number comes from the
seed, and every wait is an edge in `after`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agentlanes.latency.jsonl import RunLog
from agentlanes.latency.record import StepRecord, blank_record

TOOLS = ("read_file", "search_notes", "list_orders", "get_weather")
EFFECTS = ("send_email", "issue_refund")
BEGAN = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@dataclass
class MadeRun:
    """A run in the making, on its own clock.

    Attributes:
        seed: Of all its numbers.
        tools: Names of its tools.
        model: Model of the act lane.
    """

    seed: int = 0
    tools: Sequence[str] = TOOLS
    model: str = "gpt-5-nano"
    now_ms: float = 4.0
    window: int = 0
    effects: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    records: list[StepRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.last: list[str] = []

    def finish(self, at_least: int) -> list[StepRecord]:
        """Make windows until there are so many records, then the answer."""
        while len(self.records) < at_least - 1:
            self.add_window()
        start, end = self._pass(400, 900)
        answer = _span("answer", "act", "answer", start, end, self.last, "committed")
        self._record("deliver", "act", [answer], "committed", end - start)
        self.now_ms = end + 3
        return self.records

    def add_window(self) -> None:
        """Make a window: drafts, calls that run ahead, verdicts, perhaps a fence or a rejection."""
        at, after, first = self.now_ms, self.last, len(self.records)
        calls = self.draw.randint(1, 4)
        wrong = self.draw.randrange(calls) if self.draw.random() < 0.15 else None
        fenced = wrong is None and self.draw.random() < 0.4
        verdicts: list[dict[str, Any]] = []
        acts: list[tuple[int, list[dict[str, Any]]]] = []
        for index in range(calls):
            name = f"w{self.window}.p{index}"
            drafted = at + self.draw.uniform(150, 700)
            draft = _span(f"w{self.window}.draft{index}", "act", "draft", at, drafted, after, None)
            spans = [draft, *self._trouble(draft)]
            took = self.draw.uniform(800, 2600)
            verdicts.append(
                _span(
                    f"{name}.verdict", "reason", "verdict", drafted, drafted + took, [draft["id"]]
                )
            )
            if fenced and index == calls - 1:
                waited = max(verdict["end_ms"] for verdict in verdicts)
                asked = [draft["id"], *(verdict["id"] for verdict in verdicts)]
                spans.append(_span(f"{name}.wait", "wait", "verdict", drafted, waited, asked))
            else:
                tool = self.draw.choice(self.tools)
                done = drafted + self.draw.uniform(60, 900)
                spans.append(_span(f"{name}.tool", "tool", tool, drafted, done, [draft["id"]]))
            at, after = spans[-1]["end_ms"], [spans[-1]["id"]]
            acts.append((index, spans))
        self._settle(acts, verdicts, wrong, fenced)
        self.records[first:] = sorted(self.records[first:], key=lambda r: r["started_ms"] or 0)
        self.window += 1

    def _settle(
        self,
        acts: Sequence[tuple[int, list[dict[str, Any]]]],
        verdicts: Sequence[dict[str, Any]],
        wrong: int | None,
        fenced: bool,
    ) -> None:
        closed = verdicts[wrong]["end_ms"] if wrong is not None else None
        fates: list[str] = []
        for index, spans in acts:
            lost = wrong is not None and index >= wrong
            if closed is not None and spans[0]["start_ms"] >= closed:
                continue
            outcome = "discarded" if lost else "committed"
            if fenced and index == len(acts) - 1:
                outcome = "fenced"
            fates.append(outcome)
            for span in spans:
                span["outcome"] = outcome
                if closed is not None:
                    span["start_ms"], span["end_ms"] = (
                        min(span[key], closed) for key in ("start_ms", "end_ms")
                    )
            tool = next((s for s in spans if s["kind"] in ("tool", "wait")), spans[0])
            self._say(index, tool, wrong, outcome)
            self._record("act", "act", spans, outcome, spans[0]["end_ms"] - spans[0]["start_ms"])
            verdict = verdicts[index]
            used = not lost or index == wrong
            verdict["outcome"] = "committed" if used else "discarded"
            if closed is not None and not used:
                verdict["end_ms"] = min(verdict["end_ms"], max(closed, verdict["start_ms"]))
            took = verdict["end_ms"] - verdict["start_ms"]
            self._record("reason", "reason", [verdict], verdict["outcome"], took)
        self.events.append({"type": "agentlanes.settled", "window": self.window, "outcomes": fates})
        kept = verdicts[: len(fates)] if wrong is None else verdicts[: wrong + 1]
        self.now_ms = max(
            closed or 0,
            *(v["end_ms"] for v in kept),
            *(s[-1]["end_ms"] for _, s in acts if not closed),
        )
        worked = [spans[-1] for _, spans in acts[: len(fates)] if spans[-1]["kind"] == "tool"]
        self.last = [max(some, key=lambda s: s["end_ms"])["id"] for some in (kept, worked) if some]
        if fenced:
            self._effect()
        self.now_ms += 2

    def _effect(self) -> None:
        start, end = self._pass(100, 500)
        name = self.draw.choice(EFFECTS)
        span = _span(f"e{self.effects}", "tool", name, start, end, self.last, "committed")
        self.effects += 1
        self._record("effects", None, [span], "committed", end - start)
        self.now_ms, self.last = end, [span["id"]]

    def _trouble(self, call: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        if self.draw.random() < 0.1:
            third = (call["end_ms"] - call["start_ms"]) / 3
            kind = self.draw.choice(["queue", "retry"])
            end = call["start_ms"] + third
            yield _span(f"{call['id']}.{kind}", kind, call["name"], call["start_ms"], end, [])

    def _say(self, index: int, made: Mapping[str, Any], wrong: int | None, outcome: str) -> None:
        at = {"window": self.window, "index": index}
        tool = made["name"] if made["kind"] == "tool" else self.draw.choice(EFFECTS)
        proposal = {"kind": "call", "tool": tool, "args": {"q": index}, "text": "", "steps": []}
        effect = "irreversible" if tool in EFFECTS else "read"
        more = {"effect": effect, "fenced": outcome == "fenced", "rides_on": None, "drafted": True}
        self.events.append({"type": "agentlanes.proposal", **at, **proposal, **more})
        said = {"status": "approve", "by": "reason", "reason": "as asked", "suggestion": None}
        if index == wrong:
            said |= {"status": "reject", "reason": "the order is another customer's"}
        if wrong is None or index <= wrong:
            self.events.append({"type": "agentlanes.verdict", **at, **said})

    def _pass(self, low: float, high: float) -> tuple[float, float]:
        return self.now_ms, self.now_ms + self.draw.uniform(low, high)

    def _record(
        self, node: str, lane: str | None, spans: list[Any], outcome: str, took: float
    ) -> None:
        tokens = {
            "input": self.draw.randint(400, 4000),
            "output": self.draw.randint(20, 200),
            "reasoning": self.draw.randint(0, 800) if lane == "reason" else 0,
            "cached": self.draw.randint(0, 400),
        }
        tools = [s["end_ms"] - s["start_ms"] for s in spans if s["kind"] == "tool"]
        waits = [s["end_ms"] - s["start_ms"] for s in spans if s["kind"] == "wait"]
        record = blank_record(
            version=2,
            step=len(self.records),
            window=self.window,
            node=node,
            lane=lane,
            profile="plan_validation" if lane == "reason" else "api_formatting",
            model={"act": self.model, "reason": "gpt-5.5"}.get(lane or ""),
            route_score=0.6,
            route_reason="made up",
            started_ms=min(span["start_ms"] for span in spans),
            ended_ms=max(span["end_ms"] for span in spans),
            first_content_ms=took / 2 if lane else None,
            duration_ms=took,
            tool_ms=sum(tools) if tools and lane else None,
            verdict_wait_ms=sum(waits),
            wasted_ms=took if outcome == "discarded" else 0.0,
            tokens=tokens if lane else dict.fromkeys(tokens),
            attempts=1 if lane else None,
            outcome=outcome,
            spans=spans,
        )
        self.records.append(record)


def write_run(
    folder: Path, run_id: str, *, steps: int = 12, seed: int = 0, answer: str = "Done.", **more: Any
) -> Path:
    """Write a made-up run's file.

    Args:
        folder: Where.
        run_id: Its id.
        steps: Records, at least.
        seed: Of its numbers.
        answer: What it answers.
        more: Further arguments of `MadeRun`.
    """
    made = MadeRun(seed=seed, **more)
    made.finish(steps)
    began = BEGAN + timedelta(minutes=seed)
    with RunLog(folder, run_id, graph="assistant", started=began) as log:
        for event in made.events:
            log.event(event)
        for place, record in enumerate(made.records):
            log.step({**record, "step": place})
        log.result(answer=answer, committed=[])
    # The log measures the wall time itself, and no time passed while this run was made up.
    *lines, last = log.path.read_text(encoding="utf-8").splitlines()
    ended = json.dumps({**json.loads(last), "wall_ms": round(made.now_ms, 3)})
    log.path.write_text("\n".join([*lines, ended, ""]), encoding="utf-8")
    return log.path


def _span(
    name: str,
    kind: str,
    what: str,
    start_ms: float,
    end_ms: float,
    after: Sequence[str],
    outcome: str | None = None,
) -> dict[str, Any]:
    return {
        "id": name,
        "kind": kind,
        "name": what,
        "start_ms": round(start_ms, 3),
        "end_ms": round(end_ms, 3),
        "after": list(after),
        "outcome": outcome,
    }
