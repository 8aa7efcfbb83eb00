"""Tool worlds: state that tools look at and change, private attributes included.

The tools are made once in a process, since making their schemas is slow; they work on whatever
world is on the stage. One simulation runs at a time.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from langchain_core.tools import BaseTool, InjectedToolArg, StructuredTool

from agentlanes import NotApplied, Session, effect
from agentlanes.plan import canonical

TIMEOUT_S = 20.0
Key = Annotated[str, InjectedToolArg]

Mood = Literal["not_applied", "raise_before", "raise_after", "hang", "hang_after"]
"""How a call fails: before or after it has taken effect, by an exception or by its timeout."""


class Cursor:
    """What session tools move: a place, and a hidden generator that every step draws from."""

    def __init__(self, seed: int) -> None:
        self.at = 0
        self._steps = 0
        self.__rng = random.Random(seed)

    def step(self, by: int) -> int:
        self._steps += 1
        self.at += by + self.__rng.randrange(3)
        return self.at

    def fork(self) -> Cursor:
        return copy.deepcopy(self)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to the world: a call began, took effect, or was taken back."""

    at: float
    what: Literal["start", "effect", "end", "undo", "undone"]
    tool: str
    args: str
    key: str


class World:
    """Cells, letters that were sent, notes that can be taken back, and what is hidden."""

    def __init__(self, seed: int, moods: Mapping[str, Mood], tool_s: float) -> None:
        self.cells = {"a": "v0", "b": "v0", "c": "v0"}
        self.sent: list[str] = []
        self.notes: list[str] = []
        self._writes = 0
        self.__drawn = 0
        self._rng = random.Random(seed)
        # What follows belongs to the observer, not to the state.
        self._log_seed, self._log_moods, self._log_tool_s = seed, moods, tool_s
        self.log: list[Event] = []
        self.told: dict[str, str] = {}
        self.undo_fails = 0
        self._log_before: dict[str, dict[str, Any]] = {}

    def snapshot(self) -> dict[str, Any]:
        """Give all state, private attributes included, in a form that can be compared."""
        return {**_plain(self, _OBSERVER), "session": _plain(SESSION.value)}

    def draw(self) -> int:
        """Move the hidden generator."""
        self._writes += 1
        self.__drawn += 1
        return self._rng.randrange(1000)

    def latency_s(self, call: str) -> float:
        """Seconds a call takes, from its own text: never from the order of things."""
        return self._log_tool_s * spread(f"{self._log_seed} {call}")

    def note_event(self, what: Any, tool: str, args: Mapping[str, Any], key: str) -> None:
        self.log.append(Event(STAGE.now(), what, tool, canonical(args), key))

    async def call(
        self, tool: str, args: dict[str, Any], key: str, change: Callable[[], str]
    ) -> str:
        """Take time, take effect in the middle of it, and fail as the schedule says."""
        text = call_text(tool, args)
        mood, took = self._log_moods.get(text), self.latency_s(text)
        self.note_event("start", tool, args, key)
        try:
            await asyncio.sleep(took / 2)
            self._fail_before(mood)
            if mood == "hang":
                await asyncio.sleep(50 * TIMEOUT_S)
            result = self._apply(tool, args, key, change)
            if mood == "hang_after":
                await asyncio.sleep(50 * TIMEOUT_S)
            await asyncio.sleep(took / 2)
            self._fail_after(mood)
            return result
        finally:
            self.note_event("end", tool, args, key)

    def call_now(self, tool: str, args: dict[str, Any], key: str, change: Callable[[], str]) -> str:
        """Do the same in a thread, where no virtual time passes."""
        mood = self._log_moods.get(call_text(tool, args))
        self.note_event("start", tool, args, key)
        self._fail_before(mood)
        result = self._apply(tool, args, key, change)
        self._fail_after(mood)
        return result

    def _apply(self, tool: str, args: dict[str, Any], key: str, change: Callable[[], str]) -> str:
        if tool in CHANGES:
            self._log_before[key] = copy.deepcopy(
                {name: value for name, value in vars(self).items() if name not in _OBSERVER}
            )
        result = change()
        self.told[key] = result
        if tool in CHANGES:
            self.note_event("effect", tool, args, key)
        return result

    def _fail_before(self, mood: Mood | None) -> None:
        if mood == "not_applied":
            raise NotApplied("not today")
        if mood == "raise_before":
            raise OSError("broken before")

    def _fail_after(self, mood: Mood | None) -> None:
        if mood == "raise_after":
            raise OSError("broken after")

    def take_back(self, tool: str, args: dict[str, Any], key: str) -> None:
        """Put everything back as it was before a call: right only in last-in first-out order."""
        if self.undo_fails:
            self.undo_fails -= 1
            raise OSError("the drawer is stuck")
        before = self._log_before.pop(key, None)
        if before is not None:
            vars(self).update(before)
            self.told.pop(key, None)
        self.note_event("undone", tool, args, key)


