"""Route: begin a run or its next window, and decide the window's lanes."""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime
from langgraph.types import Overwrite

from agentlanes.errors import CorrectionLimit, EmptyInput
from agentlanes.nodes.calls import authorises, is_fenced
from agentlanes.nodes.custody import Custody, refuse_exit_durability
from agentlanes.nodes.drafting import fenced_again, issued_args
from agentlanes.nodes.edges import Edge
from agentlanes.nodes.features import step_features
from agentlanes.nodes.parts import Node, Parts
from agentlanes.nodes.settle import settle_fork
from agentlanes.nodes.undo import take_back
from agentlanes.plan import approve
from agentlanes.router import RouteScore
from agentlanes.router.decision import LaneSet, Lock, Route
from agentlanes.router.policy import Times, safe_score
from agentlanes.speculation.exchange import Mode
from agentlanes.speculation.ledger import effect_key
from agentlanes.state import (
    AgentState,
    PlanDict,
    ProposalDict,
    RunInfo,
    Window,
)

__all__ = ["branches", "route_node"]


@Edge
def branches(state: AgentState) -> list[str]:
    """Name the branches of the window that `route` opened, or the effect that comes first."""
    if state["window"]["next"] == "effects":
        return ["effects"]
    lanes = state["route"]["lanes"]
    return ["act", "reason"] if lanes == "both" else [lanes]


def route_node(parts: Parts) -> Node:
    """Make the `route` node."""

    async def route(
        state: AgentState, config: RunnableConfig, runtime: Runtime[Any]
    ) -> dict[str, Any]:
        if parts.effects:
            refuse_exit_durability(config)
        custody = await parts.custodies.of(config, runtime)
        human = _request(state["messages"])
        update = _begin(state, human, custody)
        if custody.forked:
            custody.forked = False
            update = update or settle_fork(state)
        now: AgentState = {**state, **update}  # type: ignore[typeddict-item]
        if "steps" in update:
            now["steps"] = []  # in the update it is what begins the channel anew
        _check_budgets(parts, now)
        found = _left_over(state) if not update else None
        if found is None and custody.fresh:
            found = await _take_up(parts, now, custody)
        custody.fresh = False
        loop_s = asyncio.get_running_loop().time()
        decision = decide(parts, now, str(human.text), loop_s)
        run, clock = now["run"], parts.clock(now, custody)
        last = state.get("window") if not update else None
        window = Window(
            id=run["windows"],
            # Rejected twice without a commit in between: the next window waits for its verdicts.
            run_ahead=0 if run["corrections"] > 1 else parts.limits.max_run_ahead,
            opened_at=loop_s,
            clock_ms=clock.now_ms(),
            after=list(last.get("after") or ()) if last else [],
            next="route" if found is None else "effects",
            fence=found.fence if found is not None else None,
        )
        parts.exchanges.open(run["uid"], window["id"], judging=decision["lanes"] == "both")
        return {
            **update,
            "route": decision,
            "window": window,
            "run": {**run, "windows": run["windows"] + 1, "failure": None},
            "proposed": None,
            "judged": None,
        }

    def _check_budgets(parts: Parts, state: AgentState) -> None:
        run, correction = state["run"], state.get("correction")
        failure = parts.exchanges.take_failure(run["failure"]) if run["failure"] else None
        if failure is not None:
            raise failure
        if run["corrections"] > parts.limits.max_corrections:
            raise CorrectionLimit(run["corrections"], correction["reason"] if correction else "")

    return route


@dataclass(frozen=True, slots=True)
class _Found:
    """What the ledger holds that comes before anything else.

    Attributes:
        fence: The call at the run's next place, if it was begun; otherwise earlier runs of the
            thread left something to settle.
    """

    fence: ProposalDict | None


def _left_over(state: AgentState) -> _Found | None:
    """Find a call that `effects` left to be made again."""
    window = state.get("window")
    return _Found(window["fence"]) if window is not None and window["fence"] else None


async def _take_up(parts: Parts, state: AgentState, custody: Custody) -> _Found | None:
    """Look in the ledger before any model is asked, at the beginning of an invocation."""
    if not parts.effects or not custody.thread:
        return None
    run = state["run"]
    if parts.undoes:
        # Checkpoints may be older than what ran ahead: it is undone before anything runs again.
        await take_back(parts, run["uid"], custody)
    held = await custody.get(effect_key(run["uid"], run["fenced"]))
    if held is not None and held.status in ("started", "done", "failed", "unknown"):
        # The checkpoint is older than the ledger: adopt what was begun.
        args = json.loads(held.args)
        verdict = approve("person", held.note)  # whoever approved it, it is not asked about again
        return _Found(fenced_again(held.tool, args, held.effect, held.plan_version, verdict))
    return _Found(None) if await custody.older(run["uid"]) else None


