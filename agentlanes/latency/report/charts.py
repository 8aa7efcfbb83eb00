"""Small pictures that need no script: shares of a whole, bars to compare, a distribution."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from agentlanes.latency.histogram import Bin
from agentlanes.latency.report.facts import cause_label
from agentlanes.latency.report.markup import Element, element, number
from agentlanes.latency.table import format_ms

__all__ = ["against_table", "percent", "share_bar", "spread", "swatch"]


def share_bar(causes: Mapping[str, float]) -> list[Element]:
    """Show what a time went to: a bar divided by cause, and the same as a list."""
    whole = sum(causes.values()) or 1.0
    bar = element(
        "svg",
        class_="share",
        viewBox="0 0 1000 30",
        preserveAspectRatio="none",
        aria_hidden="true",
    )
    legend = element("ul", class_="legend", aria_label="Where the time went")
    at = 0.0
    for cause, ms in causes.items():
        wide = 1000 * ms / whole
        bar.append(
            element(
                "rect",
                element("title", f"{cause_label(cause)}: {format_ms(ms)}"),
                class_=f"c-{cause}",
                x=number(at),
                y="0",
                width=number(wide),
                height="30",
            )
        )
        at += wide
        legend.append(
            element(
                "li",
                swatch(cause),
                element("b", format_ms(ms)),
                f" {cause_label(cause)} ",
                element("span", percent(ms / whole)),
            )
        )
    return [bar, legend]


def percent(share: float) -> str:
    """Write a share; what is there is never 0%.

    Example:
        >>> percent(0.614), percent(0.002)
        ('61%', '<1%')
    """
    return "<1%" if 0 < share < 0.005 else f"{share:.0%}"


def swatch(cause: str) -> Element:
    """Show a cause's colour next to its name."""
    square = element("rect", class_=f"c-{cause}", width="12", height="12", rx="3")
    return element("svg", square, class_="swatch", viewBox="0 0 12 12", aria_hidden="true")


def against_table(bars: Sequence[tuple[str, float, bool]]) -> Element:
    """Compare times as bars on one scale.

    Args:
        bars: Of each what it is, its milliseconds, and whether it is the run itself.
    """
    most = max((ms for _, ms, _ in bars), default=1.0) or 1.0
    rows = []
    for name, ms, own in bars:
        meter = element(
            "svg",
            element("rect", class_="track", width="100%", height="14", rx="4"),
            element(
                "rect",
                class_="run-bar" if own else "other-bar",
                width=f"{number(100 * ms / most)}%",
                height="14",
                rx="4",
            ),
            aria_hidden="true",
        )
        rows.append(
            element(
                "tr",
                element("th", name, scope="row"),
                element("td", meter, class_="meter"),
                element("td", format_ms(ms)),
                class_="this" if own else None,
            )
        )
    caption = element("caption", "Times on one scale", class_="hidden")
    return element("table", caption, element("tbody", rows), class_="against")


def spread(bins: Sequence[Bin], low_ms: float, high_ms: float) -> Element:
    """Draw a distribution on a logarithmic scale from `low_ms` to `high_ms`."""
    left, right = math.log(low_ms), math.log(max(high_ms, low_ms * 1.01))
    most = max((each.count for each in bins), default=1)
    drawn = element(
        "svg",
        element("line", x1="0", x2="180", y1="25.5", y2="25.5"),
        class_="spread",
        viewBox="0 0 180 26",
        preserveAspectRatio="none",
        aria_hidden="true",
    )
    for each in bins:
        if not each.count or each.to_ms <= low_ms:
            continue
        start = 180 * (math.log(max(each.from_ms, low_ms)) - left) / (right - left)
        end = 180 * (math.log(each.to_ms) - left) / (right - left)
        high = max(1.5, 24 * each.count / most)
        drawn.append(
            element(
                "rect",
                x=number(start + 0.5),
                y=number(25 - high),
                width=number(max(1.0, end - start - 1)),
                height=number(high),
            )
        )
    return drawn
