"""The page in a real browser: drawn right, quiet, and to be used by key and without eyes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentlanes.latency.jsonl import LoggedRun, read_run
from agentlanes.latency.report.page import report_page
from agentlanes.latency.report.summary import gather
from tests.latency.made import write_run
from tests.latency.report.browser import Browser, Tab, find_chromium
from tests.latency.report.test_page import EVIL

CHROMIUM = find_chromium()
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="needs a Chromium: apt-get install chromium"
)

BARS = """[...document.querySelectorAll('.plot .bar:not(.many):not(.nested)')].map((bar) => {
  const box = bar.querySelector('.fill');
  const [x, width] = ['x', 'width'].map((name) => +box.getAttribute(name));
  return [+bar.dataset.span, x, width, bar.classList.contains('discarded')];
})"""
PLOT_WIDTH = "document.querySelector('.plot svg').viewBox.baseVal.width"
FOCUSED = "document.activeElement.getAttribute('aria-label')"
RANGE = "document.querySelector('.range').textContent"
LABEL = "document.querySelector('.bar[tabindex=\"0\"]').focus()"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM is not None
    with Browser(CHROMIUM) as one:
        yield one


@pytest.fixture
def tab(browser: Browser) -> Iterator[Tab]:
    with browser.tab() as one:
        one.size(1400, 1000)
        yield one


def show(tab: Tab, tmp_path: Path, *paths: Path, scripts: bool = True) -> list[LoggedRun]:
    runs = [read_run(path) for path in paths]
    page = tmp_path / "page.html"
    page.write_text(report_page(gather(runs)), encoding="utf-8")
    tab.open(page.as_uri(), scripts=scripts)
    return runs


def test_every_bar_stands_where_its_span_does(tab: Tab, tmp_path: Path) -> None:
    (run,) = show(tab, tmp_path, write_run(tmp_path, "r", steps=24, seed=5))
    spans = [span for record in run.steps for span in record["spans"]]
    assert run.result is not None
    scale = tab.run(PLOT_WIDTH) / run.result["wall_ms"]
    bars = tab.run(BARS)
    assert len(bars) > 30
    for at, x, width, lost in bars:
        took = spans[at]["end_ms"] - spans[at]["start_ms"]
        assert x == pytest.approx(spans[at]["start_ms"] * scale, abs=0.05)
        assert width == pytest.approx(max(2.5, took * scale), abs=0.05)
        assert lost == (spans[at]["outcome"] == "discarded")
    tab.run("document.querySelector('[data-act=in]').click()")
    half = {at: (x, width) for at, x, width, _ in tab.run(BARS)}
    whole = {at: (x, width) for at, x, width, _ in bars}
    inside = [at for at in half if half[at][0] > 0 and sum(half[at]) < tab.run(PLOT_WIDTH)]
    assert inside
    assert all(
        half[at][1] == pytest.approx(2 * whole[at][1], abs=0.2) for at in inside if whole[at][1] > 3
    )
    assert tab.complaints == []


def test_five_thousand_steps_are_drawn_with_few_elements(tab: Tab, tmp_path: Path) -> None:
    show(tab, tmp_path, write_run(tmp_path, "big", steps=5000))
    assert tab.run("performance.getEntriesByName('first-contentful-paint').length") == 1
    assert tab.run("document.querySelectorAll('*').length") < 8000
    assert tab.run("document.querySelectorAll('.steps tbody tr').length") == 100
    shown = tab.run(
        "[...document.querySelectorAll('.plot .bar')].flatMap((b) => [b.dataset.span]).length"
    )
    assert shown > 200
    tab.run("for (let n = 0; n < 9; n += 1) document.querySelector('[data-act=in]').click()")
    assert tab.run("document.querySelectorAll('.plot .many').length") == 0
    assert tab.complaints == []
    assert len(tab.requests) == 1  # the page, and nothing besides


def test_everything_can_be_done_by_key(tab: Tab, tmp_path: Path) -> None:
    show(tab, tmp_path, write_run(tmp_path, "r", steps=24, seed=5))
    tab.press("Tab")
    assert tab.run("document.activeElement.textContent") == "Skip to the report"
    tab.run(LABEL)
    assert tab.run(FOCUSED).startswith("Act lane: draft 0.0, from 4.0 ms, takes ")
    tab.press("ArrowRight")
    assert tab.run(FOCUSED).startswith("Act lane: draft 0.1,")
    tab.press("ArrowDown")
    assert tab.run(FOCUSED).startswith("Tools, ahead of their verdicts: ")
    tab.press("ArrowUp")
    tab.press("Home")
    tab.press("n")
    assert tab.run(FOCUSED).startswith("Tools, ahead of their verdicts: read_file")
    assert "on the critical path" in tab.run(FOCUSED)
    tab.press("Enter")
    assert tab.run("document.activeElement.getAttribute('aria-pressed')") == "true"
    details = tab.run("document.querySelector('.detail').textContent")
    assert "read_file" in details
    assert "approved by reason" in details
    whole = tab.run(RANGE)
    tab.press("+")
    assert tab.run(RANGE) != whole
    zoomed = tab.run(RANGE)
    tab.press("ArrowRight", shift=True)
    assert tab.run(RANGE) != zoomed
    assert tab.run("document.querySelector('.plot').contains(document.activeElement)")
    tab.press("0")
    assert tab.run(RANGE) == whole
    tab.press("Escape")
    assert tab.run("document.querySelectorAll('[aria-pressed=true]').length") == 0
    tab.press("End")
    assert "answer" in tab.run(FOCUSED)
    assert tab.complaints == []


def test_the_waterfall_moves_with_the_mouse(tab: Tab, tmp_path: Path) -> None:
    show(tab, tmp_path, write_run(tmp_path, "r", steps=24, seed=5))
    tab.run("document.querySelector('.plot').scrollIntoView({ block: 'center' })")
    at = "JSON.stringify(document.querySelector('{}').getBoundingClientRect())"
    plot, strip = (json.loads(tab.run(at.format(part))) for part in (".plot svg", ".overview"))
    x, y = plot["x"] + plot["width"] / 2, plot["y"] + plot["height"] / 2
    whole = tab.run(RANGE)
    tab.mouse("mouseWheel", x, y, deltaX=0, deltaY=-200, modifiers=2)  # with Ctrl
    zoomed = tab.run(RANGE)
    assert zoomed != whole
    tab.mouse("mousePressed", x, y)
    tab.mouse("mouseMoved", x - 120, y)
    tab.mouse("mouseReleased", x - 120, y)
    panned = tab.run(RANGE)
    assert panned not in (zoomed, whole)
    assert tab.run("document.querySelectorAll('[aria-pressed=true]').length") == 0  # no click
    left, right = strip["x"] + strip["width"] / 4, strip["x"] + strip["width"] / 2
    for kind, place in (("mousePressed", left), ("mouseMoved", right), ("mouseReleased", right)):
        tab.mouse(kind, place, strip["y"] + strip["height"] / 2)
    part = tab.run(RANGE)
    assert part == "4.15 s to 8.31 s of 16.6 s"
    tab.mouse("mouseWheel", x, y, deltaX=0, deltaY=200)  # alone it scrolls the page
    tab.run("new Promise((done) => setTimeout(done, 50))")
    assert tab.run(RANGE) == part
    assert tab.complaints == []


def test_a_screen_reader_is_told_what_is_there(tab: Tab, tmp_path: Path) -> None:
    show(tab, tmp_path, write_run(tmp_path, "r", steps=12, seed=5))
    nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
    found: dict[str, list[str]] = {}
    for node in nodes:
        if not node["ignored"]:
            name = node.get("name", {}).get("value", "")
            found.setdefault(node["role"]["value"], []).append(name)
    assert all(found["button"])
    assert any(name.startswith("Reason lane: verdict 0.0") for name in found["button"])
    assert len(found["heading"]) >= 8
    assert len(found["table"]) >= 5
    assert all(found["table"])
    assert found["main"]
    assert "By lane, with what ran at the same time counted in each" in found["table"]


def test_what_a_run_says_cannot_act(tab: Tab, tmp_path: Path) -> None:
    path = write_run(tmp_path, "evil", steps=12, tools=(EVIL,), model=EVIL)
    text = path.read_text(encoding="utf-8").replace("as asked", "<img src=x onerror=alert(3)>")
    path.write_text(text, encoding="utf-8")
    show(tab, tmp_path, path)
    assert tab.run("document.querySelectorAll('script').length") == 1
    assert tab.run("document.querySelectorAll('img').length") == 0
    assert "<img src=x onerror=alert(3)>" in tab.run(
        "document.querySelector('.verdicts').textContent"
    )
    assert "alert(1)" in tab.run(
        "document.querySelector('.spreads:nth-of-type(1)').closest('.card').textContent"
    )
    assert tab.complaints == []
    # Should something slip through all the same, it may neither act nor ask for anything.
    handler = "try { document.body.setAttribute('onclick', 'x'); } catch (error) { error.name }"
    assert tab.run(handler) == "TypeError"
    tab.run("document.body.append(Object.assign(new Image(), { src: 'http://127.0.0.1:9/x' }))")
    tab.run("new Promise((done) => setTimeout(done, 50))")
    assert any("Content Security Policy" in text for text in tab.complaints)
    assert tab.blocked == ["csp"]


def test_themes_follow_the_system_and_can_be_switched(tab: Tab, tmp_path: Path) -> None:
    path = write_run(tmp_path, "r", steps=12)

    def ground() -> Any:
        return tab.run("getComputedStyle(document.querySelector('.card')).backgroundColor")

    tab.prefer(prefers_color_scheme="dark")
    show(tab, tmp_path, path)
    dark = ground()
    tab.run("document.getElementById('theme').click()")
    light = ground()
    assert (dark, light) == ("rgb(19, 27, 36)", "rgb(255, 255, 255)")
    assert "dark theme" in tab.run("document.getElementById('theme').getAttribute('aria-label')")


def test_a_page_without_scripts_still_shows_the_run(tab: Tab, tmp_path: Path) -> None:
    path = write_run(tmp_path, "r", steps=12)
    show(tab, tmp_path, path, scripts=False)
    assert tab.run("document.querySelectorAll('.plot .bar .fill').length") > 10
    assert tab.run("document.querySelector('.tools').checkVisibility()") is False


def test_choosing_a_run_shows_it_alone(tab: Tab, tmp_path: Path) -> None:
    show(tab, tmp_path, *(write_run(tmp_path, f"r{n}", seed=n) for n in range(3)))
    shown = """[...document.querySelectorAll('.run')].filter((run) => run.checkVisibility())
      .map((run) => run.id)"""
    assert tab.run(shown) == ["run-0"]
    tab.run("document.querySelector('[data-run=run-2]').click()")
    tab.run("new Promise((done) => setTimeout(done, 50))")
    assert tab.run(shown) == ["run-2"]
    assert tab.run("document.querySelectorAll('#run-2 .plot .bar[role=button]').length") > 5
    assert tab.complaints == []
