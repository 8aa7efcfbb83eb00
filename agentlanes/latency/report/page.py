"""One page that shows runs: self-contained, no network, and readable without a script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agentlanes import __version__
from agentlanes.latency.report.charts import against_table, share_bar
from agentlanes.latency.report.facts import RunFacts, totals
from agentlanes.latency.report.headline import headline, headline_of_all
from agentlanes.latency.report.layout import lay_out
from agentlanes.latency.report.markup import (
    Child,
    Element,
    data_block,
    element,
    hash_source,
    render,
)
from agentlanes.latency.report.picture import read_asset, waterfall_picture
from agentlanes.latency.report.run_data import run_data
from agentlanes.latency.report.summary import GROUPINGS, Report
from agentlanes.latency.report.tables import (
    changes_table,
    lanes_table,
    levels_table,
    path_table,
    quantiles_table,
    runs_table,
    started,
)

__all__ = ["MAX_BYTES", "report_page"]

MAX_BYTES = 5_000_000
"""A page stays below this; runs for which there is no room are in its tables only."""

STYLES = ("bars.css", "page.css")
SCRIPTS = ("dom.js", "drawing.js", "waterfall.js", "lists.js", "page.js")


def report_page(report: Report) -> str:
    """Write the page.

    The policy in its head lets nothing be loaded and no script run but the page's own, which is
    named by its hash; so text that should slip through the escaping still could not act.

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
        _top(),
        element("main", _overview(report), _run_parts(report), id="report", tabindex="-1"),
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


def _overview(report: Report) -> Iterator[Element]:
    """Give what is about all runs: shown where there are several, or anything to say of them."""
    several = len(report.runs) > 1
    if several:
        yield _h1(*headline_of_all(report.runs))
        yield element("p", "Sums over all runs, never averages of shares.", class_="about")
        if causes := totals(report.runs):
            yield _card("Where the time went", share_bar(causes))
        yield _card("Runs", [runs_table(report.runs)])
        yield from _across(report)


def _across(report: Report) -> Iterator[Element]:
    if report.changes:
        yield _card("Before and after", [changes_table(report)])
    yield _card("Service levels", [levels_table(report)])
    tables = [
        quantiles_table(grouping, report.latencies.get(grouping, {})) for grouping in GROUPINGS
    ]
    shown = [each for each in tables if each is not None]
    if report.missing:
        yield _card("Distributions", [element("p", report.missing, class_="note")])
    if shown:
        note = (
            "Quantiles of all calls together, within 0.1%. A call that took longer than nine in "
            "ten others is past p90."
        )
        yield _card("Distributions", [element("p", note, class_="note"), *shown])


def _run_parts(report: Report) -> Iterator[Element]:
    room = MAX_BYTES - 400_000
    several = len(report.runs) > 1
    for place, facts in enumerate(report.runs):
        made = _run(facts, place, heading="h2" if several else "h1", whole=True)
        size = len(render(made).encode())
        if size > room:
            made = _run(facts, place, heading="h2" if several else "h1", whole=False)
            size = len(render(made).encode())
        room -= size
        yield made
    if not several:
        yield from _across(report)


def _run(facts: RunFacts, place: int, *, heading: str, whole: bool) -> Element:
    layout = lay_out(facts.spans)
    first, rest = headline(facts)
    title = _h1(first, rest, heading)
    title.set("id", f"title-{place}")
    parts: list[Child] = [title, _about(facts)]
    if facts.path is not None:
        parts.append(_where(facts))
        if whole:
            parts.append(_waterfall(facts, waterfall_picture(facts, layout), place))
        else:
            parts.append(_too_much())
    else:
        parts.append(_no_spans())
    tables = [_card("Lanes", [lanes_table(facts)])]
    parts += tables
    if path := path_table(facts):
        parts.append(_card("Critical path", [path]))
    if whole:
        parts += [_steps(), data_block(run_data(facts, layout))]
    return element(
        "section", parts, class_="run", id=f"run-{place}", aria_labelledby=f"title-{place}"
    )


def _h1(first: str, rest: str, tag: str = "h1") -> Element:
    return element(tag, first, element("span", f"; {rest}", class_="rest") if rest else None)


def _about(facts: RunFacts) -> Element:
    known = [
        ("graph", facts.run.graph or "unknown"),
        ("run", facts.run.run_id),
        ("started", started(facts)),
        ("steps", str(len(facts.records))),
        ("ended", facts.run.status),
    ]
    return element(
        "p",
        (element("span", f"{name} ", element("b", value)) for name, value in known),
        class_="about",
    )


