"""The two lanes on the terminal, as they go: a live table, or a line an event."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from agentlanes.cli.board import Board, Early, Row, call_text, plain

__all__ = ["LinesView", "QuietView", "TableView", "View", "show_live"]

_AROUND = 12  # lines a frame needs besides its rows
_STYLES = {
    "approve": "green",
    "reject": "red",
    "committed": "green",
    "discarded": "red strike",
    "fenced": "yellow",
    "skipped": "magenta",
}


class View(Protocol):
    """Takes in what a run streams."""

    tokens: bool
    """Whether it shows what the lanes are saying, token by token."""

    def event(self, event: Any) -> None:
        """Show a custom event."""

    def token(self, message: Any, tags: list[str]) -> None:
        """Show a piece of a lane's reply."""

    def values(self, values: Any) -> None:
        """Show the state after a superstep."""


@contextmanager
def show_live(console: Console, board: Board, title: str, *, quiet: bool) -> Iterator[View]:
    """Choose the view for a console, and keep it up for the time of a run.

    Args:
        console: Where to show it: a table on a terminal, else lines.
        board: What the view keeps up to date.
        title: Name of the graph.
        quiet: Show nothing.
    """
    if quiet:
        yield QuietView(board)
    elif console.is_terminal:
        view = TableView(board, console, title)
        with Live(console=console, get_renderable=view.frame, refresh_per_second=8):
            try:
                yield view
            finally:
                view.over = True
    else:
        yield LinesView(board, console)


class QuietView:
    """Shows nothing, and keeps the board for what is to be said at the end."""

    tokens = False

    def __init__(self, board: Board) -> None:
        self.board = board
        self._began = time.monotonic()

    def event(self, event: Any) -> None:
        """Take in a custom event."""
        self.board.feed(event, self.elapsed_s())

    def token(self, message: Any, tags: list[str]) -> None:
        """Take no notice."""

    def values(self, values: Any) -> None:
        """Take no notice."""

    def elapsed_s(self) -> float:
        """Give the seconds since the run began."""
        return time.monotonic() - self._began


class LinesView(QuietView):
    """One plain line an event: for pipes, files and CI logs."""

    def __init__(self, board: Board, console: Console) -> None:
        super().__init__(board)
        self._console = console

    def event(self, event: Any) -> None:
        """Print a line about an event."""
        row = self.board.feed(event, self.elapsed_s())
        if isinstance(row, Early):
            self._read(row)
        elif row is None:
            self._settled(event)
        elif event["type"] == "agentlanes.proposal":
            self._line("act", row.name, _proposed(row))
        elif event["type"] == "agentlanes.redraft":
            self._line("act", row.name, _redraft(event))
        elif event["type"] == "agentlanes.verdict":
            lane = "reason" if row.by == "reason" else row.by
            self._line(lane, row.name, f"{_VERDICTS[row.verdict or 'unknown']}{_because(row)}")
        elif event["type"] == "agentlanes.tool" and not row.early:
            self._tool(row, event["status"])

    def values(self, values: Any) -> None:
        """Print the transcript's news, where the graph sends no events."""
        messages = values.get("messages")
        for message in self.board.news(messages or []):
            for call in getattr(message, "tool_calls", None) or []:
                self._print(f"{self.elapsed_s():8.2f} s  {call_text(call['name'], call['args'])}")

    def _settled(self, event: Any) -> None:
        """Say which proposals of a settled window do not count."""
        if not isinstance(event, dict) or event.get("type") != "agentlanes.settled":
            return
        for row in self.board.of(self.board.runs[str(event.get("run"))], event["window"]):
            if row.outcome == "discarded":
                self._line("settle", row.name, f"discards {row.text}")

    def _tool(self, row: Row, status: str) -> None:
        if status == "started":
            lane, how = ("act", "runs ahead") if _early(self.board, row) else _late(row)
            self._line(lane, row.name, f"{how} {row.text}")
        else:
            took = (row.ended_s or 0.0) - (row.started_s or 0.0)
            lane = "act" if row.ahead else "effects"
            said = "done" if row.tool == "ended" else "failed"
            self._line(lane, row.name, f"{said} in {took:.2f} s")

    def _read(self, read: Early) -> None:
        if read.ended_s is None:
            why = "for the new plan" if read.again else "before its turn"
            self._line("act", read.name, f"runs {read.text} {why}")
        else:
            said, took = "done" if read.ok else "failed", read.ended_s - read.started_s
            self._line("act", read.name, f"{said} in {took:.2f} s: {read.text}")

    def _line(self, lane: str, name: str, text: str) -> None:
        self._print(f"{self.elapsed_s():8.2f} s  {lane:<8} {name:<6} {text}")

    def _print(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)


_VERDICTS = {
    "approve": "approved",
    "reject": "rejected",
    "unknown": "unreadable verdict",
    "unavailable": "no verdict, the lane failed",
}


def _proposed(row: Row) -> str:
    waits = ", waits for its verdict" if row.fenced else ""
    return f"proposes {row.text}{waits}"


def _redraft(event: Any) -> str:
    if event["status"] == "started":
        return f"drafts the plan again: {plain(event['reason'])}"
    return "has drafted the plan again" if event["ok"] else "could not draft the plan again"


def _early(board: Board, row: Row) -> bool:
    """Say whether a call starts while its verdict is still out."""
    return row.ahead and board.verdict_of(row).verdict is None


