"""What the nodes are made of. One frozen object, shared by every node of a graph."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableConfig

from agentlanes.nodes.tooling import BoundTool
from agentlanes.router import Router
from agentlanes.speculation.exchange import Case, Exchanges
from agentlanes.speculation.ledger import Ledger
from agentlanes.state import VerdictDict

__all__ = ["Check", "Judge", "Judgement", "Limits", "Node", "Parts", "Planning", "Verify"]

Verify = Literal["approve", "match", "skip"]
Planning = Literal["auto", "always", "never"]

Node = Callable[..., Awaitable[Any]]
"""A node function, as LangGraph takes them."""

Check = Callable[[Case], str | None]
"""A refutation by code: says what is wrong with a proposal, or `None`. It must be pure, and is
asked before any model; a call it refuses never reaches the reason lane."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict with the lane calls it took.

    Attributes:
        verdict: The verdict.
        calls: `LaneReply.facts` of each lane call.
    """

    verdict: VerdictDict
    calls: tuple[dict[str, Any], ...] = ()


class Judge(Protocol):
    """Decides whether a proposal is right. The default asks the reason lane."""

    async def judge(self, case: Case, config: RunnableConfig) -> Judgement:
        """Judge one proposal.

        Raises:
            LaneError: The reason lane failed; the verdict is then `unavailable`.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of a run.

    Attributes:
        run_ahead: Unverified proposals in flight; 0 waits for every verdict (serial).
        max_window: Calls in a window.
        max_corrections: Rejections in a row before the run ends with `CorrectionLimit`.
        max_steps: Committed calls before the run ends with `StepLimit`.
    """

    run_ahead: int = 8
    max_window: int = 16
    max_corrections: int = 5
    max_steps: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Models, tools and policies of one graph.

    Attributes:
        act: The act lane's chat model.
        drafter: The same, with the tools bound.
        reason: The reason lane's chat model.
        judge: Gives verdicts.
        tools: The tools, by name.
        router: Scores a step.
        ledger: Where effects are recorded.
        exchanges: The open windows.
        limits: Bounds of a run.
        verify: What a call needs before it is committed.
        planning: Whether turns begin with a plan.
        checks: Refutations by code.
        profile: Workload profile of every step, instead of the router's.
        system_prompt: The user's own instructions, put before the library's.
    """

    act: BaseChatModel
    drafter: Runnable[Any, Any]
    reason: BaseChatModel
    judge: Judge
    tools: Mapping[str, BoundTool]
    router: Router
    ledger: Ledger
    exchanges: Exchanges
    limits: Limits = Limits()
    verify: Verify = "approve"
    planning: Planning = "auto"
    checks: Sequence[Check] = ()
    profile: str | None = None
    system_prompt: str | None = None

    def listing(self) -> list[dict[str, Any]]:
        """Describe every tool for a prompt, in a fixed order."""
        return [tool.listing() for tool in self.tools.values()]
