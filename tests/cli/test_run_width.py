"""How wide `agentlanes run` prints."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

FORMS = Path(__file__).with_name("graph_forms.py")
ROOT = FORMS.parents[2]


def command(tmp_path: Path, columns: str) -> tuple[list[str], dict[str, str]]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "AGENTLANES_RUNS": str(tmp_path), "TERM": "xterm"}
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        env.pop(name, None)
    if columns:
        env["COLUMNS"] = columns
    words = [sys.executable, "-m", "agentlanes.cli.main", "run", f"{FORMS}:plain_factory", "do it"]
    return words, env


def headings(out: str) -> list[str]:
    (line,) = [line for line in out.splitlines() if line.startswith("step ")]
    return line.split()


@pytest.mark.parametrize("columns", ["", "60", "140"])
def test_a_pipe_has_room_for_the_whole_table(tmp_path: Path, columns: str) -> None:
    words, env = command(tmp_path, columns)
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=True, timeout=60)
    assert len(headings(done.stdout)) == 12
    assert "…" not in done.stdout.rpartition("done: 3 calls")[2]


def test_a_terminal_keeps_its_own_width(tmp_path: Path) -> None:
    words, env = command(tmp_path, "60")
    ours, theirs = pty.openpty()
    with subprocess.Popen(words, env=env, stdout=theirs, stderr=theirs) as started:
        os.close(theirs)
        said = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # Linux: the other end is closed
                break
            if not part:
                break
            said += part
        assert started.wait(60) == 0
    os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", said.decode())
    lines = text.split("done: 3 calls")[-1].splitlines()
    told = [line for line in lines if not line.startswith("See it:")]  # a command is not broken up
    assert max(map(len, told)) <= 60
    assert 4 <= len(headings("\n".join(lines))) < 12
