"""The page as text: self-contained, escaped, accessible in its structure, small."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from agentlanes.latency.jsonl import read_run, read_runs
from agentlanes.latency.report.markup import hash_source
from agentlanes.latency.report.page import MAX_BYTES, report_page
from agentlanes.latency.report.picture import read_asset
from agentlanes.latency.report.summary import gather
from tests.latency.made import write_run
from tests.latency.report.test_markup import Reader

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>'\"&\x1b"


def page_of(*paths: Path) -> str:
    return report_page(gather([read_run(path) for path in paths]))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return page_of(write_run(tmp_path_factory.mktemp("runs"), "one", steps=40, seed=5))


def test_nothing_is_loaded_from_anywhere(page: str) -> None:
    read = Reader(page)
    for tag, given in read.tags:
        assert "src" not in given
        assert tag not in ("iframe", "object", "embed", "img", "form", "base")
        if "href" in given:
            assert str(given["href"]).startswith(("#", "data:,"))
    outside = {
        url for url in re.findall(r"https?://[^\s\"'<>]+", page) if "w3.org/2000/svg" not in url
    }
    assert outside == set()


def test_the_policy_names_exactly_the_style_and_the_script_of_the_page(page: str) -> None:
    read = Reader(page)
    policy = next(given["content"] or "" for _, given in read.tags if given.get("http-equiv"))
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.S)
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.S)
    assert f"script-src {hash_source(script)};" in policy
    assert f"style-src {hash_source(style)};" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert not any("style" in given for _, given in read.tags)
    assert not [name for _, given in read.tags for name in given if name.startswith("on")]


def test_what_endpoints_and_tools_say_is_text(tmp_path: Path) -> None:
    path = write_run(tmp_path, "evil", tools=(EVIL,), model=EVIL, answer=EVIL)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        line.update({"graph": EVIL} if line["type"] == "run" else {})
        line.update({"reason": EVIL} if line["type"] == "verdict" else {})
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    harmless = Reader(page_of(write_run(tmp_path, "harmless")))
    read = Reader(page_of(path))
    kinds = {tag for tag, _ in harmless.tags}
    assert {tag for tag, _ in read.tags} <= kinds
    count = sum(tag == "script" for tag, _ in read.tags)
    assert count == sum(tag == "script" for tag, _ in harmless.tags)


def test_headings_tables_and_names_make_sense_without_eyes(page: str) -> None:
    read = Reader(page)
    levels = [int(tag[1]) for tag, _ in read.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    tags = [tag for tag, _ in read.tags]
    assert tags.count("caption") == tags.count("table") >= 5
    assert all("scope" in given for tag, given in read.tags if tag == "th")
    for tag, given in read.tags:
        if tag == "svg":
            assert given.get("aria-hidden") == "true" or given.get("aria-label")
        if tag == "button":
            assert given.get("aria-label") or given.get("id") == "theme"
    ids = [given["id"] for _, given in read.tags if "id" in given]
    assert len(ids) == len(set(ids))
    assert all(given.get("aria-labelledby") in (None, *ids) for _, given in read.tags)
    assert ("html", {"lang": "en"}) in read.tags
    assert any(
        given.get("class") == "skip" and given.get("href") == "#report" for _, given in read.tags
    )


def test_several_runs_have_a_part_each_and_links_to_it(tmp_path: Path) -> None:
    for number in range(4):
        write_run(tmp_path, f"r{number}", seed=number)
    read = Reader(report_page(gather(list(read_runs(tmp_path)))))
    ids = {given.get("id") for _, given in read.tags}
    links = [given["href"] for tag, given in read.tags if tag == "a" and "data-run" in given]
    assert links == [f"#run-{number}" for number in range(4)]
    assert {str(link)[1:] for link in links} <= ids
    assert [tag for tag, _ in read.tags].count("h1") == 1
    named = [given["id"] for _, given in read.tags if "id" in given]
    assert len(named) == len(set(named))


def test_five_thousand_steps_stay_under_the_limit(tmp_path: Path) -> None:
    size = len(page_of(write_run(tmp_path, "big", steps=5000)).encode())
    assert size < 2_500_000 < MAX_BYTES


def test_a_page_without_room_leaves_out_waterfalls_and_then_runs(tmp_path: Path) -> None:
    large = read_run(write_run(tmp_path, "large", steps=300))
    small = read_run(write_run(tmp_path, "small"))
    page = report_page(gather([large] * 6 + [small]), max_bytes=600_000)
    assert len(page.encode()) < 600_000
    left_out = page.count("page would grow too large")
    drawn = page.count("Plan and verdicts</h")
    assert left_out > 0
    assert drawn > 0
    assert left_out + drawn == 7
    many = report_page(gather([small] * 60), max_bytes=500_000)
    assert len(many.encode()) < 500_000
    assert "the page has no room for more than the first" in many


def test_no_run_is_no_report() -> None:
    with pytest.raises(ValueError, match="at least one run"):
        report_page(gather([]))


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, relative luminance and contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (
            p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1, 2])
def test_colours_can_be_told_apart_from_what_they_stand_on(theme: int) -> None:
    blocks = re.findall(r"\{([^{}]*--ground:[^{}]*)\}", read_asset("bars.css"))
    assert len(blocks) == 3
    known = dict(re.findall(r"--([\w-]+): (#\w+)", blocks[0]))
    known |= dict(re.findall(r"--([\w-]+): (#\w+)", blocks[theme]))
    assert blocks[1].split() == blocks[2].split()
    for bar in ("act", "tool", "effect", "reason", "queue", "retry", "undo", "person"):
        assert contrast(known[bar], known["on-bar"]) >= 4.5, bar
        assert contrast(known[bar], known["ground"]) >= 3, bar
        assert contrast(known[bar], known["path"]) >= 3, bar
    for text in ("ink", "soft"):
        assert contrast(known[text], known["ground"]) >= 4.5
        assert contrast(known[text], known["band"]) >= 4.5
    for sign in ("wait", "framework"):
        assert contrast(known[sign], known["ground"]) >= 3
