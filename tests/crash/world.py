"""The world outside the processes: an append-only file of what happened, and nothing takes back.

No tool here is idempotent: one that runs a second time writes a second line.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from langchain_core.tools import InjectedToolArg

from agentlanes import effect
from tests.crash.points import Points

__all__ = ["FENCED", "RESULTS", "Journal", "World"]

FENCED = ("cd", "store", "send", "pay")
"""Tools that must not run before their verdict; `jot` may when the agent lets it."""

RESULTS = {"cd": "moved", "jot": "jotted", "store": "stored", "send": "sent", "pay": "paid"}


@dataclass(frozen=True, slots=True)
class Journal:
    """One thread's part of the world: lines of what happened, in order.

    Attributes:
        path: The file.
    """

    path: Path

    def write(self, **line: Any) -> None:
        """Append a line, in one system call: a process that dies leaves it whole or not at all."""
        data = json.dumps({**line, "pid": os.getpid()}) + "\n"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        file = os.open(self.path, flags, 0o600)
        try:
            os.write(file, data.encode())
        finally:
            os.close(file)

    def lines(self) -> list[dict[str, Any]]:
        """Give what happened."""
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def standing(self) -> Counter[tuple[str, int]]:
        """Count the effects that happened and were not undone, by tool and number."""
        count: Counter[tuple[str, int]] = Counter()
        for line in self.lines():
            if line["what"] in ("did", "undid"):
                count[line["tool"], line["n"]] += 1 if line["what"] == "did" else -1
        return count

    def undo(self, tool: str, n: int, key: str) -> bool:
        """Take an effect back if it stands; a second undo changes nothing."""
        with self._alone():
            mine = [line for line in self.lines() if line.get("key") == key]
            did = sum(line["what"] == "did" for line in mine)
            undid = sum(line["what"] == "undid" for line in mine)
            if did > undid:
                self.write(what="undid", tool=tool, n=n, key=key)
            return bool(did > undid)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        file = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)


class World:
    """Tools of every effect class over the journals of all threads.

    Args:
        folder: Where the journals are, a file a thread.
        points: Where this process may die.
        slow_s: Seconds a tool takes before and after it does what it does.
    """

    def __init__(self, folder: Path, points: Points, slow_s: float) -> None:
        self._folder, self._points, self._slow_s = folder, points, slow_s

    def journal(self, who: str) -> Journal:
        """Give a thread's part."""
        return Journal(self._folder / f"{who}.jsonl")

    async def _do(self, tool: str, who: str, n: int, key: str = "") -> str:
        await self._points.reach(f"tool:before:{tool}")
        await asyncio.sleep(self._slow_s)
        self.journal(who).write(what="did", tool=tool, n=n, key=key)
        await self._points.reach(f"tool:after:{tool}")
        await asyncio.sleep(self._slow_s)
        return RESULTS[tool]

    async def _undo(self, args: dict[str, Any], result: str | None, key: str) -> None:
        await self._points.reach("undo:before:jot")
        self.journal(args["who"]).undo("jot", args["n"], key)
        await self._points.reach("undo:after:jot")

    async def _check(self, args: dict[str, Any], key: str) -> str | None:
        await self._points.reach("check:before:pay")
        lines = self.journal(args["who"]).lines()
        happened = any(line["what"] == "did" and line["key"] == key for line in lines)
        await self._points.reach("check:after:pay")
        return RESULTS["pay"] if happened else None

    def look_for(self, tool: str, args: dict[str, Any]) -> str | None:
        """Look whether a call took effect, as a person would: its result, or `None`."""
        stands = self.journal(args["who"]).standing()[tool, args["n"]] > 0
        return RESULTS[tool] if stands else None

    def tools(self) -> list[Callable[..., Any]]:
        """Give the tools."""

        @effect("pure")
        async def double(who: str, n: int) -> str:
            """Double a number."""
            await self._points.reach("tool:before:double")
            return str(2 * n)

        @effect("read")
        async def look(who: str, n: int) -> str:
            """Count what stands."""
            await self._points.reach("tool:before:look")
            count = sum(self.journal(who).standing().values())
            await self._points.reach("tool:after:look")
            return str(count)

        @effect("session")
        async def cd(who: str, n: int) -> str:
            """Move a cursor that cannot be forked."""
            return await self._do("cd", who, n)

        @effect("reversible", undo=self._undo)
        async def jot(who: str, n: int, idempotency_key: Annotated[str, InjectedToolArg]) -> str:
            """Jot something down; it can be struck out."""
            return await self._do("jot", who, n, idempotency_key)

        @effect("write")
        async def store(who: str, n: int) -> str:
            """Store something."""
            return await self._do("store", who, n)

        @effect("irreversible")
        async def send(who: str, n: int) -> str:
            """Send something; nobody can tell later but by looking."""
            return await self._do("send", who, n)

        @effect("irreversible", check=self._check)
        async def pay(who: str, n: int, idempotency_key: Annotated[str, InjectedToolArg]) -> str:
            """Pay; the bank can be asked whether a payment was made."""
            return await self._do("pay", who, n, idempotency_key)

        return [double, look, cd, jot, store, send, pay]