_OBSERVER = frozenset(
    ("log", "told", "undo_fails", "_log_seed", "_log_moods", "_log_tool_s", "_log_before")
)


def _plain(thing: Any, leave_out: frozenset[str] = frozenset()) -> dict[str, Any]:
    return {
        name: value.getstate() if isinstance(value, random.Random) else copy.deepcopy(value)
        for name, value in vars(thing).items()
        if name not in leave_out
    }


def spread(text: str) -> float:
    """Give a factor between 0.1 and 4 that depends on the text alone; small ones are likelier."""
    share = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") / 2**32
    return 0.1 + 3.9 * share**3


def call_text(tool: str, args: Mapping[str, Any]) -> str:
    return f"{tool} {canonical({k: v for k, v in args.items() if k != 'idempotency_key'})}"


@dataclass(slots=True)
class Stage:
    """What the tools of this process work on now."""

    world: World | None = None
    clock: Any = None
    lanes: Any = None
    kits: dict[str, list[BaseTool]] = field(default_factory=dict)

    def now(self) -> float:
        return float(self.clock.now)

    @property
    def here(self) -> World:
        assert self.world is not None
        return self.world


STAGE = Stage()
SESSION: Session[Cursor] = Session(Cursor(0))


@effect("pure")
def double(number: int) -> str:
    """Double a number."""
    return STAGE.here.call_now("double", {"number": number}, "", lambda: str(2 * number))


@effect("pure")
async def halve(number: int) -> str:
    """Halve an even number."""
    return await STAGE.here.call("halve", {"number": number}, "", lambda: str(_half(number)))


def _half(number: int) -> int:
    if number % 2:
        raise ValueError("odd")
    return number // 2


@effect("read")
async def look(key: str) -> str:
    """Look a cell up."""
    return await STAGE.here.call(
        "look", {"key": key}, "", lambda: f"{key}={STAGE.here.cells.get(key)}"
    )


@effect("read", trusted=True)
async def ask_owner(key: str) -> str:
    """Look a cell up in a book that can be trusted."""
    return await STAGE.here.call(
        "ask_owner", {"key": key}, "", lambda: f"owner of {STAGE.here.cells.get(key)}"
    )


@effect("read")
def census() -> str:
    """Count what there is."""
    world = STAGE.here
    return world.call_now(
        "census",
        {},
        "",
        lambda: f"{len(world.sent)} sent, {len(world.notes)} notes, {world._writes} writes",
    )


@effect("read", target="url", allow="ok:*")
async def fetch(url: str) -> str:
    """Fetch a page."""
    return await STAGE.here.call(
        "fetch", {"url": url}, "", lambda: f"{url}: {len(STAGE.here.sent)} letters"
    )


@effect("session", session=SESSION)
async def walk(by: int) -> str:
    """Walk on."""
    return await STAGE.here.call("walk", {"by": by}, "", lambda: f"at {SESSION.current.step(by)}")


@effect("read", session=SESSION)
async def where() -> str:
    """Say where the cursor is."""
    return await STAGE.here.call("where", {}, "", lambda: f"still at {SESSION.current.at}")


@effect("session")
async def hop(by: int, idempotency_key: Key = "") -> str:
    """Hop, on the one real session."""
    return await STAGE.here.call(
        "hop", {"by": by}, idempotency_key, lambda: f"hopped to {SESSION.value.step(by)}"
    )


