"""What the nodes are made of. One frozen object, shared by every node of a graph."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig

from agentlanes.context.per_message import PerMessage
from agentlanes.context.prefix import PromptNotes
from agentlanes.context.tokens import estimate_tokens
from agentlanes.latency.clock import RunClock, RunClocks
from agentlanes.nodes.call_check import CallCheck
from agentlanes.nodes.custody import Custodies, Custody
from agentlanes.nodes.tooling import BoundTool
from agentlanes.router import Router
from agentlanes.router.policy import LanePolicy
from agentlanes.speculation.admission import Admission
from agentlanes.speculation.exchange import Case, Exchanges, Mode
from agentlanes.state import AgentState, ProposalDict, VerdictDict

__all__ = [
    "Approval",
    "Check",
    "Checker",
    "Deliver",
    "Judge",
    "Judgement",
    "Limits",
    "Node",
    "Parts",
    "Planning",
    "Verify",
    "VerifyPolicy",
]

Verify = Literal["approve", "match", "skip", "auto"]
"""What a call needs before it counts; see `build_parts`."""

Deliver = Literal["verified", "provisional"]
Planning = Literal["auto", "always", "never"]

Node = Callable[..., Awaitable[Any]]
"""A node function, as LangGraph takes them."""

Check = Callable[[Case], str | None]
"""A refutation by code: says what is wrong with a proposal, or `None`. It must be pure, and is
asked before any model; a call it refuses never reaches the reason lane."""

Checker = Callable[[Case], bool | None]
"""Says whether a proposal is right; `None` where it does not know. It must be pure. Verdicts are
measured by it (`StepRecord.metric_value`); no lane hears of it, and nothing is decided by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict with the lane calls it took.

    Attributes:
        verdict: The verdict.
        calls: `LaneReply.facts` of each lane call.
    """

    verdict: VerdictDict
    calls: tuple[dict[str, Any], ...] = ()


Approval = Callable[[ProposalDict], bool]
"""Says whether a person is asked before a fenced call runs. It must be pure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyPolicy:
    """What calls need before they count: by tool, else by workload profile, else the default.

    Attributes:
        default: What everything else needs, plans and finishing included.
        tools: By tool name.
        profiles: By workload profile.

    Example:
        >>> policy = VerifyPolicy(tools={"get_weather": "skip"}, profiles={"retrieval": "match"})
        >>> policy.of("get_weather", "retrieval"), policy.of("search", "retrieval")
        ('skip', 'match')
        >>> policy.of(None, "api_formatting")
        'approve'
    """

    default: Verify = "approve"
    tools: Mapping[str, Verify] = field(default_factory=dict)
    profiles: Mapping[str, Verify] = field(default_factory=dict)

    def of(self, tool: str | None, profile: str) -> Verify:
        """Give what a call of a tool needs in a step of a profile; `None` is no call."""
        if tool is not None and tool in self.tools:
            return self.tools[tool]
        return self.profiles.get(profile, self.default)

    def may_be(self, mode: Verify) -> bool:
        """Say whether anything is verified in a mode."""
        return mode in (self.default, *self.tools.values(), *self.profiles.values())


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
        max_run_ahead: Unverified proposals in flight; 0 waits for every verdict (serial).
        max_window: Calls in a window.
        max_corrections: Rejections in a row before the run ends with `CorrectionLimit`.
        max_steps: Committed calls; the run ends with `StepLimit` at one more.
        run_timeout_s: Seconds an invocation may take before it ends with `DeadlineExceeded`.
        step_timeout_s: Seconds a lane call may take, all of its attempts together.
    """

    max_run_ahead: int = 32
    max_window: int = 32
    max_corrections: int = 5
    max_steps: int = 200
    run_timeout_s: float | None = None
    step_timeout_s: float | None = None


def _tokens(message: BaseMessage) -> int:
    return estimate_tokens(str(message.text))


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
        exchanges: The open windows.
        limits: Bounds of a run.
        verify: What a call needs before it is committed.
        custodies: The invocations under way.
        admission: Decides whether running ahead pays; `None` always runs ahead.
        approval: Says which fenced calls a person is asked about.
        deliver: Whether an answer is streamed before it is verified.
        planning: Whether turns begin with a plan.
        checks: Refutations by code.
        checker: Knows of some proposals whether they are right, to measure the verdicts by.
        profile: Workload profile of every step, instead of the router's.
        system_prompt: The user's own instructions, put before the library's.
        records: Whether step records are kept and streamed.
        clocks: The clocks of the runs under way.
        notes: What the lanes were shown, for the records.
        tokens: Estimated tokens of each message.
        policy: Chooses lanes, and what drafts are held to under `auto`.
        check: Scores drafts under `auto`.
        second: Whether a second endpoint is asked about drafts the check is not sure of.
        labels: Whether verdicts are sent to the stream as labels to learn from.
    """

    act: BaseChatModel
    drafter: Runnable[Any, Any]
    reason: BaseChatModel
    judge: Judge
    tools: Mapping[str, BoundTool]
    router: Router
    exchanges: Exchanges
    limits: Limits = Limits()
    verify: VerifyPolicy = VerifyPolicy()
    custodies: Custodies = field(default_factory=Custodies)
    admission: Admission | None = None
    approval: Approval | None = None
    deliver: Deliver = "verified"
    planning: Planning = "auto"
    checks: Sequence[Check] = ()
    checker: Checker | None = None
    profile: str | None = None
    system_prompt: str | None = None
    records: bool = True
    clocks: RunClocks = field(default_factory=RunClocks)
    notes: PromptNotes = field(default_factory=PromptNotes)
    tokens: PerMessage[int] = field(default_factory=lambda: PerMessage(_tokens))
    policy: LanePolicy = field(default_factory=LanePolicy)
    check: CallCheck | None = None
    second: bool = False
    labels: bool = False

    @property
    def auto(self) -> bool:
        """Whether any call may go unverified by its draft."""
        given = (self.verify.default, *self.verify.tools.values(), *self.verify.profiles.values())
        return "auto" in given

    @property
    def fences(self) -> bool:
        """Whether a tool in reach must not run before its verdict."""
        return any(not tool.runs_ahead for tool in self.tools.values())

    @property
    def effects(self) -> bool:
        """Whether a tool in reach changes anything that outlives the process."""
        lasting = ("reversible", "write", "irreversible")
        return any(tool.effect.effect_class in lasting for tool in self.tools.values())

    @property
    def undoes(self) -> bool:
        """Whether calls may run ahead that have to be undone when they are discarded."""
        tools = self.tools.values()
        return any(tool.runs_ahead and tool.effect.undo is not None for tool in tools)

    def clock(self, state: AgentState, custody: Custody) -> RunClock:
        """Give the clock of the run that a node works on."""
        window = state.get("window")
        known = window.get("clock_ms", 0.0) if window is not None else 0.0
        return self.clocks.of(state["run"]["uid"], invocation=custody, known_ms=known)

    def noted(self, facts: dict[str, Any]) -> dict[str, Any]:
        """Put the key of a note in the place of a lane call's prompt, for the state to hold."""
        shown = facts.get("prompt")
        if shown is not None:
            facts["prompt"] = self.notes.note(*shown)
        return facts

    def mode(self, tool: BoundTool | None, profile: str) -> Mode:
        """Say what a call needs; only `pure` and `read` calls that run ahead are ever skipped.

        Under `auto` that is an approval, unless its draft passes (`agentlanes.nodes.auto`).
        """
        mode = self.verify.of(tool.name if tool is not None else None, profile)
        if mode == "auto":
            return "approve"
        if mode != "skip" or tool is None:
            return mode
        return "skip" if tool.runs_ahead and tool.effect.harmless else "approve"

    def listing(self) -> list[dict[str, Any]]:
        """Describe every tool for a prompt, in a fixed order."""
        return [tool.listing() for tool in self.tools.values()]
