"""A file that remembers what was run, so that a run that was stopped can go on.

JSON lines: the first says what is run and over which code, each further one is a block of tasks. A
block is appended in one write once it is whole; a last line that was cut off is not read, and the
next block is written over it. A file of other settings or of other code is refused: results of
two versions do not belong into one table.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.outcome import Outcome

__all__ = ["Journal", "JournalMismatch", "code_digest"]

_HOME = Path(__file__).parents[2]


class JournalMismatch(ValueError):
    """The file was begun by another run than the one that is to go on."""


def code_digest() -> str:
    """Hash the library's code and the benchmark's."""
    told = hashlib.sha256()
    for folder in ("agentlanes", "benchmarks/peers"):
        for file in sorted((_HOME / folder).rglob("*.py")):
            told.update(file.relative_to(_HOME).as_posix().encode())
            told.update(file.read_bytes())
    return told.hexdigest()[:16]


class Journal:
    """What was run so far.

    Args:
        file: Where it is kept; nowhere if there is none.
        asked: What is run, as plain data: seed, error, contestants and so on.

    Raises:
        JournalMismatch: The file is there, and another run's.
    """

    def __init__(self, file: Path | None, asked: dict[str, Any]) -> None:
        self._file = file
        self._done: dict[str, dict[str, list[Outcome]]] = {}
        if file is None:
            return
        head = {**json.loads(json.dumps(asked)), "code": code_digest()}
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(head) + "\n")
            return
        text = file.read_text()
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            file.write_text(whole)
        lines = [json.loads(line) for line in whole.splitlines()]
        begun = lines[0] if lines else {}
        odd = [key for key in head if begun.get(key) != head[key]]
        if odd:
            told = ", ".join(f"{key} {begun.get(key)!r}, now {head[key]!r}" for key in odd)
            raise JournalMismatch(
                f"{file} was begun by another run ({told}); name another file, or delete it"
            )
        for line in lines[1:]:
            self._take(line["workload"], [Outcome(**one) for one in line["outcomes"]])

    def _take(self, workload: str, outcomes: Sequence[Outcome]) -> None:
        known = self._done.setdefault(workload, {})
        fresh: dict[str, list[Outcome]] = {}
        for one in outcomes:
            fresh.setdefault(one.task, []).append(one)
        known.update(fresh)

    def has(self, workload: str, tasks: Sequence[str]) -> list[Outcome] | None:
        """Give what these tasks came to, or `None` if one of them was not run."""
        known = self._done.get(workload, {})
        if any(task not in known for task in tasks):
            return None
        return [one for task in tasks for one in known[task]]

    def add(self, workload: str, outcomes: Sequence[Outcome]) -> None:
        """Keep a block."""
        self._take(workload, outcomes)
        if self._file is not None:
            told = [dataclasses.asdict(one) for one in outcomes]
            with self._file.open("a") as file:
                file.write(json.dumps({"workload": workload, "outcomes": told}) + "\n")
