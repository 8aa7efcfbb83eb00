"""Schedules: everything a simulated run depends on, drawn by hypothesis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from hypothesis import strategies as st

from tests.simulation.lanes import Call, Draft, PlanSlip, Quirk
from tests.simulation.worlds import ARGUMENTS, KITS, Mood, call_text

__all__ = ["Schedule", "Trouble", "schedules", "troubled"]


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What happens to a run from outside: at a share of the time it takes undisturbed."""

    what: Literal["cancel", "crash"]
    at: float


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A world, a task, two lanes with their errors and latencies, an agent, and what befalls it.

    The same schedule gives the same run; its `repr` reproduces it.
    """

    kit: str = "reads"
    truth: tuple[Call, ...] = ()
    wrong: Mapping[int, tuple[Draft, ...]] = field(default_factory=dict)
    stubborn: frozenset[int] = frozenset()
    batch: int = 1
    plan_slips: tuple[PlanSlip, ...] = ()
    open_steps: frozenset[int] = frozenset()
    quirks: Mapping[str, Quirk] = field(default_factory=dict)
    act_fails: frozenset[int] = frozenset()
    suggests: bool = False
    revises: PlanSlip | Literal["right"] | None = None
    moods: Mapping[str, Mood] = field(default_factory=dict)
    undo_fails: int = 0
    seed: int = 0
    act_s: float = 0.6
    reason_s: float = 6.0
    tool_s: float = 1.0
    run_ahead: int = 8
    max_window: int = 16
    max_corrections: int = 3
    max_steps: int = 200
    planning: Literal["auto", "always", "never"] = "never"
    verify: Any = "approve"
    quality: float = 0.8
    profile: str | None = None
    deliver: Literal["verified", "provisional"] = "verified"
    reversible: bool = False
    admission: Literal["none", "own", "moody"] = "own"
    person: Mapping[str, Literal["approve", "reject", "edit"]] = field(default_factory=dict)
    saver: bool = False
    durability: Literal["sync", "async"] = "async"
    troubles: tuple[Trouble, ...] = ()


_KEYS = st.sampled_from(("a", "b", "c"))
_URLS = st.sampled_from(("ok:1", "far:1", "far:2"))
_NUMBERS = st.integers(0, 3)
_MOODS: st.SearchStrategy[Any] = st.sampled_from(
    ("not_applied", "raise_before", "raise_after", "hang", "hang_after")
)
_SLIPS: tuple[PlanSlip, ...] = ("other", "extra", "missing", "garbage", "empty", "lost", "lost")
_SCALES = (0.0, 0.05, 0.6, 3.0)


@st.composite
def _calls(draw: st.DrawFn, names: tuple[str, ...], before: tuple[Call, ...] = ()) -> Call:
    """Draw a call; some arguments are the result of an earlier call of the task."""
    tool = draw(st.sampled_from(names))
    args: dict[str, Any] = {}
    for argument, kind in ARGUMENTS[tool].items():
        sources = [
            place + 1
            for place, (earlier, _) in enumerate(before)
            if (kind == "int") == (earlier == "double") and argument not in ("key", "url")
        ]
        if sources and draw(st.integers(0, 2)) == 0:
            args[argument] = {"$step": draw(st.sampled_from(sources))}
        elif kind == "int":
            args[argument] = draw(_NUMBERS)
        else:
            args[argument] = draw(_URLS if argument == "url" else _KEYS)
    return tool, args


@st.composite
def _tasks(draw: st.DrawFn, names: tuple[str, ...], least: int = 0) -> tuple[Call, ...]:
    truth: tuple[Call, ...] = ()
    for _ in range(draw(st.integers(least, 6))):
        truth = (*truth, draw(_calls(names, truth)))
    return truth


def _few(items: st.SearchStrategy[Any], rarely: bool = True) -> st.SearchStrategy[Any]:
    """Mostly nothing, since a run with many errors is over before anything happens."""
    nothing = st.just(())
    return st.one_of(nothing, nothing, st.lists(items, max_size=3).map(tuple)) if rarely else items


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Draw a schedule without troubles from outside."""
    drawn = draw(_schedules())
    if draw(st.integers(0, 4)):
        return drawn
    # One in five begins with a wrong plan that waits for its verdict: that is where reads begin
    # early, plans are drafted again, and what was read is used in the next window.
    kit = draw(st.sampled_from(("reads", "reads", "writes", "all")))
    slips = st.lists(st.sampled_from(("lost", "other", *_SLIPS)), min_size=1, max_size=2)
    return replace(
        drawn,
        kit=kit,
        truth=draw(_tasks(KITS[kit], least=3)),
        plan_slips=draw(slips.map(tuple)),
        wrong={},
        stubborn=frozenset(),
        act_fails=frozenset(),
        quirks={},
        moods={},
        person={},
        run_ahead=draw(st.sampled_from((8, 3, 32))),
        reason_s=draw(st.sampled_from((6.0, 20.0))),
        tool_s=draw(st.sampled_from((0.05, 0.6, 3.0))),
        max_window=16,
        planning="always",
        verify="approve",
        admission="none",
    )


