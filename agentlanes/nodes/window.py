"""What the act branch carries through one window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypedDict

from langchain_core.messages import BaseMessage

from agentlanes.speculation.exchange import Exchange
from agentlanes.state import Correction, PlanDict, Proposed, Route

__all__ = ["ActContext", "ActState", "nothing_proposed"]


class ActState(TypedDict):
    """State of the act subgraph, for one window.

    Attributes:
        transcript: Committed messages, then the window's own.
        pending: Drafted calls that are to be proposed.
        draft: Which draft they came from; `None` when no model was asked.
        plan: The plan version in force, if any.
        at: Steps of the plan that are proposed.
        riding: Index of the plan's own proposal while it has no verdict.
        results: Results of the plan's steps so far.
        first: Whether this is the window's first draft.
        done: Whether the window has nothing more to propose.
    """

    transcript: list[BaseMessage]
    pending: list[dict[str, Any]]
    draft: int | None
    plan: PlanDict | None
    at: int
    riding: int | None
    results: list[str]
    first: bool
    done: bool


@dataclass(slots=True, kw_only=True)
class ActContext:
    """What the act subgraph is run with.

    Attributes:
        exchange: The window's exchange.
        window: The window's id, for events.
        route: The router's decision for the window.
        run_ahead: Unverified proposals allowed in flight.
        correction: What was rejected last, for the first draft.
        carry: Calls drafted earlier and not proposed yet.
        brief: The reason lane's words to carry out.
        drafts: Facts of the lane calls, as they end.
        planless: A plan was asked for and none could be read.
        leftover: Drafted calls the window had no room for.
        emit: Sends an event to the custom stream.
    """

    exchange: Exchange
    window: int
    route: Route
    run_ahead: int
    correction: Correction | None
    carry: list[dict[str, Any]] | None
    brief: str | None
    drafts: list[dict[str, Any]]
    planless: bool
    leftover: list[dict[str, Any]]
    emit: Callable[[Any], None]


def nothing_proposed(window: int, *, lost: bool) -> Proposed:
    """Give what the act branch writes when it has nothing; `lost` when it found no exchange."""
    return Proposed(
        window=window,
        lost=lost,
        failure=None,
        proposals=[],
        drafts=[],
        planless=False,
        closed_at=0.0,
    )
