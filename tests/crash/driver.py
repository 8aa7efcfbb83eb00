"""The parent's side: start jobs, kill them, resume the runs, and check what must hold."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.lanes import task_of
from tests.crash.world import FENCED, RESULTS, Journal

__all__ = ["Case", "Outcome", "Server", "crash_and_resume", "take_stock", "violations"]

_ROOT = Path(__file__).parents[2]
_RESUMES = 12


class Server:
    """A fork server in a process of its own; it may be used from several threads.

    Args:
        log: File for what children say on standard error.
    """

    def __init__(self, log: Path) -> None:
        self._log = log.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.worker"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        self._ids = itertools.count()
        self._waiting: dict[int, Future[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def begin(self, job: dict[str, Any]) -> Future[dict[str, Any]]:
        """Start a job; its future holds what became of it."""
        future: Future[dict[str, Any]] = Future()
        with self._lock:
            number = next(self._ids)
            self._waiting[number] = future
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps({**job, "id": number}).encode() + b"\n")
            self._process.stdin.flush()
        return future

    def run(self, job: dict[str, Any]) -> dict[str, Any]:
        """Do a job and give what became of it."""
        return self.begin(job).result(timeout=job["limit_s"] + 60)

    def close(self) -> None:
        """End the server and its children."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()
        self._log.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            reply = json.loads(line)
            with self._lock:
                future = self._waiting.pop(reply["id"])
            future.set_result(reply)
        for future in self._waiting.values():
            future.set_exception(RuntimeError("the fork server has ended; see its log"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A run with what is to happen to it.

    Attributes:
        saver: Where checkpoints are: a PostgreSQL URL or a SQLite file.
        ledger: Where effects are recorded, as for `open_ledger`.
        folder: Where the world is.
        whos: Names of the threads.
        task: Name of the task.
        durability: LangGraph's.
        planning: As for `build_agent`.
        ahead: Reversible calls run ahead.
        options: Further options of `build_agent`.
    """

    saver: str
    ledger: str
    folder: Path
    whos: Sequence[str]
    task: str = "mixed"
    durability: str = "sync"
    planning: str = "never"
    ahead: bool = True
    options: dict[str, Any] = field(default_factory=dict)
    act_s: float = 0.0
    reason_s: float = 0.002
    tool_s: float = 0.0

    def job(self, **more: Any) -> dict[str, Any]:
        """Word it for the server; `points`, `kill_after_s` and `whos` say what happens."""
        runs_ahead = ["pure", "read", "session", *(["reversible"] if self.ahead else [])]
        return {
            "do": "run",
            "saver": self.saver,
            "ledger": self.ledger,
            "folder": str(self.folder),
            "whos": list(self.whos),
            "task": self.task,
            "durability": self.durability,
            "options": {"planning": self.planning, "runs_ahead": runs_ahead, **self.options},
            "act_s": self.act_s,
            "reason_s": self.reason_s,
            "tool_s": self.tool_s,
            "points": {},
            "person": True,
            "kill_after_s": None,
            "limit_s": 60,
            **more,
        }

    def journal(self, who: str) -> Journal:
        """Give a thread's part of the world."""
        return Journal(self.folder / f"{who}.jsonl")


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a case came to.

    Attributes:
        processes: Processes it took.
        killed: How many of them died of SIGKILL.
        passed: The points the last one passed.
        wrong: What must not be, in words.
        duplicates: Fenced calls that took effect more than once, or were not to at all.
        lost: Runs that did not come to the right end.
    """

    processes: int = 0
    killed: int = 0
    passed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    duplicates: int = 0
    lost: int = 0


def crash_and_resume(server: Server, case: Case, *jobs: dict[str, Any]) -> Outcome:
    """Run a case, a process a job, then resume it until it ends; check what it came to.

    Args:
        server: The fork server.
        case: The case.
        jobs: What happens to the first processes; later ones are left alone.
    """
    outcome, ends = Outcome(), dict[str, Any]()
    for job in [*jobs, *[case.job()] * _RESUMES]:
        reply = server.run(job)
        outcome.processes += 1
        outcome.killed += reply["code"] == -9
        outcome.passed = reply.get("passed", [])
        ends = reply.get("runs", {})
        if "failed" in reply:
            outcome.wrong.append(f"a process failed: {reply['failed']}")
            break
        if reply["code"] == 0:
            break
    take_stock(outcome, case, ends)
    return outcome


def take_stock(outcome: Outcome, case: Case, ends: dict[str, Any]) -> None:
    """Check every thread of a case and add what is wrong to its outcome."""
    for who in case.whos:
        lost, duplicates, wrong = violations(case, who, ends.get(who) or {"status": "no end"})
        outcome.lost += bool(lost)
        outcome.duplicates += duplicates
        outcome.wrong += [f"{who}: {what}" for what in [*lost, *wrong]]


def violations(case: Case, who: str, end: dict[str, Any]) -> tuple[list[str], int, list[str]]:
    """Give what is lost, how many effects are too many, and all that must not be, in words."""
    task, lines = task_of(case.task), case.journal(who).lines()
    expected = [list(call) for call in task.expected()]
    lost = []
    if end["status"] != "done":
        lost.append(f"ended as {end}")
    elif end["committed"] != expected:
        lost.append(f"committed {end['committed']}, not {expected}")
    elif end["answer"] != f"done: {len(expected)} calls":
        lost.append(f"answered {end['answer']!r}")
    wrong, duplicates = [], 0
    did: dict[tuple[str, int], int] = {}
    for line in lines:
        if line["what"] == "did":
            did[line["tool"], line["n"]] = did.get((line["tool"], line["n"]), 0) + 1
    due = set(task.steps)
    fenced = [*FENCED, *([] if case.ahead else ["jot"])]
    for (tool, n), times in did.items():
        if tool in fenced and times > ((tool, n) in due):
            duplicates += times - ((tool, n) in due)
            wrong.append(f"{tool} {n} took effect {times} times")
    stands = case.journal(who).standing()
    for tool, n in stands.keys() | {step for step in due if step[0] in RESULTS}:
        if stands[tool, n] != ((tool, n) in due) and end["status"] == "done":
            wrong.append(f"{tool} {n} stands {stands[tool, n]} times")
    wrong += _unjudged(lines, fenced, expected if not lost else [], who)
    return lost, duplicates, wrong


def _unjudged(
    lines: Sequence[dict[str, Any]], fenced: Sequence[str], committed: Sequence[Any], who: str
) -> list[str]:
    """Find effects that came before an approval, and committed calls that never had one."""
    approved: set[tuple[str, int]] = set()
    wrong = []
    for line in lines:
        if line["what"] == "verdict" and line["said"] == "approve":
            proposal = line["proposal"]
            calls = {"plan": proposal.get("steps"), "call": [proposal]}.get(proposal["kind"])
            approved |= {(call["tool"], call["args"]["n"]) for call in calls or ()}
        early = line["what"] == "did" and line["tool"] in fenced
        if early and (line["tool"], line["n"]) not in approved:
            wrong.append(f"{line['tool']} {line['n']} took effect without an approval")
    for tool, n, _ in committed:
        if (tool, n) not in approved:
            wrong.append(f"{tool} {n} was committed without an approval")
    return wrong
