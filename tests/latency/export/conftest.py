"""LangSmith on loopback, for the test that compares all exporters."""

from __future__ import annotations

from collections.abc import Iterator

import langsmith
import langsmith.utils
import pytest

from agentlanes.latency.langsmith import flush
from tests.latency.ingest import Ingest, ingest_server


@pytest.fixture
def ingest(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ingest]:
    """Trace to a server on loopback while the test runs."""
    with ingest_server() as taken:
        for name in ("LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("LANGSMITH_TRACING", "true")
        monkeypatch.setenv("LANGSMITH_ENDPOINT", taken.url)
        monkeypatch.setenv("LANGSMITH_API_KEY", "lsv2_test")
        monkeypatch.setenv("LANGSMITH_PROJECT", "lanes")
        monkeypatch.setenv("LANGSMITH_USE_DAEMON", "true")
        _forget()
        yield taken
        assert flush(20)
    _forget()


def _forget() -> None:
    """Make langsmith read the environment again, and make a client of its own."""
    langsmith.configure(client=None)
    langsmith.utils.get_env_var.cache_clear()  # type: ignore[attr-defined]
    langsmith.utils.get_tracer_project.cache_clear()
