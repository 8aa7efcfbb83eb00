"""What the rows of the matrix have in common: servers, lanes, calls, and checks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from agentlanes import Lane, build_agent, effect
from agentlanes.config import Settings
from agentlanes.errors import LaneError
from agentlanes.lanes.chat_model import LaneChatModel
from agentlanes.lanes.lane import LaneRole, Timers
from agentlanes.testing import EndpointServer, Reply
from agentlanes.testing.faults import FaultPlan
from agentlanes.testing.latency import LatencySource

__all__ = [
    "APPROVE",
    "ROLES",
    "SHORT",
    "Checks",
    "Row",
    "World",
    "agent_at",
    "call",
    "calm",
    "fine",
    "lag",
    "lane_at",
    "lanes_at",
]

ROLES: tuple[LaneRole, ...] = ("act", "reason")
SHORT = Timers(connect_s=2, first_token_s=0.4, progress_s=0.4, total_s=1.0)
APPROVE = '{"reason": "fine", "verdict": "approve"}'
TEXT = "all is well, and here are some more words, so that there is a middle to break off in"


class Checks:
    """Collects what was seen, and what of it is wrong."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.wrong: list[str] = []

    def saw(self, text: str) -> None:
        """Note something worth a place in the table."""
        self.seen.append(text)

    def that(self, holds: bool, otherwise: str) -> None:
        """Check something; say what is wrong if it does not hold."""
        if not holds:
            self.wrong.append(otherwise)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the matrix.

    Attributes:
        number: Its number.
        name: The fault.
        expected: What must happen.
        run: Makes it happen.
        apart: Whether it takes a minute or more, and runs in a thread beside the others.
    """

    number: int
    name: str
    expected: str
    run: Callable[[Checks], Awaitable[None]]
    apart: bool = False


def fine(body: dict[str, Any]) -> Reply:
    """Answer as an endpoint should."""
    return Reply(content=TEXT)


def lane_at(url: str, model: str = "m", **fields: Any) -> Lane:
    """Describe an endpoint; short waits between attempts, to keep the matrix quick."""
    return Lane(model, base_url=url, **fields)


@asynccontextmanager
async def lanes_at(
    script: Any = fine,
    *,
    faults: FaultPlan | None = None,
    latency: LatencySource | None = None,
    **fields: Any,
) -> AsyncIterator[tuple[EndpointServer, Callable[..., LaneChatModel]]]:
    """Serve a script, and make chat models for it that are closed at the end."""
    made: list[LaneChatModel] = []
    async with EndpointServer(script, faults=faults, latency=latency) as server:

        def lane(role: LaneRole = "act", **more: Any) -> LaneChatModel:
            described = lane_at(server.base_url, **{**fields, **more})
            made.append(LaneChatModel.from_lane(described, role, Settings()))
            return made[-1]

        try:
            yield server, lane
        finally:
            for model in made:
                await model.aclose()


async def call(model: Any, how: Literal["ask", "stream"] = "ask", text: str = "?") -> str:
    """Make a call; give its text, or the name of the error it ended with."""
    try:
        if how == "ask":
            return str((await model.ainvoke(text)).text)
        return "".join([chunk.text async for chunk in model.astream(text)])
    except LaneError as error:
        return type(error).__name__


@dataclass
class Lag:
    """How late the event loop was at worst, in seconds."""

    worst_s: float = 0.0


@asynccontextmanager
async def lag() -> AsyncIterator[Lag]:
    """Measure how late timers fire meanwhile: what a busy machine adds to every bound."""
    found = Lag()

    async def watch() -> None:
        while True:
            due = time.monotonic() + 0.02
            await asyncio.sleep(0.02)
            found.worst_s = max(found.worst_s, time.monotonic() - due)

    watching = asyncio.create_task(watch())
    try:
        yield found
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def calm() -> None:
    """Let what was closed be closed."""
    for _ in range(5):
        await asyncio.sleep(0.01)


@dataclass
class World:
    """Tools that log every call that ran; a result is as long as `padding` makes it."""

    ran: list[str] = field(default_factory=list)
    padding: int = 0

    def tools(self) -> list[Any]:
        """Give a read and a write."""

        @effect("read")
        async def look(city: str) -> str:
            """Look a city up."""
            self.ran.append(f"look {city}")
            return f"{city} is there{'.' * self.padding}"

        @effect("write")
        async def book(city: str) -> str:
            """Book a trip."""
            self.ran.append(f"book {city}")
            return "booked"

        return [look, book]


def agent_at(act: Lane, reason: Lane, world: World, **options: Any) -> Any:
    """Build an agent over two lanes."""
    return build_agent(act, reason, world.tools(), planning="never", **options)
