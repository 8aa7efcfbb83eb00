"""Calls that run ahead on forks, or for real and are undone."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass, field
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from agentlanes import MemoryLedger, Session, build_agent, effect
from agentlanes.errors import InvalidTool, NeedsIntervention
from agentlanes.testing import VirtualClock
from tests.oracle import Oracle
from tests.test_graph import ask

CONFIG: Any = {"configurable": {"thread_id": "t"}}


def calls(result: dict[str, Any]) -> list[Any]:
    return [(c["tool"], c["args"]) for c in result["committed"]]


@dataclass
class Shell:
    """A shell with a folder and a hidden counter that every command moves."""

    folder: str = "/"
    moved: int = 0

    def fork(self) -> Shell:
        return copy.deepcopy(self)


def shell_tools(session: Session[Shell], log: list[str]) -> list[Any]:
    @effect("session", session=session)
    async def cd(folder: str) -> str:
        """Go to a folder."""
        log.append(f"cd {folder}")
        session.current.folder = folder
        session.current.moved += 1
        return session.current.folder

    @effect("read", session=session)
    async def pwd() -> str:
        """Say where the shell is."""
        log.append("pwd")
        await asyncio.sleep(0)
        return f"{session.current.folder} {session.current.moved}"

    return [cd, pwd]


CDS = [("cd", {"folder": "/a"}), ("pwd", {}), ("cd", {"folder": "/b"}), ("pwd", {})]


@pytest.mark.parametrize("planning", ["never", "always"])
@pytest.mark.parametrize("run_ahead", [0, 8])
async def test_session_calls_run_ahead_on_forks_that_are_taken_over(
    planning: Any, run_ahead: int
) -> None:
    session, log = Session(Shell()), []
    oracle = Oracle(CDS, reason_s=0.01)
    agent = build_agent(
        oracle.act,
        oracle.reason,
        shell_tools(session, log),
        planning=planning,
        max_run_ahead=run_ahead,
    )
    result = await agent.ainvoke(ask())
    assert calls(result) == CDS
    assert [c["result"] for c in result["committed"]] == ["/a", "/a 1", "/b", "/b 2"]
    assert session.value == Shell("/b", 2)


@pytest.mark.parametrize("planning", ["never", "always"])
@pytest.mark.parametrize("place", [0, 2])
async def test_a_discarded_session_call_leaves_the_session_as_it_was(
    planning: Any, place: int
) -> None:
    session, log = Session(Shell()), []
    oracle = Oracle(CDS, wrong={place: ("cd", {"folder": "/bad"})}, reason_s=0.01)
    agent = build_agent(oracle.act, oracle.reason, shell_tools(session, log), planning=planning)
    result = await agent.ainvoke(ask())
    assert "cd /bad" in log, "it ran ahead"
    assert calls(result) == CDS
    assert session.value == Shell("/b", 2)


async def test_a_session_tool_without_a_fork_waits() -> None:
    with pytest.raises(InvalidTool, match="fork"):
        Session(object())

    @effect("session")
    async def cd(folder: str) -> str:
        """Go to a folder."""
        return folder

    oracle = Oracle([("cd", {"folder": "/a"})])
    agent = build_agent(oracle.act, oracle.reason, [cd], planning="never")
    result = await agent.ainvoke(ask())
    assert "fenced" in [r["outcome"] for r in result["steps"]]


@dataclass
class Desk:
    """Notes on a desk: adding one can be undone."""

    notes: list[str] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)
    stuck: bool = False

    def tools(self) -> list[Any]:
        def undo(args: dict[str, Any], result: str | None, key: str) -> None:
            if self.stuck:
                raise OSError("the drawer is stuck")
            if args["text"] in self.notes:
                self.notes.remove(args["text"])
                self.undone.append(args["text"])

        @effect("reversible", undo=undo)
        async def note(text: str) -> str:
            """Put a note on the desk."""
            self.notes.append(text)
            await asyncio.sleep(0)
            return f"{len(self.notes)} notes"

        @effect("read")
        async def count() -> str:
            """Count the notes."""
            return str(len(self.notes))

        return [note, count]


NOTES = [("note", {"text": "a"}), ("count", {}), ("note", {"text": "b"}), ("count", {})]


def desk_agent(desk: Desk, oracle: Oracle, **options: Any) -> Any:
    options = {"runs_ahead": ("pure", "read", "reversible"), **options}
    return build_agent(oracle.act, oracle.reason, desk.tools(), **options)


@pytest.mark.parametrize("planning", ["never", "always"])
async def test_reversible_calls_run_ahead_when_the_agent_lets_them(planning: Any) -> None:
    desk, ledger = Desk(), MemoryLedger()
    oracle = Oracle(NOTES, reason_s=0.01)
    result = await desk_agent(desk, oracle, planning=planning, ledger=ledger).ainvoke(ask())
    assert calls(result) == NOTES
    assert [c["result"] for c in result["committed"]] == ["1 notes", "1", "2 notes", "2"]
    assert desk.notes == ["a", "b"]
    assert desk.undone == []
    assert [(r.status, r.ahead) for r in ledger.records()] == [("done", False)] * 2
    assert not any(r["outcome"] == "fenced" for r in result["steps"])


@pytest.mark.parametrize("planning", ["never", "always"])
@pytest.mark.parametrize("place", [0, 2])
def test_discarded_reversible_calls_are_undone_last_in_first_out(planning: Any, place: int) -> None:
    desk, ledger = Desk(), MemoryLedger()
    oracle = Oracle(NOTES, wrong={place: ("note", {"text": "bad"})}, reason_s=0.05)
    agent = desk_agent(desk, oracle, planning=planning, ledger=ledger)
    result = VirtualClock.run(agent.ainvoke(ask()))
    assert calls(result) == NOTES
    assert [c["result"] for c in result["committed"]] == ["1 notes", "1", "2 notes", "2"]
    assert desk.notes == ["a", "b"]
    assert "bad" in desk.undone
    if place == 0:
        assert desk.undone == ["b", "bad"]
    assert not any(r.ahead and r.status != "undone" for r in ledger.records())


async def test_reversible_tools_are_fences_unless_the_agent_lets_them_run_ahead() -> None:
    desk, oracle = Desk(), Oracle(NOTES)
    agent = desk_agent(desk, oracle, runs_ahead=("pure", "read"), planning="never")
    result = await agent.ainvoke(ask())
    assert calls(result) == NOTES
    assert any(r["outcome"] == "fenced" for r in result["steps"])


async def test_an_undo_that_fails_stops_the_run_and_is_tried_again_on_resume() -> None:
    desk, saver = Desk(stuck=True), InMemorySaver()
    oracle = Oracle(NOTES, wrong={0: ("note", {"text": "bad"})}, reason_s=0.01)
    agent = desk_agent(desk, oracle, planning="never", checkpointer=saver)
    with pytest.raises(NeedsIntervention, match="drawer is stuck"):
        await agent.ainvoke(ask(), CONFIG)
    desk.stuck = False
    result = await agent.ainvoke(None, CONFIG)
    assert calls(result) == NOTES
    assert desk.notes == ["a", "b"]


async def test_cancelling_a_run_undoes_what_ran_ahead() -> None:
    desk, ledger = Desk(), MemoryLedger()
    oracle = Oracle(NOTES, reason_s=60.0)
    agent = desk_agent(desk, oracle, planning="never", ledger=ledger)
    work = asyncio.create_task(agent.ainvoke(ask()))
    for _ in range(2000):
        if len(desk.notes) == 2:
            break
        await asyncio.sleep(0.001)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert desk.notes == []
    assert desk.undone == ["b", "a"]
    assert {r.status for r in ledger.records()} == {"undone"}
