"""What the act branch carries through one window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypedDict

from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig

from agentlanes.nodes.custody import Custody
from agentlanes.router.decision import Route
from agentlanes.speculation.exchange import Exchange
from agentlanes.state import Correction, EarlyAnswer, PlanDict, Proposed

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
        run: The run's uid.
        window: The window's id, for events.
        custody: The invocation's hold on the thread.
        config: The act node's own config: what is called with it streams as the graph's own.
        route: The router's decision for the window.
        run_ahead: Unverified proposals allowed in flight.
        room: Calls that the run may still commit.
        correction: What was rejected last, for the first draft.
        carry: Calls drafted earlier and not proposed yet.
        brief: The reason lane's words to carry out.
        drafts: Facts of the lane calls, as they end.
        planless: A plan was asked for and none could be read.
        leftover: Drafted calls the window had no room for.
        early: The reads of the plan that begin before their turn.
        again: The plans that are drafted again while the first one's verdict is out.
        new_burst: Makes the burst of a draft, for calls that start before their reply is whole.
        burst: The burst of the draft that has just ended.
        answering: The final answer was begun ahead of the verdicts.
        answer: That answer, once it is whole.
        emit: Sends an event to the custom stream.
    """

    exchange: Exchange
    run: str
    window: int
    custody: Custody
    config: RunnableConfig
    route: Route
    run_ahead: int
    room: int
    correction: Correction | None
    carry: list[dict[str, Any]] | None
    brief: str | None
    drafts: list[dict[str, Any]]
    planless: bool
    leftover: list[dict[str, Any]]
    emit: Callable[[Any], None]
    new_burst: Callable[[ActState, RunnableConfig, int], Any]
    early: Any = None
    again: Any = None
    burst: Any = None
    answering: bool = False
    answer: EarlyAnswer | None = None


def nothing_proposed(window: int, *, lost: bool, forked: bool = False) -> Proposed:
    """Give what the act branch writes when it has nothing; `lost` when it found no exchange."""
    return Proposed(
        window=window,
        lost=lost,
        forked=forked,
        failure=None,
        proposals=[],
        unused=[],
        drafts=[],
        again=[],
        planless=False,
        closed_at=0.0,
        origin=0.0,
        answer=None,
    )
