"""Schedules that once broke a guarantee, cut down to what matters. They stay."""

from __future__ import annotations

from tests.simulation.lanes import Call
from tests.simulation.schedules import Schedule, Trouble

__all__ = ["FOUND"]

_SEND: Call = ("send", {"to": "a"})
_LOOK: Call = ("look", {"key": "a"})

FOUND: dict[str, Schedule] = {
    # The fence resets the count of rejections, and the person's refusal sets it to one again.
    "a person who always refuses": Schedule(
        kit="writes", truth=(_SEND,), person={"send": "reject"}, saver=True
    ),
    # Cancelled before its effect (a person says so), then timed out after it (a person is asked
    # again): the first answer must not be taken for the second.
    "a call whose outcome is asked for twice": Schedule(
        kit="writes",
        truth=(_SEND,),
        moods={'send {"to":"a"}': "hang_after"},
        seed=3,
        reason_s=0.6,
        tool_s=10.0,
        saver=True,
        troubles=(Trouble(what="cancel", at=0.06),),
    ),
    # Cancelled between what a node writes and where it says to go on.
    "a run cancelled between a node's writes": Schedule(
        kit="reads",
        truth=(_LOOK,),
        saver=True,
        troubles=(Trouble(what="cancel", at=0.0), Trouble(what="cancel", at=0.0)),
    ),
    # Rejected while it runs, then the run is cancelled: it must end before it is undone.
    "a reversible call that is cancelled twice": Schedule(
        kit="undo",
        wrong={0: (("note", {"text": "a"}),)},
        reversible=True,
        seed=4,
        reason_s=0.6,
        tool_s=10.0,
        saver=True,
        troubles=(Trouble(what="cancel", at=0.35),),
    ),
    # Its failure must not keep those waiting that come after it.
    "an undo that fails inside a reply of two calls": Schedule(
        kit="undo",
        truth=(("pin", {"text": "a"}), ("census", {})),
        batch=2,
        reversible=True,
        moods={'pin {"text":"a"}': "raise_after"},
        undo_fails=1,
        saver=True,
    ),
    # The next window has to be told again what was rejected.
    "a crash in the window after a rejection": Schedule(
        kit="reads",
        wrong={0: (("census", {}),)},
        max_corrections=1,
        saver=True,
        troubles=(Trouble(what="crash", at=0.6),),
    ),
    # Rejected with an earlier call still running, then cancelled: whoever waited for it must end.
    "a cancel while a rejected window waits for its earlier calls": Schedule(
        kit="undo",
        truth=(("look", {"key": "a"}), ("census", {})),
        wrong={1: (("pin", {"text": "a"}), ("pin", {"text": "a"}), ("send", {"to": "c"}))},
        batch=3,
        seed=65535,
        act_s=0.0,
        reason_s=0.05,
        tool_s=0.6,
        run_ahead=7,
        max_window=5,
        max_corrections=2,
        profile="formal_verification",
        admission="none",
        saver=True,
        troubles=(Trouble(what="cancel", at=0.27427614546457285),),
    ),
    # Cancelled, and not ended within its own time limit after that.
    "a fenced reversible call that outlives its time limit": Schedule(
        kit="undo",
        truth=(("note", {"text": "a"}),),
        seed=99,
        act_s=0.0,
        reason_s=3.0,
        tool_s=10.0,
        saver=True,
        troubles=(Trouble(what="cancel", at=0.1),),
    ),
    # The step limit must not depend on the windows that a crash divided the calls into.
    "a crash near the step limit": Schedule(
        kit="all",
        truth=(
            ("halve", {"number": 0}),
            ("census", {}),
            ("halve", {"number": 1}),
            ("ask_owner", {"key": "b"}),
        ),
        seed=60400,
        reason_s=20.0,
        tool_s=10.0,
        run_ahead=3,
        max_window=3,
        max_corrections=1,
        max_steps=3,
        admission="none",
        saver=True,
        troubles=(
            Trouble(what="crash", at=0.9345758883194594),
            Trouble(what="cancel", at=0.5363545711118868),
            Trouble(what="crash", at=1.0821003544384578),
        ),
    ),
    # The window had no room for a call that was drafted after one that did not count.
    "a draft that was left over from discarded work": Schedule(
        kit="session",
        truth=(
            ("where", {}),
            ("look", {"key": "c"}),
            ("hop", {"by": 3}),
            ("where", {}),
            ("hop", {"by": 1}),
            ("where", {}),
        ),
        wrong={2: (("where", {}),)},
        batch=2,
        open_steps=frozenset({0, 3}),
        moods={'hop {"by":1}': "raise_before", "where {}": "raise_before"},
        seed=597,
        reason_s=0.6,
        tool_s=3.0,
        run_ahead=2,
        max_window=3,
        max_corrections=0,
        max_steps=3,
        planning="auto",
        saver=True,
        durability="sync",
        troubles=(
            Trouble(what="cancel", at=0.12875302971680447),
            Trouble(what="cancel", at=0.9417508269176637),
            Trouble(what="crash", at=1.0443038333063221),
        ),
    ),
    # What a plan leaves to a verdict of its own must not be sought in a window without a judge.
    "a crash before the verdict on a step that its plan does not cover": Schedule(
        kit="undo",
        truth=(("look", {"key": "b"}), ("send", {"to": {"$step": 1}})),
        batch=4,
        plan_slips=("empty",),
        suggests=True,
        seed=2874,
        act_s=0.05,
        reason_s=0.6,
        tool_s=0.0,
        run_ahead=1,
        max_window=3,
        max_corrections=1,
        planning="auto",
        profile="formal_verification",
        admission="moody",
        person={"census": "reject"},
        saver=True,
        durability="sync",
        troubles=(
            Trouble(what="cancel", at=0.0),
            Trouble(what="cancel", at=0.6230595682725368),
            Trouble(what="cancel", at=1.0821563260745222),
        ),
    ),
    # A lane that failed in a window is no rejection; what was carried into it is not forgotten.
    "a cancel in a window that began with what was left over": Schedule(
        kit="reads",
        truth=(
            ("census", {}),
            ("double", {"number": 0}),
            ("double", {"number": {"$step": 2}}),
            ("census", {}),
            ("census", {}),
            ("look", {"key": "b"}),
        ),
        batch=2,
        act_fails=frozenset({5}),
        suggests=True,
        moods={"census {}": "raise_before"},
        seed=477,
        act_s=3.0,
        reason_s=20.0,
        tool_s=3.0,
        run_ahead=1,
        max_window=5,
        max_corrections=0,
        verify="match",
        profile="formal_verification",
        deliver="provisional",
        admission="moody",
        saver=True,
        durability="sync",
        troubles=(
            Trouble(what="cancel", at=0.5153131435212108),
            Trouble(what="cancel", at=0.9001516032037052),
        ),
    ),
    # Whether finishing is verified must not depend on what else the window was opened for.
    "a crash before the verdict on an answer that needs none": Schedule(
        kit="undo",
        truth=(
            ("pin", {"text": "c"}),
            ("census", {}),
            ("look", {"key": "a"}),
            ("note", {"text": "a"}),
        ),
        wrong={3: ("finish", ("look", {"key": "b"})), 0: (("note", {"text": "a"}),)},
        batch=3,
        suggests=True,
        moods={"census {}": "hang_after", 'pin {"text":"c"}': "hang"},
        seed=21326,
        reason_s=3.0,
        tool_s=10.0,
        run_ahead=5,
        max_window=5,
        max_steps=3,
        planning="always",
        verify="skip",
        reversible=True,
        admission="moody",
        saver=True,
        troubles=(Trouble(what="crash", at=0.8309652326620541), Trouble(what="crash", at=1e-06)),
    ),
    # What a plan holds that nobody could judge must not count or not by when a crash comes.
    "a crash after a plan that nobody could judge": Schedule(
        kit="taint",
        truth=(("look", {"key": "c"}),),
        batch=2,
        plan_slips=("extra", "empty", "garbage"),
        open_steps=frozenset({0}),
        quirks={"plan 0": "unavailable"},
        suggests=True,
        seed=1296,
        act_s=0.0,
        reason_s=0.6,
        tool_s=0.05,
        run_ahead=2,
        max_window=3,
        max_corrections=2,
        planning="auto",
        deliver="provisional",
        reversible=True,
        admission="none",
        person={"look": "approve", "ask_owner": "approve"},
        saver=True,
        troubles=(
            Trouble(what="crash", at=1.1),
            Trouble(what="cancel", at=0.8),
            Trouble(what="crash", at=0.650786335243727),
        ),
    ),
    # An answer that is begun early must not hold up a run that ends without one.
    "an early answer of a run that takes too many steps": Schedule(
        kit="undo",
        truth=(("census", {}), ("census", {}), ("look", {"key": "a"}), ("pin", {"text": "b"})),
        batch=4,
        seed=368,
        reason_s=0.05,
        tool_s=0.0,
        max_steps=3,
        planning="always",
        quality=1.0,
        profile="formal_verification",
        deliver="provisional",
        reversible=True,
        durability="sync",
    ),
}
