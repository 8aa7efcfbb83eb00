"""The deployable graphs: they build without keys, draw, and run against a real socket."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from agentlanes.testing import EndpointServer, Reply

ROOT = Path(__file__).parents[1]
REQUEST = "Mail ann@example.org how long backups are kept, in hours."
MAIL = {"to": "ann@example.org", "subject": "Backups", "body": "They are kept for 840 hours."}
RIGHT = [
    ("search_folder", {"query": "how long backups are kept"}),
    ("calculate", {"expression": "35 * 24"}),
    ("send_email", MAIL),
]

LOADED: list[Any] = []
"""Kept as a server keeps them, so that their connections end with their event loop."""


def load(name: str) -> Any:
    """Load a graph as a server does: by its path, afresh."""
    spec = importlib.util.spec_from_file_location(f"graph_{name}", ROOT / "graphs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    LOADED.append(module)
    return module


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with one note, and with nothing of ours in the environment."""
    for name in ("ACT_URL", "ACT_MODEL", "REASON_URL", "REASON_MODEL"):
        monkeypatch.delenv(f"AGENTLANES_{name}", raising=False)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "LANGSMITH_TRACING"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "backups.md").write_text("Backups are kept for 35 days.\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def calls_of(body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    functions = [c["function"] for m in body["messages"] for c in m.get("tool_calls") or ()]
    return [(f["name"], json.loads(f["arguments"])) for f in functions]


def lane(body: dict[str, Any]) -> Reply:
    """Answer for either lane: make the next right call, or judge whether it was made."""
    done = calls_of(body)
    if "response_format" in body:
        if body["response_format"]["json_schema"]["name"] == "plan":
            steps = [{"tool": tool, "args": args} for tool, args in RIGHT[len(done) :]]
            return Reply(content=json.dumps({"steps": steps}))
        asked = body["messages"][-1]["content"]
        proposal = json.loads(asked.split("```json\n")[1].split("\n```")[0])["proposal"]
        proposed = [(step["tool"], step["args"]) for step in proposal["steps"]]
        word = "approve" if proposed == RIGHT[len(done) :] else "reject"
        return Reply(content=json.dumps({"verdict": word, "reason": "compared"}))
    if body.get("tools") and len(done) < len(RIGHT):
        return Reply(tool_calls=[RIGHT[len(done)]])
    return Reply(content="The mail is queued.")


@pytest.fixture
def server(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EndpointServer]:
    server = EndpointServer({"act": lane, "reason": lane})
    with server.serve_in_thread():
        monkeypatch.setenv("AGENTLANES_ACT_URL", server.base_url)
        monkeypatch.setenv("AGENTLANES_REASON_URL", server.base_url)
        yield server


@pytest.mark.parametrize("name", ["assistant", "react"])
async def test_a_factory_needs_no_key_or_checkpointer(name: str, workplace: Path) -> None:
    module = load(name)
    graph = await module.make_graph()
    assert graph.checkpointer is None
    assert "reason" in graph.get_graph().draw_mermaid()
    assert await module.make_graph() is graph  # a server asks again with every request


@pytest.mark.parametrize("name", ["assistant", "react"])
async def test_a_graph_runs_end_to_end(name: str, workplace: Path, server: EndpointServer) -> None:
    graph = await load(name).make_graph()
    result = await graph.ainvoke({"messages": [("user", REQUEST)]})
    assert [(call["tool"], call["args"]) for call in result["committed"]] == RIGHT
    assert [call["effect"] for call in result["committed"]] == ["read", "pure", "irreversible"]
    assert "35 days" in result["committed"][0]["result"]
    assert result["committed"][1]["result"] == "840"
    assert result["answer"] == "The mail is queued."
    [mail] = (workplace / ".agentlanes" / "outbox").glob("*.eml")
    message = message_from_bytes(mail.read_bytes())
    assert message["To"] == MAIL["to"]
    assert MAIL["body"] in str(message.get_payload())
    models = {request.model for request in server.requests}
    assert models == ({"act", "reason"} if name == "assistant" else {"reason"})
    assert {step["lane"] for step in result["steps"] if step["model"]} == models


@pytest.mark.parametrize(("folder", "found"), [("docs", True), ("elsewhere", False)])
async def test_the_tools_for_looking_things_up_need_a_folder(
    folder: str, found: bool, workplace: Path, server: EndpointServer
) -> None:
    (workplace / "notes").rename(workplace / folder)
    graph = await load("react").make_graph()
    await graph.ainvoke({"messages": [("user", REQUEST)]})
    offered = {tool["function"]["name"] for tool in server.requests[0].body["tools"]}
    assert ({"search_folder", "read_file"} <= offered) is found
    assert {"calculate", "check_equivalence", "send_email", "list_outbox"} <= offered