async def _undo_note(args: dict[str, Any], result: str | None, key: str) -> None:
    STAGE.here.note_event("undo", "note", args, key)
    await asyncio.sleep(STAGE.here.latency_s(f"undo {canonical(args)}"))
    STAGE.here.take_back("note", args, key)


def _undo_pin(args: dict[str, Any], result: str | None, key: str) -> None:
    STAGE.here.note_event("undo", "pin", args, key)
    STAGE.here.take_back("pin", args, key)


def _add_note(text: str) -> str:
    world = STAGE.here
    world.notes.append(f"{text}{world.draw()}")
    return f"{len(world.notes)} notes"


@effect("reversible", undo=_undo_note)
async def note(text: str, idempotency_key: Key = "") -> str:
    """Put a note up."""
    return await STAGE.here.call("note", {"text": text}, idempotency_key, lambda: _add_note(text))


@effect("reversible", undo=_undo_pin)
def pin(text: str, idempotency_key: Key = "") -> str:
    """Pin a note to the wall."""
    return STAGE.here.call_now("pin", {"text": text}, idempotency_key, lambda: _add_note(text))


def _set(key: str, value: str) -> str:
    STAGE.here.cells[key] = f"{value}#{STAGE.here.draw()}"
    return f"{key} is {value}"


@effect("write")
async def store(key: str, value: str, idempotency_key: Key = "") -> str:
    """Store a value."""
    return await STAGE.here.call(
        "store", {"key": key, "value": value}, idempotency_key, lambda: _set(key, value)
    )


@effect("write")
def stamp(key: str, idempotency_key: Key = "") -> str:
    """Stamp a cell."""
    return STAGE.here.call_now("stamp", {"key": key}, idempotency_key, lambda: _set(key, "!"))


def _send(to: str) -> str:
    STAGE.here.sent.append(f"{to}{STAGE.here.draw()}")
    return f"letter {len(STAGE.here.sent)}"


@effect("irreversible")
async def send(to: str, idempotency_key: Key = "") -> str:
    """Send a letter."""
    return await STAGE.here.call("send", {"to": to}, idempotency_key, lambda: _send(to))


async def _was_paid(args: dict[str, Any], key: str) -> str | None:
    return STAGE.here.told.get(key)


@effect("irreversible", check=_was_paid)
async def pay(to: str, idempotency_key: Key = "") -> str:
    """Pay somebody."""
    return await STAGE.here.call("pay", {"to": to}, idempotency_key, lambda: _send(f"$ {to}"))


async def mystery(to: str, idempotency_key: Key = "") -> str:
    """Do what nobody has declared."""
    return await STAGE.here.call("mystery", {"to": to}, idempotency_key, lambda: _send(f"? {to}"))


_ALL: dict[str, Any] = {
    tool.__name__: tool
    for tool in (
        double, halve, look, ask_owner, census, fetch, walk, where, hop, note, pin, store, stamp,
        send, pay, mystery,
    )
}  # fmt: skip
CHANGES = frozenset(("hop", "note", "pin", "store", "stamp", "send", "pay", "mystery"))
"""Tools that change the world itself, not a fork of a session."""

KITS: dict[str, tuple[str, ...]] = {
    "reads": ("double", "halve", "look", "census"),
    "writes": ("look", "census", "double", "store", "send", "pay"),
    "session": ("walk", "where", "hop", "look", "store"),
    "undo": ("note", "pin", "census", "look", "send"),
    "taint": ("fetch", "look", "ask_owner", "send", "stamp"),
    "all": tuple(_ALL),
}
ARGUMENTS: dict[str, dict[str, str]] = {
    name: {
        argument: "int" if kind is int or kind == "int" else "str"
        for argument, kind in tool.__annotations__.items()
        if argument not in ("return", "idempotency_key")
    }
    for name, tool in _ALL.items()
}


def kit(name: str) -> list[BaseTool]:
    """Give a kit's tools, made once."""
    made = STAGE.kits.get("all")
    if made is None:
        made = STAGE.kits["all"] = [
            StructuredTool.from_function(coroutine=tool)
            if asyncio.iscoroutinefunction(tool)
            else StructuredTool.from_function(tool)
            for tool in _ALL.values()
        ]
    by_name = {tool.name: tool for tool in made}
    return [by_name[tool] for tool in KITS[name]]
