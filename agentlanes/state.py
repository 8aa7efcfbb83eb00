"""Graph state: small, serialisable, typed. No clients, no futures, no classes of our own.

Everything here survives a checkpoint in strict msgpack mode: plain dicts, lists, strings and
numbers, plus langchain-core's messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from langchain_core.messages import AnyMessage
from langgraph.channels.delta import DeltaChannel
from langgraph.graph.message import add_messages

from agentlanes.latency.record import StepRecord
from agentlanes.latency.spans import Span
from agentlanes.router.decision import Route

__all__ = [
    "AgentInput",
    "AgentOutput",
    "AgentState",
    "CommittedCall",
    "Correction",
    "EarlyAnswer",
    "Judged",
    "PlanDict",
    "PlanStep",
    "ProposalDict",
    "Proposed",
    "RunInfo",
    "VerdictDict",
    "Window",
]


class CommittedCall(TypedDict):
    """A tool call that is part of the run's outcome, in commit order."""

    tool: str
    args: dict[str, Any]
    effect: str
    result: str


class PlanStep(TypedDict):
    """A step of a plan.

    Attributes:
        tool: Name of the tool.
        intent: What the step is for, in words, where it leaves an argument open.
        args: Pinned arguments. A value `{"$step": n, "$path": "a.b"}`, also inside one, refers to
            the result of the plan's n-th step (from 1), by path (`agentlanes.references`).
    """

    tool: str
    intent: NotRequired[str]
    args: dict[str, Any]


class PlanDict(TypedDict):
    """A plan version.

    Attributes:
        version: From 1, counted in the run.
        status: `approved` authorises conforming calls; `ended` authorises nothing.
        steps: The steps, in order.
        done: How many of them are committed.
        results: The results of the committed ones, for references.
    """

    version: int
    status: Literal["pending", "approved", "ended"]
    steps: list[PlanStep]
    done: int
    results: list[str]


class VerdictDict(TypedDict):
    """What the reason lane, or code, said of a proposal.

    Attributes:
        status: `approve`; `reject`; `unknown` (a reply that could not be read: no approval);
            `unavailable` (the lane failed).
        by: `reason`, `plan`, `code`, `skip` or `person`.
        reason: Why, in words.
        suggestion: The call the reason lane would make instead.
        binding: Hash of what it was given for (`agentlanes.plan.binding`); it is a verdict on
            nothing else.
        steps: In a rejection of a plan: the whole corrected plan. It is the reason lane's own,
            and so is approved with the verdict that holds it.
    """

    status: Literal["approve", "reject", "unknown", "unavailable"]
    by: Literal["reason", "plan", "code", "skip", "person"]
    reason: str
    suggestion: dict[str, Any] | None
    binding: str
    steps: NotRequired[list[PlanStep]]


class ProposalDict(TypedDict):
    """Something the act lane wants: a call, a plan, or to finish.

    Attributes:
        index: Its place in the window, from 0.
        kind: What it is.
        tool: Name of the tool.
        args: The call's arguments.
        text: The answer that `finish` drafts.
        steps: The plan's steps.
        effect: The tool's effect class.
        fenced: It must not run before its verdict: it ends the window.
        plan_step: The step of the plan in force that it is, from 0.
        plan_version: The plan version it was proposed under; 0 while that has no verdict.
        rides_on: Index of the plan whose verdict is its verdict.
        whole: The reply that holds it is complete. A reply may fail after some of its calls have
            been started.
        key: Ledger key of a `reversible` call that ran ahead.
        result: What the tool gave.
        failed: Whether the tool raised.
        kept_s: Seconds that the call took whose result stands for it; 0 where it was made itself.
        verdict: The verdict it has when the act branch ends.
        proposed_at: Loop time; so are `started_at` and `ended_at`.
        waited_s: Seconds it waited for earlier verdicts before it started.
        draft: Which of the window's drafts it came from; `None` when no model was asked for it.
        burst: Index of the first call of its reply, or of what was carried over of one; `None`
            when code issued it from a plan.
    """

    index: int
    kind: Literal["call", "plan", "finish"]
    tool: str
    args: dict[str, Any]
    text: str
    steps: list[PlanStep]
    effect: str
    fenced: bool
    plan_step: int | None
    plan_version: int | None
    rides_on: int | None
    whole: bool
    key: str | None
    result: str | None
    failed: bool
    kept_s: float
    verdict: VerdictDict | None
    proposed_at: float
    started_at: float | None
    ended_at: float | None
    waited_s: float
    draft: int | None
    burst: int | None
    needs: list[int] | None


