"""`agentlanes run`: run a graph on an input and show both lanes as they go."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from agentlanes import __version__
from agentlanes.cli.board import Board, call_text, plain_lines
from agentlanes.cli.files import RunFiles, end_ms
from agentlanes.cli.live import View, show_live
from agentlanes.cli.load import GraphSpec, find_graph, load_graph, open_graph
from agentlanes.cli.summary import report_line, time_line
from agentlanes.config import Settings
from agentlanes.errors import AgentLanesError, ConfigError
from agentlanes.lanes.urls import safe_url
from agentlanes.latency.jsonl import RunStatus
from agentlanes.latency.table import steps_view

__all__ = ["add_arguments", "main"]

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

PIPE_WIDTH = 100
"""Columns, at least, where stdout is no terminal: what the latency table needs to be whole."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options on its parser."""
    parser.add_argument(
        "graph", metavar="GRAPH", help="a name in langgraph.json, or file.py:factory"
    )
    parser.add_argument("input", help="what to ask, as the user's message")
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        dest="json_file",
        help="write the full result here: answer, committed, steps",
    )
    parser.add_argument("--thread", metavar="ID", help="thread to run on, where one is kept")
    parser.add_argument("--quiet", action="store_true", help="print the answer and nothing else")
    parser.add_argument("--debug", action="store_true", help="let errors show their traceback")


def main(args: argparse.Namespace) -> int:
    """Run the graph to its end.

    Returns:
        0 with an answer; 1 on an error, or when the run waits for a person; 2 when there is no
        such graph or the JSON file has no folder; 130 on Ctrl-C.
    """
    try:
        spec = find_graph(args.graph)
        if args.json_file is not None and not args.json_file.resolve().parent.is_dir():
            raise ConfigError(f"there is no folder {args.json_file.resolve().parent}")
    except ConfigError as error:
        return _complain(str(error), USAGE)
    run = _Run(spec=spec, text=args.input, thread=args.thread)
    settings = Settings.from_env()
    with _traced(settings):
        code = _carry_out(run, settings, quiet=args.quiet, debug=args.debug)
    if args.json_file is not None:
        written = json.dumps(run.to_json(), indent=1, ensure_ascii=False, default=str)
        try:
            args.json_file.write_text(f"{written}\n", encoding="utf-8")
        except OSError as error:
            return _complain(f"the result cannot be written: {error}", code or FAILED)
    return code


def _carry_out(run: _Run, settings: Settings, *, quiet: bool, debug: bool) -> int:
    console = _console()
    try:
        with asyncio.Runner() as runner:
            runner.run(_stream(run, settings, console, quiet=quiet))
        return _conclude(run, console, quiet=quiet)
    except KeyboardInterrupt:
        run.status, run.error = "stopped", "interrupted"
        said = f"interrupted after {run.elapsed_s():.1f} s; {_left(run)}"
        return _complain(said, INTERRUPTED)
    except Exception as error:
        run.status, run.error = "failed", _explain(error)
        if debug:
            raise
        said = f"{run.error}\n{_left(run)}" if run.board.rows else run.error
        return _complain(said, FAILED)


def _console() -> Console:
    """Give the console of stdout; a file or a pipe has room, whatever the terminal's width is."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, PIPE_WIDTH)
    return console


@contextmanager
def _traced(settings: Settings) -> Iterator[None]:
    """Send LangSmith what is left at the end, without letting it hold the process up."""
    if not settings.langsmith_tracing:
        yield
        return
    from agentlanes.latency.langsmith import flush

    try:
        yield
    finally:
        if not flush():
            _note("LangSmith did not take all of the trace in time")


@dataclass(slots=True, kw_only=True)
class _Run:
    """A run and what is known of it, also when it was broken off."""

    spec: GraphSpec
    text: str
    thread: str | None
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    board: Board = field(default_factory=Board)
    values: dict[str, Any] = field(default_factory=dict)
    entered: bool = False
    waits_for: list[Any] = field(default_factory=list)
    status: RunStatus = "done"
    error: str | None = None
    wall_s: float | None = None
    files: RunFiles | None = None
    began: float = field(default_factory=time.monotonic)

    def elapsed_s(self) -> float:
        return time.monotonic() - self.began if self.wall_s is None else self.wall_s

    @property
    def committed(self) -> list[dict[str, Any]]:
        return list(self.values.get("committed") or [])

    @property
    def runs(self) -> list[list[Any]]:
        """The step records of each run: as they were streamed, or as the final state has them."""
        streamed = list(self.files.records.values()) if self.files is not None else []
        return streamed or [list(self.values.get("steps") or [])]

    @property
    def steps(self) -> list[Any]:
        """The step records; of several runs one after the other."""
        return [record for records in self.runs for record in records]

    @property
    def answer(self) -> str | None:
        """The answer, or for a graph without that key the last message it wrote."""
        if self.error is not None or self.waits_for:
            return None
        if "answer" in self.values:
            return str(self.values["answer"])
        last = (self.values.get("messages") or [None])[-1]
        return str(last.text) if last is not None and last.type == "ai" else None

    def to_json(self) -> dict[str, Any]:
        return {
            "run_id": str(self.id),
            "graph": self.spec.name,
            "input": self.text,
            "status": self.status,
            "error": self.error,
            "wall_s": round(self.elapsed_s(), 3),
            "answer": self.answer,
            "committed": self.committed,
            "steps": self.steps,
            "plan": self.values.get("plan"),
        }


async def _stream(run: _Run, settings: Settings, console: Console, *, quiet: bool) -> None:
    config: dict[str, Any] = {
        "run_id": run.id,
        "run_name": run.spec.name,
        "configurable": {"thread_id": run.thread or str(run.id)},
    }
    given = {"messages": [{"role": "user", "content": run.text}]}
    async with open_graph(load_graph(run.spec), config) as graph:
        if run.thread is not None and getattr(graph, "checkpointer", None) is None and not quiet:
            _note("this graph keeps no threads (it has no checkpointer); --thread only labels it")
        with (
            _logged(run, settings) as files,
            show_live(console, run.board, run.spec.name, quiet=quiet) as view,
        ):
            modes = ["custom", "values", *(["messages"] if view.tokens else [])]
            run.began = time.monotonic()
            try:
                async for place, mode, part in graph.astream(
                    given, config, stream_mode=modes, subgraphs=True
                ):
                    _take_in(run, view, files, place, mode, part)
            finally:
                run.wall_s = time.monotonic() - run.began


@contextmanager
def _logged(run: _Run, settings: Settings) -> Iterator[RunFiles]:
    """Keep the run's files, and end them with what became of the run however it ends."""
    facts: dict[str, Any] = {"thread": run.thread, "input": run.text, "settings": _told(settings)}
    with RunFiles(settings.runs_dir, str(run.id), run.spec.name, facts) as files:
        run.files = files
        error: BaseException | None = None
        try:
            yield files
        except BaseException as caught:
            error = caught
            raise
        finally:
            broken: RunStatus = "failed" if isinstance(error, Exception) else "stopped"
            files.end(
                "stopped" if run.waits_for else "done" if error is None else broken,
                steps=run.steps,  # a graph that sends no events may have kept them all the same
                answer=run.answer if error is None else None,
                committed=run.committed,
                error=type(error).__name__ if error else None,
                wall_ms=round(run.elapsed_s() * 1000, 3),
            )


