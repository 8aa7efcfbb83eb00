"""What the README and the docs say: their code runs, their commands exist, their links lead on."""

from __future__ import annotations

import ast
import inspect
import json
import re
import shlex
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from agentlanes import Lane, build_agent
from agentlanes.cli.main import main
from agentlanes.latency.jsonl import read_run
from agentlanes.latency.report.facts import facts_of
from agentlanes.latency.report.headline import headline
from agentlanes.latency.table import format_ms
from agentlanes.testing import EndpointServer, Reply

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
README = PAGES[0].read_text(encoding="utf-8")
NOT_RUN = "<!-- not run in the tests: "
"""Stands before a block that needs what the tests do not have, with the reason."""

RUNNING = "0 approve as asked\n1 approve as asked\nDone: sunny in Paris2 calls\n"

FENCED = re.compile(r"(?P<before>[^\n]*)\n\n```(?P<kind>python|sh)\n(?P<code>.*?)^```", re.M | re.S)
COMMAND = re.compile(r"`((?:make|agentlanes|python|pip|langgraph) [^`]+)`")


def blocks(page: Path, kind: str) -> list[tuple[str, bool]]:
    """Give a page's fenced blocks of a kind, each with whether it is to be run."""
    found = FENCED.finditer(page.read_text(encoding="utf-8"))
    return [
        (each["code"], not each["before"].startswith(NOT_RUN))
        for each in found
        if each["kind"] == kind
    ]


def test_every_fenced_block_is_seen() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        opened = len(re.findall(r"^```(?:python|sh)$", text, re.M))
        assert opened == sum(len(blocks(page, kind)) for kind in ("python", "sh")), page
    assert len(blocks(PAGES[0], "python")) >= 2
    assert all(to_run for _, to_run in blocks(PAGES[0], "python"))


@pytest.fixture
def hosted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[EndpointServer]:
    """Stand in for the OpenAI endpoint on a loopback socket; the pages' code is run unchanged."""
    monkeypatch.syspath_prepend(ROOT / "examples")
    shared = import_module("shared")

    def act(body: dict[str, Any]) -> Reply:
        asked = shared.read(body)
        if asked.kind == "plan":
            weather = shared.Call("get_weather", {"city": "Paris"})
            mail = shared.Call("send_email", {"to": "Bob", "body": {"$step": 1}})
            wanted = [weather, mail] if "Email" in asked.request else [weather]
            return shared.plan(wanted)  # type: ignore[no-any-return]
        if asked.kind == "draft" and not asked.done:
            return Reply(tool_calls=[("get_weather", {"city": "Paris"})])
        return Reply(content="Done: " + "; ".join(call.result for call in asked.done))

    def reason(body: dict[str, Any]) -> Reply:
        return shared.verdict(None)  # type: ignore[no-any-return]

    with EndpointServer({"gpt-5-nano": act, "gpt-5.5": reason}).serve_in_thread() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "not-a-key")
        for name in ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.chdir(tmp_path)
        yield server
    sys.modules.pop("shared", None)


async def run_blocks(page: Path) -> dict[str, Any]:
    """Run a page's blocks one after the other, as a reader in a notebook would."""
    known: dict[str, Any] = {"__name__": "page"}
    for number, (code, to_run) in enumerate(blocks(page, "python")):
        name, flags = f"{page.name}, block {number}", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        tree = ast.parse(code, name)
        if not to_run:  # what it imports is there all the same
            tree.body = [
                line for line in tree.body if isinstance(line, ast.Import | ast.ImportFrom)
            ]
        pending = eval(compile(tree, name, "exec", flags=flags), known)
        if inspect.iscoroutine(pending):
            await pending
    return known


async def test_the_readmes_python_does_what_it_says(
    hosted: EndpointServer, capsys: pytest.CaptureFixture[str]
) -> None:
    known = await run_blocks(PAGES[0])
    assert [(call["tool"], call["args"]) for call in known["result"]["committed"]] == [
        ("get_weather", {"city": "Paris"}),
        ("send_email", {"to": "Bob", "body": "sunny in Paris"}),
    ]
    assert capsys.readouterr().out == "Done: sunny in Paris; sent to Bob\n"
    assert {request.model for request in hosted.requests} == {"gpt-5-nano", "gpt-5.5"}
    efforts = [r.body.get("reasoning_effort") for r in hosted.requests if r.model == "gpt-5.5"]
    assert set(efforts) == {"high"}


@pytest.mark.parametrize("page", PAGES[1:], ids=IDS[1:])
async def test_the_docs_python_runs(
    page: Path, hosted: EndpointServer, capsys: pytest.CaptureFixture[str]
) -> None:
    await run_blocks(page)
    if page.name == "running.md":
        assert capsys.readouterr().out == RUNNING
    assert all(request.error is None for request in hosted.requests)


