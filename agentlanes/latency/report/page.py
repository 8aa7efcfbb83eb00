"""One page that shows runs: self-contained, no network, and readable without a script."""

from __future__ import annotations

from collections.abc import Iterator

from agentlanes import __version__
from agentlanes.latency.report.charts import share_bar
from agentlanes.latency.report.facts import totals
from agentlanes.latency.report.markup import Element, element, hash_source, render
from agentlanes.latency.report.picture import hatch, read_asset
from agentlanes.latency.report.run_section import card, run_section, title_of
from agentlanes.latency.report.summary import GROUPINGS, Report
from agentlanes.latency.report.tables import (
    changes_table,
    levels_table,
    quantiles_table,
    runs_table,
)

__all__ = ["MAX_BYTES", "report_page"]

MAX_BYTES = 5_000_000
"""A page stays below this."""

OVERHEAD = 300_000  # style, script, and tables over all runs
ROW_BYTES = 500  # a row in the table of runs

STYLES = ("bars.css", "page.css")
SCRIPTS = ("dom.js", "drawing.js", "waterfall.js", "lists.js", "page.js")


def report_page(report: Report, *, max_bytes: int = MAX_BYTES) -> str:
    """Write the page.

    The policy in its head lets nothing be loaded and no script run but the page's own, which is
    named by its hash; so text that should slip through the escaping still could not act.

    Args:
        report: What it says.
        max_bytes: Its limit. Where there is no room for all runs, the later ones lose their
            waterfall, then their part of the page; the table of runs has them all.

    Raises:
        ValueError: There is no run to show.
    """
    if not report.runs:
        raise ValueError("a report needs at least one run")
    style = "\n".join(read_asset(name) for name in STYLES)
    script = "\n".join(read_asset(name) for name in SCRIPTS)
    policy = (
        f"default-src 'none'; script-src {hash_source(script)}; style-src {hash_source(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    )
    first, rest = report.title
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{first}; {rest}" if rest else first),
        element("link", rel="icon", href="data:,"),
        _raw("style", style),
    )
    body = element(
        "body",
        element("a", "Skip to the report", class_="skip", href="#report"),
        element("svg", hatch(), class_="defs fall", width="0", height="0", aria_hidden="true"),
        _top(),
        element("main", _main(report, max_bytes), id="report", tabindex="-1"),
        _footer(),
        _raw("script", script),
    )
    return f"<!doctype html>\n{render(element('html', head, body, lang='en'))}\n"


def _top() -> Element:
    return element(
        "header",
        element("div", "agentlanes ", element("span", "latency report"), class_="brand"),
        element("span", class_="spring"),
        element("button", "Dark", type="button", id="theme", hidden=True),
        class_="top",
    )


def _main(report: Report, max_bytes: int) -> Iterator[Element]:
    """Give the report's parts: with several runs what is about all of them comes first."""
    if len(report.runs) == 1:
        yield run_section(report.runs[0], 0, alone=True)
        yield from _across(report)
        return
    sections = list(_sections(report, max_bytes))
    yield title_of(*report.title)
    yield element("p", "Sums over all runs, never averages of shares.", class_="about")
    if causes := totals(report.runs):
        yield card("Where the time went", share_bar(causes))
    yield card("Runs", [runs_table(report.runs, shown=len(sections))])
    yield from _across(report)
    yield from sections


def _sections(report: Report, max_bytes: int) -> Iterator[Element]:
    """Give a part a run, as long as there is room: without its waterfall where that is too much."""
    room = max_bytes - OVERHEAD - ROW_BYTES * len(report.runs)
    for place, facts in enumerate(report.runs):
        for whole in (True, False):
            made = run_section(facts, place, alone=False, whole=whole)
            size = len(render(made).encode("utf-8", "replace"))
            if size <= room:
                break
        else:
            return
        room -= size
        yield made


def _across(report: Report) -> Iterator[Element]:
    if report.changes:
        yield card("Before and after", [changes_table(report)])
    yield card("Service levels", [levels_table(report)])
    tables = [
        quantiles_table(grouping, report.latencies.get(grouping, {})) for grouping in GROUPINGS
    ]
    shown = [each for each in tables if each is not None]
    if report.missing:
        yield card("Distributions", [element("p", report.missing, class_="note")])
    if shown:
        note = (
            "Quantiles of all calls together, within 0.1%. A call that took longer than nine in "
            "ten others is past p90."
        )
        yield card("Distributions", [element("p", note, class_="note"), *shown])


def _footer() -> Element:
    return element(
        "footer",
        f"Made by agentlanes {__version__} from run files. This page loads nothing and sends "
        "nothing.",
    )


def _raw(tag: str, text: str) -> Element:
    """Hold the package's own style or script, written as it is."""
    made = element(tag)
    made.text = text
    return made