class Proposed(TypedDict):
    """What the act branch writes at the end of a window.

    Attributes:
        window: The window it belongs to.
        lost: The branch found no exchange: nothing was proposed.
        forked: The run was taken up from a checkpoint that somebody forked or edited.
        failure: Key of the branch's failure.
        proposals: What was proposed, in order, with the results that came.
        unused: Reads that were begun early and whose turn never came, as calls.
        drafts: Facts of the act lane's calls.
        again: Facts of those that drafted the plan again (`agentlanes.nodes.again`).
        planless: A plan was asked for and none could be read.
        closed_at: Loop time at the end.
        origin: Loop time at which the run's clock was at 0, in the process that wrote this.
        answer: An answer that was streamed ahead of the verdicts.
    """

    window: int
    lost: bool
    forked: bool
    failure: str | None
    proposals: list[ProposalDict]
    unused: list[ProposalDict]
    drafts: list[dict[str, Any]]
    again: list[dict[str, Any]]
    planless: bool
    closed_at: float
    origin: float
    answer: EarlyAnswer | None


class EarlyAnswer(TypedDict):
    """An answer written before the verdicts were in (`deliver="provisional"`).

    Attributes:
        text: The answer.
        asked: Hash of the request it answers; it counts only for the same request.
        facts: Facts of the lane call.
        span: When it was written, once its window is settled.
    """

    text: str
    asked: str
    facts: dict[str, Any]
    span: Span | None


class Judged(TypedDict):
    """What the reason branch writes at the end of a window.

    Attributes:
        window: The window it belongs to.
        lost: The branch found no exchange.
        forked: The run was taken up from a checkpoint that somebody forked or edited.
        failure: Key of the branch's failure.
        verdicts: By index of the proposal.
        calls: Facts of the lane calls, each with the index it was made for.
        words: The reason lane's own answer to the request.
        judgings: Index, start and end (loop time) of each judgement.
        origin: Loop time at which the run's clock was at 0, in the process that wrote this.
    """

    window: int
    lost: bool
    forked: bool
    failure: str | None
    verdicts: dict[str, VerdictDict]
    calls: list[dict[str, Any]]
    words: str | None
    judgings: list[tuple[int, float, float]]
    origin: float


class Correction(TypedDict):
    """The lowest rejected proposal, for the act lane's next draft."""

    proposal: dict[str, Any]
    reason: str
    suggestion: dict[str, Any] | None


class Window(TypedDict):
    """A window: one superstep of act and reason.

    Attributes:
        id: From 0, counted in the run.
        run_ahead: Unverified calls allowed in flight in this window.
        opened_at: Loop time.
        clock_ms: The run's clock when this was written, from the run's start.
        after: Ids of the spans that whatever comes next waits for.
        next: Where `settle` sends the run.
        fence: The approved call that `effects` runs, if any.
    """

    id: int
    run_ahead: int
    opened_at: float
    clock_ms: float
    after: list[str]
    next: Literal["route", "effects", "deliver"]
    fence: ProposalDict | None


class RunInfo(TypedDict):
    """What is counted in a run, one run a user turn.

    Attributes:
        uid: Random, made before any effect; the ledger's keys start with it. A run that goes on
            from a forked or edited checkpoint gets a new one.
        turn: Id of the user message that began it.
        windows: Windows opened.
        corrections: Rejections since the last commit.
        fenced: Fenced calls so far: the next one's ordinal in the ledger.
        failure: Id of a lane failure that the next `route` raises.
        unverified: Calls committed without a verdict.
        crash_safe: Whether a crash in the middle of an effect can be recovered from: there is a
            checkpointer and the ledger outlives the process.
    """

    uid: str
    turn: str
    windows: int
    corrections: int
    fenced: int
    failure: str | None
    unverified: int
    crash_safe: bool


class AgentInput(TypedDict):
    """Input of an agent."""

    messages: Annotated[list[AnyMessage], add_messages]


def append_steps(
    known: list[StepRecord], writes: Sequence[Sequence[StepRecord]]
) -> list[StepRecord]:
    """Add what nodes wrote to the records so far.

    A node writes its new records alone, and checkpoints hold no more than that: a checkpointer
    keeps each record once, not once for every checkpoint after it. `langgraph.types.Overwrite`
    begins anew.

    Example:
        >>> append_steps(["a"], [["b"], [], ["c", "d"]])
        ['a', 'b', 'c', 'd']
    """
    return [*known, *(record for records in writes for record in records)]


class AgentOutput(TypedDict):
    """Output of an agent.

    Attributes:
        messages: The transcript: committed work only.
        answer: The final answer.
        committed: The calls of this user turn, in order.
        steps: The step records of this user turn.
        plan: The last plan version, if any.
        run: What was counted: calls that went unverified, whether effects were crash-safe.
    """

    messages: Annotated[list[AnyMessage], add_messages]
    answer: str
    committed: list[CommittedCall]
    steps: Annotated[list[StepRecord], DeltaChannel(append_steps, snapshot_frequency=1000)]
    plan: PlanDict | None
    run: RunInfo


class AgentState(AgentOutput):
    """Everything the state machine carries from node to node.

    `prompts` names what each lane was shown last (`agentlanes.context.prefix.PromptNotes`).
    """

    route: Route
    window: Window
    proposed: Proposed | None
    judged: Judged | None
    correction: Correction | None
    carry: list[dict[str, Any]] | None
    brief: str | None
    draft_answer: str | None
    early_answer: EarlyAnswer | None
    prompts: dict[str, str]
