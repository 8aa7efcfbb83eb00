"""The picture of a run: a real run of the demo is recorded once, and drawn from the recording."""

from __future__ import annotations

import asyncio
import importlib.util
import io
import json
import os
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from agentlanes.cli.board import Board
from agentlanes.cli.live import LinesView
from agentlanes.latency.table import steps_view

__all__ = ["record_demo", "run_svg"]

WIDTH = 102
INDENT = 28  # columns of time, lane and number before what is said
LANE_STYLES = {"act": "cyan", "reason": "magenta", "effects": "yellow"}
SAID = {"approved": "green", "rejected": "red", "discards": "red", "runs": "bold"}
DEMO = Path(__file__).parents[1] / "examples" / "00_demo.py"

# rich's own frame loads a font from the web; this one takes what the reader's machine has.
FRAME = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"
  aria-label="A recorded run of make demo">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas,
  "DejaVu Sans Mono", monospace; font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 17px; font-family: ui-sans-serif, system-ui, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
  <rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""

THEME = TerminalTheme(
    background=(15, 23, 36),
    foreground=(215, 222, 232),
    normal=[
        (60, 72, 90),
        (244, 112, 103),
        (126, 200, 120),
        (229, 192, 105),
        (108, 166, 245),
        (214, 140, 230),
        (92, 200, 214),
        (215, 222, 232),
    ],
)


def record_demo(target: Path) -> None:
    """Run the demo on the local models and write down what it streamed and when.

    Args:
        target: The recording: the request, the events with their times in seconds, the answer.
    """
    demo = _load_demo()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        recording = asyncio.run(_record(demo))
    target.write_text(f"{json.dumps(recording, indent=1)}\n", encoding="utf-8")


async def _record(demo: ModuleType) -> dict[str, Any]:
    task = demo.make_task(0)
    events: list[tuple[float, Any]] = []
    result: dict[str, Any] = {}
    async with demo.make_graph() as agent:
        began = time.monotonic()
        given = {"messages": [("user", task.request)]}
        async for _, mode, part in agent.astream(
            given, stream_mode=["custom", "values"], subgraphs=True
        ):
            if mode == "custom":
                events.append((round(time.monotonic() - began, 3), part))
            else:
                result = part if "answer" in part else result
        took_s = round(time.monotonic() - began, 3)
    faults = demo.find_faults(task, result, sorted(demo.FOLDER.glob("outbox/*.eml")))
    if faults:
        raise SystemExit(f"the run is not worth a picture: {'; '.join(faults)}")
    return {
        "request": task.request,
        "took_s": took_s,
        "events": events,
        "answer": result["answer"],
        "steps": result["steps"],
    }


def run_svg(recording: Path) -> str:
    """Draw a recorded run as the command line prints it: the lanes, the answer, the steps."""
    told = json.loads(recording.read_text(encoding="utf-8"))
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text(told["request"], style="italic"))
    console.print()
    view = _Replay(Board(), console)
    for at_s, event in told["events"]:
        view.now_s = at_s
        view.event(event)
    console.print()
    console.print(Text(told["answer"], style="bold"))
    console.print()
    console.print(steps_view(told["steps"]))
    title = "make demo: two local models, one run"
    drawn = console.export_svg(title=title, theme=THEME, code_format=FRAME, unique_id="run")
    return "\n".join(line.rstrip() for line in drawn.splitlines() if line.strip()) + "\n"


class _Replay(LinesView):
    """The plain view on the recording's time, in colour and wrapped to fit a picture."""

    now_s = 0.0

    def elapsed_s(self) -> float:
        """Give the recording's time instead of the clock's."""
        return self.now_s

    def _print(self, line: str) -> None:
        head, said = line[:INDENT], line[INDENT:]
        lane = head.split()[2]
        style = next((style for word, style in SAID.items() if said.startswith(word)), "")
        for place, part in enumerate(textwrap.wrap(said, WIDTH - INDENT)):
            start = head if place == 0 else " " * INDENT
            self._console.print(Text.assemble((start, LANE_STYLES.get(lane, "dim")), (part, style)))


def _load_demo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo", DEMO)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{DEMO} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules["demo"] = module
    spec.loader.exec_module(module)
    return module