@st.composite
def _schedules(draw: st.DrawFn) -> Schedule:
    kit = draw(st.sampled_from(sorted(KITS)))
    names = KITS[kit]
    truth = draw(_tasks(names))
    places = st.integers(0, len(truth))
    drafts = st.one_of(
        _calls(names), _calls(names), st.sampled_from(("finish", "unknown", "schema"))
    )
    wrong = {
        place: draw(st.lists(drafts, min_size=1, max_size=3).map(tuple))
        for place in draw(_few(places))
    }
    quirky = st.tuples(
        st.sampled_from(("call", "call", "call", "plan", "finish", "own")),
        places,
        st.sampled_from(("reject", "unreadable", "unavailable", "unavailable")),
    )
    quirks: dict[str, Quirk] = {
        f"{kind} {0 if kind == 'plan' else place}": quirk
        for kind, place, quirk in draw(_few(quirky))
    }
    slips = draw(_few(st.sampled_from(_SLIPS)))
    if draw(st.integers(0, 4)) == 0:
        # Keyed by how often it was asked: sound for one place only, where nothing before it is
        # discarded and asked again. A call that deviates from a rejected plan would be.
        once: Any = draw(st.sampled_from(("reject_once", "unreadable_once")))
        quirks, slips = {f"call {draw(places)}": once}, ()
    texts = sorted({call_text(tool, args) for tool, args in truth})
    moods: dict[str, Mood] = {}
    fails: bool = draw(st.booleans())
    if texts and fails:
        moods = draw(st.dictionaries(st.sampled_from(texts), _MOODS, max_size=2))
    saver = draw(st.booleans())
    return Schedule(
        kit=kit,
        truth=truth,
        wrong=wrong,
        stubborn=frozenset(draw(_few(places))) if wrong else frozenset(),
        batch=draw(st.integers(1, 4)),
        plan_slips=slips,
        open_steps=frozenset(draw(_few(places))),
        quirks=quirks,
        act_fails=frozenset(draw(_few(places))) if draw(st.booleans()) else frozenset(),
        suggests=draw(st.booleans()),
        revises=draw(st.sampled_from((None, None, "right", "right", *_SLIPS))),
        moods=moods,
        undo_fails=draw(st.integers(0, 2)) if saver else 0,
        seed=draw(st.integers(0, 2**16)),
        act_s=draw(st.sampled_from(_SCALES)),
        reason_s=draw(st.sampled_from((*_SCALES, 20.0))),
        tool_s=draw(st.sampled_from((*_SCALES, 10.0))),
        run_ahead=draw(st.integers(1, 8)),
        max_window=draw(st.sampled_from((16, 1, 2, 3, 5))),
        max_corrections=draw(st.sampled_from((3, 0, 1, 2, 5))),
        max_steps=draw(st.sampled_from((200, 200, 3))),
        planning=draw(st.sampled_from(("never", "auto", "always"))),
        verify=draw(st.sampled_from(("approve", "approve", "approve", "match", "skip", "auto"))),
        quality=draw(st.sampled_from((0.8, 0.0, 0.3, 1.0))),
        profile=draw(st.sampled_from((None, None, None, "formal_verification"))),
        deliver=draw(st.sampled_from(("verified", "verified", "provisional"))),
        reversible=draw(st.booleans()),
        admission=draw(st.sampled_from(("own", "none", "moody"))),
        person={
            tool: draw(st.sampled_from(("approve", "approve", "reject", "edit")))
            for tool in names
            if saver and draw(st.integers(0, 7)) == 0
        },
        saver=saver,
        durability=draw(st.sampled_from(("async", "sync"))),
    )


@st.composite
def troubled(draw: st.DrawFn) -> Schedule:
    """Draw a schedule that is cancelled or killed, and resumed, a few times."""
    calm = draw(schedules())
    shares = st.floats(0.0, 1.1, allow_nan=False)
    what: st.SearchStrategy[Any] = st.sampled_from(("cancel", "crash"))
    troubles = draw(
        st.lists(st.builds(Trouble, what=what, at=shares), min_size=1, max_size=3).map(tuple)
    )
    return replace(
        calm,
        saver=True,
        troubles=troubles,
        # What is keyed by how often it was asked would make another run of it.
        quirks={key: value for key, value in calm.quirks.items() if "once" not in value},
    )
