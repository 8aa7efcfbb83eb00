from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from agentlanes.cli.load import find_graph, load_graph, open_graph
from agentlanes.errors import ConfigError

FORMS = Path(__file__).with_name("graph_forms.py")
CONFIG = {"configurable": {"thread_id": "t"}}


async def opened(attribute: str) -> Any:
    async with open_graph(load_graph(find_graph(f"{FORMS}:{attribute}")), CONFIG) as graph:
        return graph


@pytest.mark.parametrize(
    "attribute",
    [
        "compiled",
        "plain_factory",
        "config_factory",
        "async_factory",
        "context_factory",
        "async_context_factory",
    ],
)
async def test_every_form_of_a_graph_gives_the_agent(attribute: str) -> None:
    assert {"route", "act", "reason", "settle"} <= set((await opened(attribute)).get_graph().nodes)


async def test_a_state_graph_is_compiled() -> None:
    result = await (await opened("builder")).ainvoke({"messages": [("user", "hello")]})
    assert result["messages"][-1].text == "you said hello"


async def test_what_a_context_manager_opened_is_closed(tmp_path: Path) -> None:
    file = tmp_path / "closing.py"
    file.write_text(
        "from contextlib import asynccontextmanager\n"
        f"import sys; sys.path.insert(0, {str(FORMS.parents[2])!r})\n"
        "from tests.cli.graph_forms import builder\n"
        "log = []\n"
        "@asynccontextmanager\n"
        "async def make():\n"
        "    log.append('opened')\n"
        "    yield builder\n"
        "    log.append('closed')\n"
    )
    made = load_graph(find_graph(f"{file}:make"))
    async with open_graph(made, CONFIG):
        assert sys.modules[made.__module__].log == ["opened"]
    assert sys.modules[made.__module__].log == ["opened", "closed"]


@pytest.mark.parametrize(
    ("attribute", "says"),
    [
        ("nothing", "42 is no graph"),
        ("no_graph", "gave 42"),
        ("two_arguments", r"takes \(config, more\)"),
        ("absent", "no 'absent'; it has: .*compiled, plain_factory"),
    ],
)
async def test_what_is_no_graph_says_so(attribute: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        await opened(attribute)


def test_names_come_from_langgraph_json(tmp_path: Path) -> None:
    names = {"one": "./graphs/one.py:make", "two": {"path": "pack.two:make"}}
    (tmp_path / "langgraph.json").write_text(json.dumps({"graphs": names, "dependencies": ["."]}))
    one, two = (find_graph(name, tmp_path) for name in ("one", "two"))
    assert (one.source, one.attribute) == (tmp_path / "graphs/one.py", "make")
    assert tmp_path in one.search
    assert (two.source, two.attribute) == ("pack.two", "make")


def test_a_graph_may_import_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "beside_the_graph.py").write_text("value = 'found'\n")
    (tmp_path / "graph.py").write_text("from beside_the_graph import value\n")
    assert load_graph(find_graph("graph.py:value", tmp_path)) == "found"


@pytest.mark.parametrize(
    ("given", "config", "says"),
    [
        ("three", '{"graphs": {"two": "a.py:b", "one": "a.py:b"}}', "it names: one, two"),
        ("three", None, "there is no langgraph.json"),
        ("three", "{", "not valid JSON"),
        ("three", "[]", "must hold an object"),
        ("one", '{"graphs": {"one": "a.py"}}', "does not say where"),
        ("gone.py:make", None, "there is no file .*gone.py"),
        ("graph.py:", None, "does not say where"),
    ],
)
def test_what_cannot_be_found_says_what_to_give(
    given: str, config: str | None, says: str, tmp_path: Path
) -> None:
    if config is not None:
        (tmp_path / "langgraph.json").write_text(config)
    with pytest.raises(ConfigError, match=says):
        find_graph(given, tmp_path)


def test_a_file_that_does_not_import_says_why(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import a_module_nobody_has\n")
    with pytest.raises(ConfigError, match="a_module_nobody_has"):
        load_graph(find_graph("broken.py:make", tmp_path))
