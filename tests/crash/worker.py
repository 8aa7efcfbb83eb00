"""A fork server: imports everything once, then runs every job in a child of its own.

Started as `python -m tests.crash.worker`; jobs come as JSON lines on standard input, and what
became of their children goes to standard output. It forks before any thread or event loop exists.
"""

from __future__ import annotations

import asyncio
import gc
import heapq
import json
import os
import selectors
import signal
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command

from agentlanes import build_agent
from agentlanes.speculation.ledger.opening import open_ledger
from tests.crash.lanes import Lanes, request
from tests.crash.points import Points, points_of
from tests.crash.stores import PointsLedger, open_saver, set_up
from tests.crash.world import World

_UNKNOWN = "agentlanes.unknown_effect"
_READY = b'"ready"\n'
_MAX_ANSWERS = 20


async def carry_out(job: dict[str, Any], points: Points, say: Any) -> dict[str, Any]:
    """Run, or go on with, the runs of a job; give what became of each."""
    world = World(Path(job["folder"]), points, slow_s=job["tool_s"])
    lanes = Lanes(world, points, act_s=job["act_s"], reason_s=job["reason_s"])
    ledger = open_ledger(job["ledger"])
    async with open_saver(job["saver"], points) as saver:
        agent = build_agent(
            lanes.act,
            lanes.reason,
            world.tools(),
            checkpointer=saver,
            ledger=PointsLedger(ledger, points),
            **{**job["options"], "runs_ahead": tuple(job["options"]["runs_ahead"])},
        )
        say()
        ends = [_drive(agent, world, job, who) for who in job["whos"]]
        ended = await asyncio.gather(*ends)
        return {"runs": dict(zip(job["whos"], ended, strict=True)), "passed": points.passed}


async def _drive(agent: Any, world: World, job: dict[str, Any], who: str) -> dict[str, Any]:
    config: RunnableConfig = {"configurable": {"thread_id": who}}
    try:
        known = await agent.aget_state(config)
        # What was never saved was never begun: it is asked again. Anything else goes on.
        begun = known.created_at is not None
        said = {"messages": [("user", request(job["task"], who))]}
        world.journal(who).write(what="goes on" if begun else "begins")
        given: Any = None if begun else said
        for _ in range(_MAX_ANSWERS):
            result = await agent.ainvoke(given, config, durability=job["durability"])
            asked = (result or {}).get("__interrupt__")
            if not asked:
                break
            if not job["person"]:
                return {"status": "asks", "asked": [stop.value for stop in asked]}
            given = Command(resume={stop.id: _person(world, who, stop.value) for stop in asked})
        values = (
            result if result and "answer" in result else (await agent.aget_state(config)).values
        )
        return {
            "status": "done",
            "answer": values.get("answer"),
            "committed": [
                (c["tool"], c["args"]["n"], c["result"]) for c in values.get("committed", ())
            ],
        }
    except Exception as error:
        return {
            "status": "error",
            "type": type(error).__name__,
            "text": str(error),
            "trace": "".join(traceback.format_exception(error))[-600:],
        }


def _person(world: World, who: str, asked: Any) -> dict[str, Any]:
    """Answer as a person does who looks at the world."""
    if not isinstance(asked, dict) or asked.get("type") != _UNKNOWN:
        raise RuntimeError(f"a person cannot answer {asked!r}")
    found = world.look_for(asked["call"]["tool"], asked["call"]["args"])
    world.journal(who).write(what="person", call=asked["call"], found=found)
    return {"outcome": "not_applied"} if found is None else {"outcome": "done", "result": found}


def _child(job: dict[str, Any], out: int) -> None:
    """Do a job and end, in the forked process; nobody's handlers or buffers are left."""
    points = points_of(job["points"])
    try:
        if job["do"] == "setup":
            asyncio.run(set_up(job["saver"]))
            ended: dict[str, Any] = {}
        else:
            work = carry_out(job, points, lambda: os.write(out, _READY))
            ended = asyncio.run(work)
    except BaseException as error:
        ended = {"failed": "".join(traceback.format_exception(error))[-4000:]}
    with os.fdopen(out, "w") as pipe:
        pipe.write(json.dumps(ended) + "\n")
    os._exit(0)


@dataclass(slots=True, kw_only=True)
class _Running:
    job: dict[str, Any]
    pid: int
    pipe: int
    heard: bytearray = field(default_factory=bytearray)


class _Server:
    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        self._running: dict[int, _Running] = {}
        self._kills: list[tuple[float, int]] = []
        self._typed = bytearray()

    def serve(self) -> None:
        """Serve until standard input ends, then end every child."""
        gc.freeze()
        try:
            while True:
                wait = max(0.0, self._kills[0][0] - time.monotonic()) if self._kills else None
                for key, _ in self._selector.select(wait):
                    if key.fd == sys.stdin.fileno():
                        if not self._read_jobs():
                            return
                    else:
                        self._hear(self._running[key.fd])
                self._kill_due()
        finally:
            for child in self._running.values():
                os.kill(child.pid, signal.SIGKILL)
                os.waitpid(child.pid, 0)

    def _read_jobs(self) -> bool:
        data = os.read(sys.stdin.fileno(), 1 << 16)
        self._typed += data
        while (end := self._typed.find(b"\n")) >= 0:
            job = json.loads(self._typed[:end])
            del self._typed[: end + 1]
            self._fork(job)
        return bool(data)

    def _fork(self, job: dict[str, Any]) -> None:
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(ours)
            for pipe in self._running:
                os.close(pipe)
            self._selector.close()
            null = os.open(os.devnull, os.O_RDONLY)
            os.dup2(null, 0)
            os.dup2(2, 1)
            _child(job, theirs)
        os.close(theirs)
        self._running[ours] = _Running(job=job, pid=pid, pipe=ours)
        self._selector.register(ours, selectors.EVENT_READ)
        heapq.heappush(self._kills, (time.monotonic() + job["limit_s"], pid))

    def _hear(self, child: _Running) -> None:
        data = os.read(child.pipe, 1 << 16)
        if data:
            fresh = not child.heard
            child.heard += data
            if fresh and child.job["kill_after_s"] is not None:
                due = time.monotonic() + child.job["kill_after_s"]
                heapq.heappush(self._kills, (due, child.pid))
            return
        self._selector.unregister(child.pipe)
        os.close(child.pipe)
        del self._running[child.pipe]
        _, status = os.waitpid(child.pid, 0)
        said = [json.loads(line) for line in child.heard.splitlines() if line != _READY.strip()]
        ended = said[-1] if said else {}
        reply = {"id": child.job["id"], "code": os.waitstatus_to_exitcode(status), **ended}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()

    def _kill_due(self) -> None:
        alive = {child.pid for child in self._running.values()}
        while self._kills and (
            self._kills[0][0] <= time.monotonic() or self._kills[0][1] not in alive
        ):
            _, pid = heapq.heappop(self._kills)
            if pid in alive:
                os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    _Server().serve()
