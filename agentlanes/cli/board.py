"""What the live view knows of a run: the custom events, folded into one row a proposal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from agentlanes.cli.tally import Tally

__all__ = ["Board", "Early", "Row", "call_text", "plain", "plain_lines"]

_AT_ONCE = 32  # replies of a lane that may come in at the same time

ToolStatus = Literal["running", "ended", "failed"]


@dataclass(slots=True, kw_only=True)
class Row:
    """A proposal and what became of it. Times are seconds since the run began.

    Attributes:
        run: The run it is of, from 0: a graph above may run an agent several times.
        window: The window it was made in.
        index: Its number there.
        kind: `call`, `plan` or `finish`.
        text: The proposal in words.
        fenced: Whether it must not start before its verdict.
        rides_on: Index of the plan whose verdict is also this one's.
        proposed_s: When it was made.
        tool: What the call is doing, if it was started.
        ahead: Whether it was started inside its window, verdict or not.
        started_s: When it was started.
        ended_s: When it ended.
        verdict: `approve`, `reject`, `unknown` or `unavailable`.
        by: Who gave the verdict.
        reason: Why.
        decided_s: When.
        outcome: What the settled window made of it.
        early: Whether it took over a read that was started before it was proposed.
    """

    run: int
    window: int
    index: int
    kind: str
    text: str
    fenced: bool
    rides_on: int | None
    proposed_s: float
    tool: ToolStatus | None = None
    ahead: bool = False
    started_s: float | None = None
    ended_s: float | None = None
    verdict: str | None = None
    by: str = ""
    reason: str = ""
    decided_s: float | None = None
    outcome: str | None = None
    early: bool = False

    @property
    def name(self) -> str:
        """How a person refers to it: window and number, after the run if it is not the first."""
        return f"{_of_run(self.run)}{self.window}.{self.index}"


@dataclass(slots=True, kw_only=True)
class Early:
    """A read of a plan whose step is not proposed yet. Times are as in `Row`.

    Attributes:
        run: The run it is of, from 0.
        step: The plan's step, from 0.
        text: The call in words.
        again: Whether its plan was drafted again, and is not proposed.
        started_s: When it was started.
        ended_s: When it ended.
        ok: Whether it ended without an error.
        taken: Whether its step is proposed now.
    """

    run: int
    step: int
    text: str
    again: bool
    started_s: float
    ended_s: float | None = None
    ok: bool = True
    taken: bool = False

    @property
    def name(self) -> str:
        """How a person refers to it."""
        return f"{_of_run(self.run)}step {self.step + 1}"


@dataclass(slots=True)
class Board:
    """A run as it stands.

    Attributes:
        rows: The proposals, in order.
        early: Reads that were started before their turn in an open window, by run, plan and step.
        redraft: Why a run's plan is being drafted again, while it is.
        runs: The runs' numbers, by uid, in the order in which they were heard of.
        speaking: The tail of what each lane says at the moment: of several replies that come at
            the same time, the one that began last.
        tally: What has been settled so far.
        lanes: Whether the graph is a dual-lane one: it sent events of this library.
        shown: Messages of the transcript that were there already or have been reported.
    """

    rows: list[Row] = field(default_factory=list)
    early: dict[tuple[int, int | None, int], Early] = field(default_factory=dict)
    redraft: dict[int, str] = field(default_factory=dict)
    runs: dict[str, int] = field(default_factory=dict)
    speaking: dict[str, str] = field(default_factory=dict)
    lanes: bool = False
    shown: int | None = None
    tally: Tally = field(default_factory=Tally)
    _replies: dict[str, dict[Any, str]] = field(default_factory=dict)

    def feed(self, event: Any, now_s: float) -> Row | Early | None:
        """Take in a custom event; give the row or the early read it is about, if there is one."""
        kind = str(event.get("type") or "") if isinstance(event, Mapping) else ""
        if not kind.startswith("agentlanes."):
            return None
        self.lanes = True
        if "window" not in event:
            return None
        run = self.runs.setdefault(str(event.get("run")), len(self.runs))
        if kind == "agentlanes.settled":
            self._settle(run, event)
        elif kind == "agentlanes.steps":
            for record in event["records"]:
                self.tally.step(record)
        elif kind == "agentlanes.early":
            return self._read(run, event, now_s)
        elif kind == "agentlanes.proposal":
            self.rows.append(_row(run, event, now_s))
            return self.rows[-1]
        row = self._find(run, event["window"], event.get("index"))
        if row is not None:
            self._change(row, event, now_s)
        return row

    def hear(self, message: Any, tags: Sequence[str]) -> None:
        """Take in a piece of what a lane is saying."""
        lane = next((tag for tag in ("lane:act", "lane:reason") if tag in tags), None)
        if lane is None:
            return
        who = "answer" if "final" in tags else lane.removeprefix("lane:")
        replies = self._replies.setdefault(who, {})
        said = (message.additional_kwargs or {}).get("reasoning_content") or ""
        replies[message.id] = f"{replies.get(message.id, '')}{said}{message.text}"[-2000:]
        self.speaking[who] = next(reversed(replies.values()))
        if len(replies) > _AT_ONCE:
            del replies[next(iter(replies))]

    def verdict_of(self, row: Row) -> Row:
        """Give the row that holds a row's verdict: itself, or the plan it rides on."""
        if row.verdict is not None or row.rides_on is None:
            return row
        return self._find(row.run, row.window, row.rides_on) or row

    def awaited_by(self, row: Row) -> list[Row]:
        """Give the rows whose verdicts a call waits for before it may start."""
        if row.started_s is not None or row.outcome not in (None, "fenced") or row.kind != "call":
            return []
        return [
            other
            for other in self.of(row.run, row.window)
            if other.index <= row.index and other.rides_on is None and other.verdict is None
        ]

    def of(self, run: int, window: int) -> list[Row]:
        """Give the rows of a window."""
        return [row for row in self.rows if (row.run, row.window) == (run, window)]

    def in_flight(self) -> list[Row]:
        """Give the effects that were started and have not ended."""
        return [row for row in self.rows if row.tool == "running" and not row.ahead]

    def news(self, messages: Sequence[Any]) -> Iterator[Any]:
        """Give the transcript's new messages, for graphs that send no events of their own."""
        first, self.shown = self.shown, len(messages)
        if first is not None and not self.lanes:
            yield from messages[first:]

    def _change(self, row: Row, event: Mapping[str, Any], now_s: float) -> None:
        if event["type"] == "agentlanes.redraft":
            self.redraft.pop(row.run, None)
            if event["status"] == "started":
                self.redraft[row.run] = plain(event["reason"])
        elif event["type"] == "agentlanes.verdict":
            row.verdict, row.by = event["status"], event["by"]
            row.reason, row.decided_s = plain(event["reason"]), now_s
        elif event["type"] == "agentlanes.tool":
            if event["status"] == "started":
                self._take_over(row)
            _run(row, event, now_s)

    def _settle(self, run: int, event: Mapping[str, Any]) -> None:
        for row, outcome in zip(self.of(run, event["window"]), event["outcomes"], strict=False):
            row.outcome = outcome
        self.early = {key: read for key, read in self.early.items() if read.run != run}
        self.redraft.pop(run, None)

    def _read(self, run: int, event: Mapping[str, Any], now_s: float) -> Early | None:
        key = (run, event["again"], event["step"])
        if event["status"] == "started":
            self.early[key] = Early(
                run=run,
                step=event["step"],
                text=call_text(event["tool"], event["args"]),
                again=event["again"] is not None,
                started_s=now_s,
            )
        read = self.early.get(key)
        if read is not None and event["status"] == "ended":
            read.ended_s, read.ok = now_s, event["ok"]
        return read

    def _take_over(self, row: Row) -> None:
        """Let a row have the read that was started for it before it was proposed."""
        for read in self.early.values():
            mine = read.run == row.run and not (read.again or read.taken)
            if mine and read.text == row.text:
                row.early = read.taken = True
                row.started_s, row.ended_s = read.started_s, read.ended_s
                return

    def _find(self, *place: int | None) -> Row | None:
        return next((r for r in reversed(self.rows) if (r.run, r.window, r.index) == place), None)