def _told(settings: Settings) -> dict[str, Any]:
    """Give what a run's file says of the settings: no key, and no password in a URL."""
    urls = {"act_url": settings.act_url, "reason_url": settings.reason_url}
    return {
        "version": __version__,
        "act_model": settings.act_model,
        "reason_model": settings.reason_model,
        **{key: safe_url(url) if url else None for key, url in urls.items()},
        "offline": settings.offline,
    }


def _take_in(
    run: _Run, view: View, files: RunFiles, place: tuple[str, ...], mode: str, part: Any
) -> None:
    if mode == "messages":
        message, metadata = part
        view.token(message, metadata.get("tags") or [])
    elif mode == "custom":
        files.event(part)
        view.event(part)
    elif not place and isinstance(part, Mapping):
        state = dict(part)
        run.waits_for += [one.value for one in state.pop("__interrupt__", ())]
        if state:
            view.values(state)
            # The first is the state before any node ran: on a kept thread, the last turn's.
            run.values = state if run.entered else {}
            run.entered = True


def _conclude(run: _Run, console: Console, *, quiet: bool) -> int:
    if run.waits_for:
        run.status, run.error = "stopped", "the run waits for a person"
        asked = "; ".join(map(str, run.waits_for))
        return _complain(f"{run.error}, and this command has nobody to ask: {asked}", FAILED)
    if quiet:
        answer = run.answer or ""
        # A program that reads it gets it as it is; a terminal must not be steered by it.
        sys.stdout.write(f"{plain_lines(answer) if sys.stdout.isatty() else answer}\n")
        return DONE
    console.print()
    console.print(Text(plain_lines(run.answer or "(no answer)")))
    if run.steps:
        _say_where_it_went(run, console)
    return DONE


def _say_where_it_went(run: _Run, console: Console) -> None:
    several = len(run.runs) > 1
    for number, records in enumerate(run.runs, 1):
        console.print()
        if several:
            console.print(Text(f"run {number} of {len(run.runs)}", style="bold"))
        console.print(steps_view(records))
        line = time_line(records, end_ms(records) if several else run.elapsed_s() * 1000)
        console.print()
        if line is not None:
            console.print(Text(line))
    if run.files is not None:
        console.print(Text(report_line(run.files.folder, run.files.shown)), soft_wrap=True)


def _explain(error: Exception) -> str:
    """Put an error in one line."""
    from langgraph.errors import GraphRecursionError

    if isinstance(error, AgentLanesError):
        return str(error)
    if isinstance(error, GraphRecursionError):
        return (
            "the graph took as many supersteps as its recursion_limit allows without coming to an "
            "end; raise the limit where the graph is built if the task really needs more"
        )
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text} (--debug shows where)"


def _left(run: _Run) -> str:
    """Say what a broken-off run has done to the world."""
    lines = []
    # A graph above the agents does not say what they committed; what was seen of them does.
    seen = [row.text for row in run.board.rows if (row.kind, row.outcome) == ("call", "committed")]
    calls = [call_text(call["tool"], call["args"]) for call in run.committed] or seen
    if calls:
        lines.append(f"{len(calls)} call{'s are' if len(calls) > 1 else ' is'} committed:")
        lines += [f"  {call}" for call in calls]
    else:
        lines.append("nothing was committed")
    for row in run.board.in_flight():
        lines.append(f"{row.text} had started: look whether it took effect")
    if run.steps and run.files is not None:
        lines.append(report_line(run.files.folder, run.files.shown))
    return "\n".join(lines)


def _note(text: str) -> None:
    sys.stderr.write(f"agentlanes: {plain_lines(text)}\n")


def _complain(text: str, code: int) -> int:
    _note(text)
    return code
