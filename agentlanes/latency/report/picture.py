"""The waterfall as one picture without a script: for documents, paper, and pages without scripts.

The page's script draws the same with zoom; both take their places from `layout`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from importlib.resources import files
from itertools import pairwise

from agentlanes.latency.critical import Segment
from agentlanes.latency.report.facts import RunFacts
from agentlanes.latency.report.layout import Bar, LaneRows, Layout
from agentlanes.latency.report.markup import Element, element, number
from agentlanes.latency.spans import Span
from agentlanes.latency.table import format_ms

__all__ = ["hatch", "read_asset", "span_title", "waterfall_picture"]

ROW, GAP, HEAD, AXIS = 26, 4, 22, 26
NARROW, THIN, COLUMN = 2.0, 2.5, 8
LETTER = 6.4
_PLACE = re.compile(r"w(\d+)\.(?:p|draft)(\d+)")
_TITLES = {
    "wait": "waits for a verdict",
    "queue": "queues",
    "retry": "failed attempts",
    "person": "a person is asked",
    "undo": "takes back what ran ahead",
}


def read_asset(name: str) -> str:
    """Read a file of `assets`."""
    return (files(__package__) / "assets" / name).read_text(encoding="utf-8")


def hatch() -> Element:
    """Give the pattern that discarded work is hatched with: once a page, in nothing hidden."""
    lines = element("path", d="M-2 2 L2 -2 M0 8 L8 0 M6 10 L10 6")
    pattern = element(
        "pattern", lines, id="hatch", width="8", height="8", patternUnits="userSpaceOnUse"
    )
    return element("defs", pattern)


def span_title(span: Span) -> str:
    """Say what a person calls a span: a tool by its name, a lane call with its number.

    Example:
        >>> span = {"id": "w2.p3.verdict", "kind": "reason", "name": "verdict", "start_ms": 0.0,
        ...         "end_ms": 9.0, "after": [], "outcome": "committed"}
        >>> span_title(span)
        'verdict 2.3'
    """
    place = _PLACE.match(span["id"])
    numbered = "" if place is None or span["kind"] == "tool" else f"{place[1]}.{place[2]}"
    title = _TITLES.get(span["kind"], span["name"])
    return " ".join(
        filter(None, (numbered, title) if span["kind"] == "wait" else (title, numbered))
    )


def waterfall_picture(
    facts: RunFacts, layout: Layout, *, width: int = 1180, alone: bool = False
) -> Element:
    """Draw a run's waterfall.

    Args:
        facts: The run.
        layout: Where its spans stand.
        width: In pixels.
        alone: Bring style and hatching along, for a file of its own; a page has both already.
    """
    drawing = _Drawing(facts, layout, width)
    title = f"Waterfall of a run of {format_ms(facts.wall_ms)}"
    return element(
        "svg",
        element("style", read_asset("bars.css")) if alone else None,
        hatch() if alone else None,
        element("rect", width=width, height=drawing.height, fill="var(--ground)")
        if alone
        else None,
        drawing.frame(),
        drawing.hops(),
        drawing.bars(),
        drawing.outlines(),
        drawing.headings(),
        class_="fall",
        role="img",
        aria_label=title,
        viewBox=f"0 0 {width} {drawing.height}",
        height=None if alone else drawing.height,
        xmlns="http://www.w3.org/2000/svg" if alone else None,
    )


class _Drawing:
    def __init__(self, facts: RunFacts, layout: Layout, width: int) -> None:
        self.facts, self.layout, self.width = facts, layout, width
        ends = [span["end_ms"] for span in facts.spans]
        self.end = max([*ends, facts.wall_ms or 0.0, 1.0])
        self.tops: dict[str, int] = {}
        top = AXIS
        for lane in layout.lanes:
            self.tops[lane.key] = top
            top += _height(lane)
        self.height = top + 2

    def x(self, ms: float) -> float:
        return ms / self.end * self.width

    def y(self, bar: Bar) -> float:
        return self.tops[bar.lane] + HEAD + bar.row * (ROW + GAP)

    def frame(self) -> Element:
        drawn = element("g")
        for place, lane in enumerate(self.layout.lanes):
            if place % 2 == 0:
                drawn.append(
                    element(
                        "rect",
                        class_="band",
                        y=self.tops[lane.key],
                        width=self.width,
                        height=_height(lane),
                    )
                )
        for ms in _ticks(self.end, self.width / 110):
            x = number(self.x(ms))
            edge = "start" if ms == 0 else "end" if self.x(ms) > self.width - 40 else "middle"
            drawn.append(element("line", class_="grid", x1=x, x2=x, y1=AXIS - 6, y2=self.height))
            drawn.append(
                element("text", _instant(ms), class_="tick", x=x, y="14", text_anchor=edge)
            )
        windows = self.facts.windows[1:]
        for x in map(number, map(self.x, windows if len(windows) < self.width / 24 else ())):
            drawn.append(element("line", class_="window", x1=x, x2=x, y1=AXIS, y2=self.height))
        return drawn

    def headings(self) -> Element:
        return element(
            "g",
            (
                element("text", lane.title, class_="heading", x="8", y=self.tops[lane.key] + 15)
                for lane in self.layout.lanes
            ),
        )

    def bars(self) -> Element:
        return element("g", (self._bar(group) for group in self._groups()))

    def hops(self) -> Element:
        """Draw the critical path from lane to lane; the lines pass under the bars."""
        drawn = element("g")
        for (_, before), (part, y) in pairwise(self._on_path()):
            if before != y:
                upper, lower = min(before, y) + ROW, max(before, y)
                x = number(self.x(part.start_ms))
                drawn.append(element("path", class_="hop", d=f"M{x} {upper}V{lower}"))
        return drawn

    def outlines(self) -> Element:
        """Outline what is on the critical path."""
        drawn = element("g")
        for part, y in self._on_path():
            left, right = self.x(part.start_ms), self.x(part.end_ms)
            if right - left > 1:
                drawn.append(
                    element(
                        "rect",
                        class_="onpath",
                        x=number(left + 1),
                        y=number(y + 1),
                        width=number(max(1.0, right - left - 2)),
                        height=ROW - 2,
                    )
                )
        return drawn

    def _on_path(self) -> list[tuple[Segment, float]]:
        segments = self.facts.path.segments if self.facts.path else []
        if len(segments) > self.width:  # more than can be seen
            return []
        places = {span["id"]: at for at, span in enumerate(self.facts.spans)}
        return [
            (part, self.y(self.layout.bars[places[part.span_id]]))
            for part in segments
            if part.span_id in places
        ]

    def _bar(self, group: Sequence[Bar]) -> Element:
        bar, spans = group[0], [self.facts.spans[bar.span] for bar in group]
        span, many = spans[0], len(group) > 1
        left, right = self.x(span["start_ms"]), self.x(spans[-1]["end_ms"])
        if many:
            left = left // COLUMN * COLUMN
            right = max(left + COLUMN, right)
        wide, high = max(THIN, right - left), ROW * 0.36 if bar.nested else ROW
        y = self.y(bar) + (ROW * 0.64 if bar.nested else 0)
        lost = sum(one["outcome"] == "discarded" for one in spans) / len(spans)
        busy = self.x(sum(one["end_ms"] - one["start_ms"] for one in spans)) / wide
        opacity = number(0.25 + 0.65 * min(1.0, busy)) if many else None
        across = {"x": number(left), "width": number(wide)}
        lower = {"y": number(y + high * (1 - lost)), "height": number(high * lost)}
        title = span_title(span)
        took = format_ms(span["end_ms"] - span["start_ms"])
        looks = ["bar", span["kind"] if bar.nested else bar.lane]
        looks += ["nested"] * bar.nested + ["discarded"] * (lost > 0.5) + ["many"] * many
        label = _fit(span, right - left - 12) if not (many or bar.nested) else ""
        plate = element(
            "rect",
            class_="plate",
            x=number(left + 4),
            y=number(y + 4),
            width=number(len(label) * LETTER + 6),
            height="18",
        )
        return element(
            "g",
            element("title", f"{len(group)} bars" if many else f"{title}: {took}"),
            element(
                "rect",
                class_="fill",
                y=number(y),
                height=number(high),
                fill_opacity=opacity,
                **across,
            ),
            element("rect", class_="hatched", **across, **lower) if lost else None,
            plate if lost and label else None,
            element("text", label, x=number(left + 7), y=number(y + 17)) if label else None,
            class_=" ".join(looks),
        )

    def _groups(self) -> Iterator[list[Bar]]:
        """Give the bars row by row; those too narrow to see go together, a column at a time."""
        spans = self.facts.spans
        ordered = sorted(
            (bar for bar in self.layout.bars if not bar.nested),
            key=lambda bar: (bar.lane, bar.row, spans[bar.span]["start_ms"]),
        )
        group: list[Bar] = []
        for bar in ordered:
            if group and not self._together(group[-1], bar):
                yield group
                group = []
            group.append(bar)
        if group:
            yield group
        for bar in self.layout.bars:
            span = spans[bar.span]
            if bar.nested and self.x(span["end_ms"] - span["start_ms"]) >= NARROW:
                yield [bar]

    def _together(self, before: Bar, bar: Bar) -> bool:
        def column(at: Bar) -> tuple[str, int, float]:
            return at.lane, at.row, self.x(self.facts.spans[at.span]["start_ms"]) // COLUMN

        return column(before) == column(bar) and self._narrow(before) and self._narrow(bar)

    def _narrow(self, bar: Bar) -> bool:
        span = self.facts.spans[bar.span]
        return self.x(span["end_ms"] - span["start_ms"]) < NARROW * 2


def _fit(span: Span, room: float) -> str:
    """Give a bar's title, or where there is no room its number, or a part of the title."""
    title, place, letters = span_title(span), _PLACE.match(span["id"]), int(room / LETTER)
    if len(title) <= letters:
        return title
    if place is not None and span["kind"] != "tool" and len(place[1] + place[2]) < letters:
        return f"{place[1]}.{place[2]}"
    return f"{title[: letters - 1]}…" if letters > 3 else ""


def _height(lane: LaneRows) -> int:
    return HEAD + lane.rows * (ROW + GAP) + 6


def _ticks(end: float, marks: float) -> Iterator[float]:
    rough = end / max(2.0, marks)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(times * power for times in (1, 2, 5, 10) if times * power >= rough)
    for place in range(math.floor(end / step) + 1):
        yield place * step


def _instant(ms: float) -> str:
    if ms >= 60_000:
        return f"{ms // 60_000:.0f}m{ms % 60_000 / 1000:02.0f}s"
    return f"{ms:g} ms" if 0 < ms < 1000 else f"{ms / 1000:g} s"