def _where(facts: RunFacts) -> Element:
    note = (
        "Every millisecond of the run counts once, for what the run could not have gone on "
        "without: its critical path."
    )
    compared = []
    if facts.against is not None and facts.wall_ms is not None:
        rows = [
            ("every verdict awaited", facts.against.serial_ms, False),
            ("this run", facts.wall_ms, True),
            ("perfect overlap", facts.against.bound_ms, False),
        ]
        why = "What the same steps would have taken otherwise, worked out from their times."
        said = element("p", why, class_="note")
        compared.append(_card("Against other ways to run it", [said, against_table(rows)]))
    shares = _card(
        "Where the time went", [element("p", note, class_="note"), *share_bar(facts.causes)]
    )
    return element("div", shares, compared, class_="pair")


def _waterfall(facts: RunFacts, picture: Element, place: int) -> Element:
    buttons = [
        ("in", "+", "Zoom in"),
        ("out", "\u2212", "Zoom out"),
        ("fit", "Fit", "Show the whole run"),
        ("left", "◂", "Earlier"),
        ("right", "▸", "Later"),
    ]
    tools = element(
        "div",
        (
            element("button", text, type="button", data_act=act, aria_label=name, title=name)
            for act, text, name in buttons
        ),
        element("span", class_="range", role="status"),
        class_="tools scripted",
        hidden=True,
        role="group",
        aria_label="Zoom",
    )
    overview = element(
        "svg", class_="fall overview scripted", preserveAspectRatio="none", aria_hidden="true"
    )
    overview.set("hidden", "")
    plot = element("div", picture, class_="plot", role="group", aria_label="Waterfall by lane")
    keys = element(
        "p",
        *_keys(),
        class_="keys scripted",
        hidden=True,
    )
    side = element(
        "aside",
        element(
            "div",
            element("p", "Choose a bar to see what it was."),
            class_="detail",
            aria_live="polite",
        ),
        element("h3", "Plan and verdicts", id=f"verdicts-{place}"),
        None
        if facts.proposals
        else element("p", "This run's file does not hold them.", class_="note"),
        element("ul", class_="verdicts", aria_labelledby=f"verdicts-{place}", tabindex="0"),
        element("noscript", "The list needs scripts; the run's file has it too."),
        class_="side",
        aria_label="Details",
    )
    note = (
        "Bars on one clock. Hatched: discarded. Dashed: waiting. Outlined: the critical path, "
        "which is also the strip on top."
    )
    bench = element("div", element("div", tools, overview, plot, keys), side, class_="bench")
    return _card("Waterfall", [element("p", note, class_="note"), bench])


def _keys() -> Iterator[Child]:
    known = [
        ("← →", "bars of a lane"),
        ("↑ ↓", "lanes"),
        ("n p", "critical path"),
        ("Enter", "details"),
        ("+ - 0", "zoom"),
        ("Shift ← →", "pan"),
    ]
    for keys, text in known:
        for key in keys.split(" "):
            yield element("kbd", key)
            yield " "
        yield f"{text}   "
    yield "Drag to pan; Ctrl and wheel to zoom; drag on the strip to choose a part."


def _steps() -> Element:
    orders = [
        ("time", "as they came"),
        ("slow", "slowest first"),
        ("wait", "longest wait first"),
        ("lost", "discarded only"),
        ("late", "late only"),
    ]
    order = element("select", (element("option", name, value=value) for value, name in orders))
    words = ("node", "model", "outcome")
    names = ["step", "window", "node", "model", "at", "first", "call", "tool", "wait", "saved"]
    names += ["wasted", "tokens", "outcome"]
    heads = (
        element("th", name, scope="col", class_="w" if name in words else None) for name in names
    )
    made = element(
        "table",
        element("caption", "Step records", class_="hidden"),
        element("thead", element("tr", heads)),
        element("tbody"),
    )
    scrolled = element(
        "div", made, class_="scroll", tabindex="0", role="group", aria_label="Step records"
    )
    body = element(
        "div",
        element("p", element("label", "Order ", order), class_="note"),
        scrolled,
        class_="steps scripted",
        hidden=True,
    )
    lost = element("noscript", "The list of steps needs scripts; `--json` writes it too.")
    return _card("Steps", [body, lost])


def _no_spans() -> Element:
    text = (
        "This run was recorded without spans (schema 1), so there is no waterfall and no critical "
        "path. Runs recorded by this release have both."
    )
    return _card("Waterfall", [element("p", text, class_="note")])


def _too_much() -> Element:
    text = (
        f"With this run's waterfall the page would grow beyond {MAX_BYTES / 1e6:.0f} MB. Report "
        "on fewer runs to see it."
    )
    return _card("Waterfall", [element("p", text, class_="note")])


def _footer() -> Element:
    return element(
        "footer",
        f"Made by agentlanes {__version__} from run files. This page loads nothing and sends "
        "nothing.",
    )


def _card(title: str, content: Sequence[Child]) -> Element:
    return element("section", element("h2", title), content, class_="card")


def _raw(tag: str, text: str) -> Element:
    """Hold the package's own style or script, written as it is."""
    made = element(tag)
    made.text = text
    return made
