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
}
