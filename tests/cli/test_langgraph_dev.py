"""`langgraph dev` on this repository's langgraph.json, with no key in the environment."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
STARTS_WITHIN_S = 90
KEYS = ("OPENAI_", "LANGSMITH_", "LANGCHAIN_", "LANGGRAPH_", "AGENTLANES_", "HF_")

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("langgraph_api") is None,
    reason="langgraph-cli[inmem] is not installed: pip install -e '.[studio]'",
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the folder's graphs; whatever the server starts ends with it."""
    port = free_port()
    command = [sys.executable, "-m", "langgraph_cli", "dev", "--no-browser", "--no-reload"]
    env = {k: v for k, v in os.environ.items() if not k.startswith(KEYS)}
    log = folder / "server.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a process group of its own, to end it with its children
        ) as process,
    ):
        base = f"http://127.0.0.1:{port}"
        try:
            _until_ready(process, base, log)
            yield base
        finally:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(10)


def _until_ready(process: subprocess.Popen[bytes], base: str, log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with suppress(OSError):
            if ask(f"{base}/ok")["ok"]:
                return
        time.sleep(0.2)
    pytest.fail(f"langgraph dev does not serve:\n{log.read_text()[-3000:]}")


def ask(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)


def test_langgraph_dev_serves_every_graph_without_keys(tmp_path: Path) -> None:
    # A copy: the server keeps its state beside langgraph.json.
    shutil.copy(ROOT / "langgraph.json", tmp_path)
    shutil.copytree(ROOT / "graphs", tmp_path / "graphs")
    named = json.loads((ROOT / "langgraph.json").read_text())["graphs"]
    drawn = {}
    with serving(tmp_path) as base:
        for assistant in ask(f"{base}/assistants/search", {}):
            graph = ask(f"{base}/assistants/{assistant['assistant_id']}/graph")
            drawn[assistant["graph_id"]] = {node["id"] for node in graph["nodes"]}
    assert set(drawn) == set(named) == {"assistant", "react"}
    assert {"route", "act", "reason", "settle", "effects", "deliver"} <= drawn["assistant"]
    assert "tools" in drawn["react"]