def _of_run(run: int) -> str:
    return f"{run + 1}:" if run else ""


def _row(run: int, event: Mapping[str, Any], now_s: float) -> Row:
    return Row(
        run=run,
        window=event["window"],
        index=event["index"],
        kind=event["kind"],
        text=_text(event),
        fenced=event["fenced"],
        rides_on=event["rides_on"],
        proposed_s=now_s,
    )


def _run(row: Row, event: Mapping[str, Any], now_s: float) -> None:
    if event["status"] == "started":
        row.tool, row.ahead = "running", event["ahead"]
        row.started_s = now_s if row.started_s is None else row.started_s
    else:
        row.tool = "ended" if event["ok"] else "failed"
        row.ended_s = now_s if row.ended_s is None else row.ended_s
        if not row.ahead:
            row.outcome = "committed"


def _text(event: Mapping[str, Any]) -> str:
    if event["kind"] == "plan":
        steps = ", ".join(str(step.get("tool")) for step in event["steps"])
        return plain(f"plan: {steps or 'nothing to do'}")
    if event["kind"] == "finish":
        return "finish"
    return call_text(event["tool"], event["args"])


def call_text(tool: str, args: Mapping[str, Any]) -> str:
    """Write a call on one line.

    Example:
        >>> call_text("look", {"key": "a", "deep": True})
        'look(key="a", deep=true)'
    """
    written = (
        f"{key}={json.dumps(value, ensure_ascii=False, default=str)}" for key, value in args.items()
    )
    return plain(f"{tool}({', '.join(written)})")


def plain(text: object) -> str:
    """Reduce text that a model or tool wrote to one line a terminal cannot be steered by.

    Example:
        >>> plain("a" + chr(27) + "[2Jb")
        'a?[2Jb'
    """
    return plain_lines(" ".join(str(text).split()))


def plain_lines(text: str) -> str:
    """Do the same and keep line breaks and tabs."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "?" for letter in text)
