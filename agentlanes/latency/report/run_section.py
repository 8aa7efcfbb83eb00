"""A run's part of the page: where its time went, its waterfall, its lanes and its steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agentlanes.latency.counterfactual import Counterfactuals
from agentlanes.latency.report.charts import against_table, share_bar
from agentlanes.latency.report.facts import RunFacts
from agentlanes.latency.report.headline import headline
from agentlanes.latency.report.kv import kv_notes
from agentlanes.latency.report.layout import lay_out
from agentlanes.latency.report.markup import Child, Element, data_block, element
from agentlanes.latency.report.picture import waterfall_picture
from agentlanes.latency.report.run_data import run_data
from agentlanes.latency.report.tables import (
    cost_table,
    kv_table,
    lanes_table,
    path_table,
    short_id,
    started,
)

__all__ = ["card", "run_section", "title_of"]

NO_SPANS = (
    "This run was recorded without spans (schema 1), so there is no waterfall and no critical "
    "path. Runs recorded by this release have both."
)
NO_ROOM = "With this run's waterfall the page would grow too large. Report on fewer runs to see it."


def run_section(facts: RunFacts, place: int, *, alone: bool, whole: bool = True) -> Element:
    """Make a run's part of the page.

    Args:
        facts: The run.
        place: Its number on the page, which its id has.
        alone: It is the page's only run, so that its headline is the page's.
        whole: With the waterfall and the list of steps, which take most of the room.
    """
    layout, level = lay_out(facts.spans), 2 if alone else 3
    first, rest = headline(facts)
    title = title_of(first if alone else f"{short_id(facts)}: {first}", rest, level - 1)
    title.set("id", f"title-{place}")
    parts: list[Child] = [title, _about(facts)]
    if facts.path is None:
        parts.append(card("Waterfall", [element("p", NO_SPANS, class_="note")], level))
    else:
        parts.append(_where(facts, level))
        picture = waterfall_picture(facts, layout) if whole else None
        parts.append(_waterfall(facts, picture, place, level))
    parts.append(card("Lanes", [lanes_table(facts)], level))
    if path := path_table(facts):
        parts.append(card("Critical path", [path], level))
    if facts.against is not None:
        parts.append(card("Cost", _cost(facts.against), level))
    if facts.economy.lanes:
        notes = [element("p", note, class_="note") for note in kv_notes(facts.economy)]
        parts.append(card("Context and KV cache", [kv_table(facts.economy), *notes], level))
    if whole:
        parts += [_steps(level), data_block(run_data(facts, layout))]
    return element(
        "section", parts, class_="run", id=f"run-{place}", aria_labelledby=f"title-{place}"
    )


def title_of(first: str, rest: str, level: int = 1) -> Element:
    """Make a headline whose beginning is what counts most."""
    more = element("span", f"; {rest}", class_="rest") if rest else None
    return element(f"h{level}", first, more, class_="headline")


def card(title: str, content: Sequence[Child], level: int = 2) -> Element:
    """Make a part of the page with a heading."""
    return element("section", element(f"h{level}", title), content, class_="card")


def _about(facts: RunFacts) -> Element:
    known = [
        ("graph", facts.graph or "unknown"),
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


def _where(facts: RunFacts, level: int) -> Element:
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
        compared.append(card("Against other ways to run it", [said, against_table(rows)], level))
    shares = card(
        "Where the time went",
        [element("p", note, class_="note"), *share_bar(facts.causes)],
        level,
    )
    return element("div", shares, compared, class_="pair")


def _cost(against: Counterfactuals) -> list[Element]:
    made = [cost_table(against)]
    if against.spent.cost_usd is None:
        text = "The cost is unknown without the price of each model: --prices FILE.toml."
        made.append(element("p", text, class_="note"))
    return made


def _waterfall(facts: RunFacts, picture: Element | None, place: int, level: int) -> Element:
    if picture is None:
        return card("Waterfall", [element("p", NO_ROOM, class_="note")], level)
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
        element(f"h{level + 1}", "Plan and verdicts", id=f"verdicts-{place}"),
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
    return card("Waterfall", [element("p", note, class_="note"), bench], level)


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


def _steps(level: int) -> Element:
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
    return card("Steps", [body, lost], level)