def _late(row: Row) -> tuple[str, str]:
    return ("act" if row.ahead else "effects", "runs")


def _because(row: Row) -> str:
    return f": {row.reason}" if row.reason else ""


class TableView(QuietView):
    """A table that is redrawn as the run goes: a row a proposal, a column a lane."""

    tokens = True

    def __init__(self, board: Board, console: Console, title: str) -> None:
        super().__init__(board)
        self.over = False
        self._console = console
        self._title = title
        self._spinner = Spinner("dots")

    def token(self, message: Any, tags: list[str]) -> None:
        """Take in what a lane is saying."""
        self.board.hear(message, tags)

    def values(self, values: Any) -> None:
        """Take in the route, and show the transcript's news where the graph sends no events."""
        self.board.tally.route(values)
        messages = values.get("messages")
        for message in self.board.news(messages or []):
            for call in getattr(message, "tool_calls", None) or []:
                self._console.print(Text(call_text(call["name"], call["args"])))

    def frame(self) -> RenderableType:
        """Draw the run as it stands."""
        now_s = self.elapsed_s()
        head = Text.assemble((self._title, "bold"), f"  {now_s:.1f} s")
        parts: list[RenderableType] = []
        if self.over:
            parts.append(head)
        else:
            self._spinner.update(text=head)
            parts.append(self._spinner)
        for line in (self.board.tally.target_line(), self.board.tally.lanes_line()):
            if line:
                parts.append(Text(line, style="dim", no_wrap=True, overflow="ellipsis"))
        if self.board.rows:
            parts.append(self._table(now_s))
        for why in self.board.redraft.values():
            again = f"drafting the plan again: {why}"
            parts.append(Text(again, style="yellow", no_wrap=True, overflow="ellipsis"))
        if not self.over:
            parts.extend(self._speech())
        return Group(*parts)

    def _table(self, now_s: float) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim", expand=True)
        table.add_column("#", no_wrap=True, style="dim")
        table.add_column("act lane proposes", ratio=5, no_wrap=True, overflow="ellipsis")
        table.add_column("runs", width=17, no_wrap=True, overflow="ellipsis")
        table.add_column("reason lane says", ratio=4, no_wrap=True, overflow="ellipsis")
        table.add_column("outcome", no_wrap=True, min_width=9)
        rows, early = list(self.board.rows), list[Early]()
        if not self.over:
            early = [read for read in self.board.early.values() if not read.taken]
            most = max(3, self._console.height - _AROUND)
            early = early[-(most // 2) :]
            rows = rows[-(most - len(early)) :]
        for row in rows:
            outcome = row.outcome or ""
            table.add_row(
                row.name,
                Text(row.text),
                _runs(self.board, row, now_s),
                self._says(row, now_s),
                Text(outcome, style=_STYLES.get(outcome, "")),
            )
        for read in early:
            ends_s = now_s if read.ended_s is None else read.ended_s
            how = "runs" if read.ended_s is None else "ran" if read.ok else "failed"
            why = "read for the new plan" if read.again else "read before its turn"
            table.add_row(
                read.name,
                Text(read.text),
                Text(f"{how} {ends_s - read.started_s:.2f} s", style="cyan"),
                Text(why, style="dim"),
            )
        return table

    def _says(self, row: Row, now_s: float) -> Text:
        judged = self.board.verdict_of(row)
        if judged.verdict is None:
            if self.over or row.outcome is not None:
                return Text("")
            waiting = "with the plan" if judged is not row else "judging"
            target = self._verdict_target()
            return Text(f"{waiting} {now_s - judged.proposed_s:.1f} s{target}", style="cyan")
        said = _VERDICTS[judged.verdict]
        if judged is not row:
            said += " with the plan"
        elif judged.by != "reason":
            said += f" by {judged.by}"
        else:
            said += f" {(judged.decided_s or 0.0) - judged.proposed_s:.1f} s"
        because = _because(judged) if judged is row else ""
        return Text(f"{said}{because}", style=_STYLES.get(judged.verdict, "yellow"))

    def _verdict_target(self) -> str:
        profile = self.board.tally.profile
        if profile is None or profile.lane != "reason":
            return ""
        return f" of {profile.target_high_ms / 1000:.0f} s"

    def _speech(self) -> Iterator[Text]:
        wide = max(20, self._console.width - 12)
        for who, said in list(self.board.speaking.items()):
            if not said.strip():  # a reply that is all tool calls
                continue
            yield Text.assemble((f"{who:>7}  ", "dim"), (plain(said)[-wide:], "italic"))


def _runs(board: Board, row: Row, now_s: float) -> Text:
    if row.started_s is None:
        awaited = board.awaited_by(row)
        if not awaited:
            ready = row.fenced and row.outcome in (None, "fenced")
            return Text("about to run" if ready else "")
        first = "verdict" if awaited[0] is row else awaited[0].name
        more = f" +{len(awaited) - 1}" if len(awaited) > 1 else ""
        return Text(f"waits for {first}{more}", style="yellow")
    took = (row.ended_s if row.ended_s is not None else now_s) - row.started_s
    early = row.ahead and (row.decided_s is None or row.decided_s > row.started_s)
    how = {"running": "runs", "ended": "ran", "failed": "failed"}[row.tool or "running"]
    return Text(
        f"{how}{' ahead' if early else ''} {took:.2f} s", style="" if row.ended_s else "cyan"
    )
