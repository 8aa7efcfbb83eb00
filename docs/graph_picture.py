"""The picture of the graph: nodes and edges come from the compiled graph, their places are here."""

from __future__ import annotations

from html import escape
from typing import Any, NamedTuple

__all__ = ["graph_svg"]

WIDTH, HEIGHT = 1000, 452


class Box(NamedTuple):
    """A node's place: its middle, its size, its look, and a line on what it does."""

    x: int
    y: int
    wide: int
    look: str
    does: str


BOXES = {
    "__start__": Box(46, 206, 0, "end", ""),
    "route": Box(178, 206, 150, "plain", "picks the lanes"),
    "act": Box(424, 148, 236, "act", "drafts, runs safe calls ahead"),
    "reason": Box(424, 264, 236, "reason", "judges each proposal"),
    "settle": Box(676, 206, 150, "plain", "commits or discards"),
    "effects": Box(676, 374, 150, "effects", "fenced calls, once"),
    "deliver": Box(862, 206, 124, "act", "writes the answer"),
    "__end__": Box(962, 206, 0, "end", ""),
}
TALL = 58
WINDOW = (288, 84, 272, 226)

# The line of each edge, and its label with the label's place.
LINES: dict[tuple[str, str], tuple[str, tuple[int, int, str] | None]] = {
    ("__start__", "route"): ("M 55 206 H 97", None),
    ("route", "act"): ("M 253 198 C 278 198 276 148 300 148", None),
    ("route", "reason"): ("M 253 214 C 278 214 276 264 300 264", None),
    ("act", "settle"): ("M 542 148 C 574 148 566 196 595 198", None),
    ("reason", "settle"): ("M 542 264 C 574 264 566 216 595 214", None),
    ("settle", "deliver"): ("M 751 206 H 792", (772, 196, "done")),
    ("deliver", "__end__"): ("M 924 206 H 947", None),
    ("settle", "effects"): ("M 676 235 V 339", (686, 292, "an approved fence")),
    ("settle", "route"): (
        "M 676 177 V 62 Q 676 44 658 44 H 196 Q 178 44 178 62 V 171",
        (427, 36, "next window, with the correction if there is one"),
    ),
    ("effects", "route"): (
        "M 601 384 H 176 Q 158 384 158 366 V 241",
        (389, 402, "the call and its result are committed"),
    ),
    ("route", "effects"): (
        "M 198 235 V 346 Q 198 364 216 364 H 595",
        (389, 356, "what a crash left open comes first"),
    ),
}

STYLE = """
.card { fill: #ffffff; stroke: #d8dee6; }
text { font-family: ui-sans-serif, system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif;
  fill: #1c2733; }
.name { font-size: 17px; font-weight: 600; text-anchor: middle; }
.does, .label { font-size: 12.5px; fill: #566474; }
.does { text-anchor: middle; }
.middle { text-anchor: middle; }
.window { fill: #f5f8fb; stroke: #9fb0c2; stroke-dasharray: 6 5; }
.node { stroke-width: 1.6; }
.plain { fill: #eef2f6; stroke: #8697a8; }
.act { fill: #dff4f8; stroke: #1a8aa3; }
.reason { fill: #f3e4fa; stroke: #9a4fbf; }
.effects { fill: #fdf0d5; stroke: #b9821c; }
.end { fill: #566474; stroke: none; }
.line { fill: none; stroke: #566474; stroke-width: 1.6; }
.chosen { stroke-dasharray: 5 4; }
.talk { fill: none; stroke: #8697a8; stroke-width: 1.4; stroke-dasharray: 1.5 3.5; }
.head { fill: #566474; }
@media (prefers-color-scheme: dark) {
  .card { fill: #0f1724; stroke: #2c3a4d; }
  text { fill: #e3e9f0; }
  .does, .label { fill: #a3b1c1; }
  .window { fill: #142032; stroke: #52647a; }
  .plain { fill: #1d2b3e; stroke: #6c7f95; }
  .act { fill: #0d3640; stroke: #4fc3d9; }
  .reason { fill: #34204a; stroke: #c58be3; }
  .effects { fill: #3d2f10; stroke: #e0b155; }
  .end, .head { fill: #a3b1c1; }
  .line { stroke: #a3b1c1; }
  .talk { stroke: #6c7f95; }
}
"""


def graph_svg(drawable: Any) -> str:
    """Draw a compiled agent.

    Args:
        drawable: `agent.get_graph()`.

    Raises:
        SystemExit: The graph has a node or an edge that nobody has given a place.
    """
    edges = {(edge.source, edge.target): edge.conditional for edge in drawable.edges}
    strange = [name for name in drawable.nodes if name not in BOXES]
    strange += [f"{a} -> {b}" for a, b in edges if (a, b) not in LINES]
    if strange:
        raise SystemExit(f"docs/graph_picture.py has no place for: {', '.join(strange)}")
    x, y, wide, tall = WINDOW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        ' aria-label="The agentlanes state machine">',
        f"<style>{STYLE}</style>",
        '<defs><marker id="head" viewBox="0 0 10 10" refX="4" refY="5" markerWidth="7"'
        ' markerHeight="7" orient="auto-start-reverse"><path class="head" d="M 0 0 L 10 5 L 0 10 z"'
        "/></marker></defs>",
        f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="12"/>',
        f'<rect class="window" x="{x}" y="{y}" width="{wide}" height="{tall}" rx="14"/>',
        f'<text class="label middle" x="{x + wide // 2}" y="{y + 20}">'
        "a window: one superstep</text>",
        '<path class="talk" d="M 400 177 V 228" marker-end="url(#head)"/>',
        '<path class="talk" d="M 448 235 V 184" marker-end="url(#head)"/>',
        '<text class="label" x="392" y="210" text-anchor="end">proposals</text>',
        '<text class="label" x="456" y="210">verdicts</text>',
    ]
    parts += [_line(a, b, chosen) for (a, b), chosen in sorted(edges.items())]
    parts += [_box(name) for name in drawable.nodes]
    parts.append(
        f'<text class="label" x="24" y="{HEIGHT - 18}">solid: always taken; dashed: chosen by the '
        "node; dotted: through the window's exchange, not an edge</text>"
    )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _box(name: str) -> str:
    box = BOXES[name]
    if not box.wide:
        return f'<circle class="{box.look}" cx="{box.x}" cy="{box.y}" r="9"/>'
    return (
        f'<rect class="node {box.look}" x="{box.x - box.wide // 2}" y="{box.y - TALL // 2}"'
        f' width="{box.wide}" height="{TALL}" rx="10"/>'
        f'<text class="name" x="{box.x}" y="{box.y - 3}">{escape(name)}</text>'
        f'<text class="does" x="{box.x}" y="{box.y + 16}">{escape(box.does)}</text>'
    )


def _line(source: str, target: str, chosen: bool) -> str:
    path, label = LINES[source, target]
    drawn = f'<path class="line{" chosen" if chosen else ""}" d="{path}" marker-end="url(#head)"/>'
    if label is None:
        return drawn
    x, y, text = label
    middle = "" if (source, target) == ("settle", "effects") else " middle"
    return f'{drawn}<text class="label{middle}" x="{x}" y="{y}">{escape(text)}</text>'