def decide(parts: Parts, state: AgentState, request: str, now: float) -> Route:
    """Decide a window's lanes: what is authorised already needs no second lane."""
    score = safe_score(parts.router, request, lambda: step_features(parts, state))
    if parts.profile is not None:
        score = replace(score, profile=parts.profile)
    lock = _locked(parts, state, score, now)
    lanes, plan, why = _lanes(parts, state, score, lock)
    pressed = ""
    if parts.auto:
        reason_s, used = _times(parts).reason_s, _verdicts_used(state)
        pressed = parts.policy.pressed(lock, now=now, reason_s=reason_s, verdicts=used)
    said = [why, f"locked to {lock['level']}", *([pressed] if pressed else []), score.explain()]
    return Route(
        lanes=lanes,
        plan=plan,
        profile=lock["profile"],
        score=score.p_reason,
        reason="; ".join(said),
        lock=lock,
        quality=0.0 if pressed else None,
    )


def _locked(parts: Parts, state: AgentState, score: RouteScore, now: float) -> Lock:
    """Classify a new user turn; inside one, go on from what the state remembers."""
    run, last = state["run"], state.get("route")
    # A checkpoint of an older release remembers nothing.
    lock: Lock | None = last.get("lock") if last is not None else None
    if lock is None or lock["turn"] != run["turn"]:
        times = _times(parts) if parts.auto else None
        return parts.policy.begin(run["turn"], score, times=times, now=now)
    return parts.policy.follow(
        lock, committed=len(state["committed"]), corrections=run["corrections"]
    )


def _verdicts_used(state: AgentState) -> int:
    """Count the verdicts of the turn that counted."""
    steps: Any = state["steps"]
    if isinstance(steps, Overwrite):
        return 0  # the turn begins here, and what the state holds is the last one's
    return sum(s["lane"] == "reason" and s["outcome"] == "committed" for s in steps)


def _times(parts: Parts) -> Times:
    """Read off how long drafts and verdicts take, where admission has measured it."""
    if parts.admission is None:
        return Times()
    act_s, reason_s = parts.admission.lane_s()
    return Times(act_s=act_s, reason_s=reason_s)


def _lanes(
    parts: Parts, state: AgentState, score: RouteScore, lock: Lock
) -> tuple[LaneSet, bool, str]:
    plan, carry = state.get("plan"), state.get("carry")
    if carry:
        return "both", False, "a draft needs a verdict"
    if plan is not None and plan["status"] == "approved":
        if _covers(parts, state, plan, lock["profile"]):
            return "act", False, "the approved plan covers the next step"
        return "both", False, "the plan's next step needs a verdict of its own"
    mode = parts.mode(None, lock["profile"])
    if mode == "skip":
        return "act", False, "verdicts are skipped"
    if lock["first"] and not state.get("brief") and not state["committed"]:
        return "reason", False, "to be worked out first"
    return "both", _plans(parts, state, score, mode), "act runs ahead, reason verifies"


def _covers(parts: Parts, state: AgentState, plan: PlanDict, profile: str) -> bool:
    """Say whether an approved plan's verdict covers its next step, or its end."""
    at = plan["done"]
    if at == len(plan["steps"]):
        return True
    step = plan["steps"][at]
    args, tool = issued_args(parts, step, plan["results"]), parts.tools.get(step["tool"])
    if args is None or tool is None or parts.mode(tool, profile) == "match":
        return False
    fenced = is_fenced(parts, tool, args, state["messages"])
    return authorises(parts, plan, at, args, fenced=fenced)


def _plans(parts: Parts, state: AgentState, score: RouteScore, mode: Mode) -> bool:
    """Say whether the window begins with a plan: once a turn, before anything is committed.

    A plan costs one verdict where its calls would cost one each, so whatever would wait for
    verdicts (a fence in reach, or a request that needs thought) is planned first.
    """
    if parts.planning == "never" or mode == "match" or not parts.tools:
        return False
    if state["committed"] or state.get("plan") is not None:
        return False
    return parts.planning == "always" or parts.fences or score.p_reason >= 0.5


def _request(messages: list[Any]) -> HumanMessage:
    """Find the user message the run answers.

    Raises:
        EmptyInput: There is none, or it has no content.
    """
    last: BaseMessage | None = next(
        (m for m in reversed(messages) if isinstance(m, HumanMessage)), None
    )
    said = last.content.strip() if last is not None and isinstance(last.content, str) else last
    if not isinstance(last, HumanMessage) or not said:
        raise EmptyInput('give a user message, as in {"messages": [("user", "What is ...?")]}')
    return last


def _begin(state: AgentState, human: HumanMessage, custody: Custody) -> dict[str, Any]:
    """Begin a run when the user said something new; otherwise change nothing."""
    run = state.get("run")
    if run is not None and run["turn"] == human.id:
        return {}
    return {
        "run": RunInfo(
            uid=uuid.uuid4().hex,
            turn=str(human.id),
            windows=0,
            corrections=0,
            fenced=0,
            failure=None,
            unverified=0,
            crash_safe=custody.lasting,
        ),
        "answer": "",
        "committed": [],
        "steps": Overwrite([]),
        "plan": None,
        "correction": None,
        "carry": None,
        "brief": None,
        "draft_answer": None,
        "early_answer": None,
    }