def commands(page: Path) -> list[list[str]]:
    """Give every command a page tells: those of its blocks, and those it names in passing."""
    told = [line for code, _ in blocks(page, "sh") for line in code.splitlines()]
    told += COMMAND.findall(page.read_text(encoding="utf-8"))
    split = [shlex.split(line, comments=True) for line in told]
    return [words for words in split if words]


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_command_exists(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = (ROOT / "agentlanes" / "config.py").read_text(encoding="utf-8")
    for words in commands(page):
        while re.match(r"[A-Z_]+=", words[0]):
            name = words.pop(0).partition("=")[0]
            assert name in settings or name.startswith(("LANGSMITH_", "OPENAI_")), name
        if words[0] == "agentlanes":
            command = command_of(words[1:])
            assert main([*command, "--help"]) == 0, words
            check_agentlanes(words[1:], capsys.readouterr().out)
        else:
            CHECKS[words[0]](words[1:])


def check_make(words: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    target, *settings = words
    assert re.search(rf"^{re.escape(target)}:.*## ", makefile, re.M), target
    for name, _, value in (setting.partition("=") for setting in settings):
        assert f"$({name})" in makefile, name
        if target == "test":
            check_selected(shlex.split(value))


def check_selected(words: list[str]) -> None:
    """See that `-k NAME` selects a test, by a function's or a module's name."""
    assert words[0] == "-k"
    files = [path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]
    names = {path.stem for path in files}
    for path in files:
        names |= set(re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8")))
    assert any(words[1] in name for name in names), words


def command_of(words: list[str]) -> list[str]:
    return words[:2] if words[0] in ("bench", "router") else words[:1]


def check_agentlanes(words: list[str], told: str) -> None:
    for word in words:
        if word.startswith("--"):
            assert re.search(rf"{re.escape(word)}\b", told), word
    if words[0] == "run" and len(words) > 1:
        graph = words[1].partition(":")[0]
        graphs = json.loads((ROOT / "langgraph.json").read_text())["graphs"]
        assert graph in graphs or graph.endswith(".py") or graph == "GRAPH", graph


def check_python(words: list[str]) -> None:
    if words[0] == "-m":
        assert import_module(words[1])
        return
    script = ROOT / words[0]
    assert script.is_file(), script
    for word in words[1:]:
        assert not word.startswith("--") or word in script.read_text() + SHARED.read_text(), word


def check_pip(words: list[str]) -> None:
    extras = re.findall(r"\[([\w,]+)\]", " ".join(words))
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for extra in [name for group in extras for name in group.split(",")]:
        assert re.search(rf"^{extra} = \[", declared, re.M), extra


def check_langgraph(words: list[str]) -> None:
    assert words == ["dev"]


SHARED = ROOT / "examples" / "shared.py"
CHECKS = {
    "make": check_make,
    "python": check_python,
    "pip": check_pip,
    "langgraph": check_langgraph,
}


def slug(heading: str) -> str:
    """Give the anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", [*PAGES, ROOT / "AGENTS.md"], ids=[*IDS, "AGENTS.md"])
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("https://", "#")):
            continue
        where, _, anchor = target.partition("#")
        there = (page.parent / where).resolve()
        assert there.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.M)
            assert anchor in map(slug, headings), target


def test_agents_md_is_short_and_its_paths_exist() -> None:
    text = (ROOT / "AGENTS.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 80
    for path in re.findall(r"`((?:agentlanes|tests|docs|examples|graphs|tools)/[\w./]*)`", text):
        assert (ROOT / path).exists(), path


def test_the_pictures_are_of_this_graph_and_load_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs")
    here = "http://127.0.0.1:1/v1"
    agent = build_agent(Lane("act", base_url=here), Lane("reason", base_url=here))
    images = ROOT / "docs" / "images"
    stale = "the picture is not of the graph as it is built: make docs"
    drawn = import_module("graph_picture").graph_svg(agent.get_graph())
    assert (images / "graph.svg").read_text(encoding="utf-8") == drawn, stale
    mermaid = agent.get_graph().draw_mermaid()
    assert mermaid in (ROOT / "docs" / "graph.md").read_text(encoding="utf-8"), stale
    for name in ("graph.svg", "run.svg", "waterfall.svg"):
        text = (images / name).read_text(encoding="utf-8")
        ET.fromstring(text)
        assert not re.search(r"url\((?!#)|href=|@import", text), name


def test_the_picture_of_a_run_is_of_its_recording() -> None:
    told = json.loads((ROOT / "docs" / "images" / "run.json").read_text(encoding="utf-8"))
    shown = ET.fromstring((ROOT / "docs" / "images" / "run.svg").read_text(encoding="utf-8"))
    text = " ".join("".join(shown.itertext()).split()).replace("\xa0", " ")
    assert told["answer"] in text
    lanes = {step["lane"] for step in told["steps"] if step["tokens"]["output"]}
    assert lanes == {"act", "reason"}
    assert {step["outcome"] for step in told["steps"]} >= {"committed", "discarded", "fenced"}


def test_the_waterfall_is_of_its_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs")
    images = ROOT / "docs" / "images"
    drawn = import_module("waterfall_picture").waterfall_svg(images / "refunds.jsonl")
    assert (images / "waterfall.svg").read_text(encoding="utf-8") == drawn, "make docs"
    facts = facts_of(read_run(images / "refunds.jsonl"))
    assert facts.against is not None
    page = (ROOT / "docs" / "latency.md").read_text(encoding="utf-8")
    assert "; ".join(headline(facts)) in page
    assert format_ms(facts.against.serial_ms) in page
    assert format_ms(facts.against.bound_ms) in page
