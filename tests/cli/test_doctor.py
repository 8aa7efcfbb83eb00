from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langsmith import utils

from agentlanes.cli.main import main
from agentlanes.cli.surroundings import look_around
from agentlanes.config import Secret, Settings
from agentlanes.lanes.lane import Lane
from agentlanes.testing import EndpointServer, StandIn

KEY = "sk-proj-secret-0123456789"
CALLS = ("--calls", "1")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in (
        *("LANGSMITH_TRACING", "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2", "LANGCHAIN_TRACING"),
        *("LANGSMITH_API_KEY", "LANGCHAIN_API_KEY", "LANGSMITH_ENDPOINT", "LANGCHAIN_ENDPOINT"),
        *("OPENAI_API_KEY", "OPENAI_BASE_URL", "AGENTLANES_ACT_KEY", "AGENTLANES_ACT_URL"),
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    utils.get_env_var.cache_clear()
    yield
    utils.get_env_var.cache_clear()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with EndpointServer(
        {"act": StandIn(), "reason": StandIn(reasoning=True)}
    ).serve_in_thread() as s:
        yield s.base_url


def test_two_healthy_lanes(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--act-url", url, "--reason-url", url, *CALLS]) == 0
    out = capsys.readouterr().out
    for words in (
        f"act lane: act at {url}",
        "native: works; json: works",
        "chat, responses (the lane uses chat)",
        "Surroundings",
        f"act = Lane('act', base_url='{url}')",
        f"reason = Lane('reason', base_url='{url}')",
        "0 problems, 0 notes",
    ):
        assert words in out
    assert max(len(line) for line in out.splitlines()) <= 120


def test_json_and_the_key(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTLANES_ACT_KEY", KEY)
    assert main(["doctor", "--lane", "act", "--act-url", url, "--json", *CALLS]) == 0
    out = capsys.readouterr().out
    assert KEY not in out
    said: dict[str, Any] = json.loads(out)
    assert said["ok"] is True
    assert list(said["lanes"]) == ["act"]
    lane = said["lanes"]["act"]
    assert lane["healthy"]
    assert lane["facts"]["apis"] == {"chat": True, "responses": True}
    assert 'api_key=os.environ["AGENTLANES_ACT_KEY"]' in lane["suggestion"]
    assert {f["check"] for f in said["surroundings"]} >= {"LangSmith", "tokenizer", "ledger"}


def test_a_lane_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--lane", "act", "--act-url", "http://127.0.0.1:9/v1", "--timeout", "5"])
    out = capsys.readouterr().out
    assert code == 1
    assert "PROBLEM" in out
    assert "check that the endpoint is up" in " ".join(out.split())
    assert "1 problems" in out


async def around(**settings: Any) -> dict[str, Any]:
    found = await look_around(Settings(**settings), (Lane("m"),))
    return {each.check: each for each in found}


async def test_langsmith(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await around())["LangSmith"].found == "tracing is off"
    monkeypatch.setenv("LANGSMITH_TRACING", "1")
    utils.get_env_var.cache_clear()
    odd = (await around(langsmith_tracing=True))["LangSmith"]
    assert odd.level == "note"
    assert "LANGSMITH_TRACING=true" in odd.advice
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    utils.get_env_var.cache_clear()
    keyless = (await around(langsmith_tracing=True))["LangSmith"]
    assert keyless.level == "problem"
    assert "no key" in keyless.found
    monkeypatch.setenv("LANGSMITH_API_KEY", KEY)
    monkeypatch.setenv("LANGSMITH_ENDPOINT", "http://127.0.0.1:9")
    utils.get_env_var.cache_clear()
    dead = (await around(langsmith_tracing=True))["LangSmith"]
    assert dead.level == "problem"
    assert "does not answer" in dead.found
    assert KEY not in repr(dead)


async def test_the_ledger(tmp_path: Path) -> None:
    place = tmp_path / "new" / "ledger.db"
    assert "is made with the first effect" in (await _ledger(place)).found
    assert not place.parent.exists()
    place.parent.mkdir()
    place.write_bytes(b"")
    assert (await _ledger(place)).level == "ok"
    place.write_bytes(b"this is no database " * 100)
    assert (await _ledger(place)).level == "problem"


async def _ledger(place: Path) -> Any:
    return (await around(ledger=Secret(str(place))))["ledger"]


async def test_the_tokenizer_and_the_checkpointers() -> None:
    found = await around()
    assert found["tokenizer"].found == "m: an estimate"
    assert "SQLite: yes" in found["checkpointers"].found
