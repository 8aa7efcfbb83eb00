"""`build_agent`: the dual-lane state machine as one compiled LangGraph graph.

    START -> route -+-> act    -+-> settle -+-> effects -> route
                    |           |           +-> route
                    +-> reason -+           +-> deliver -> END

`act` and `reason` are branches of one superstep, a window. `act` runs ahead over what is safe
while `reason` judges each proposal; `settle` commits the verified prefix; a call that must not
run ahead waits in `effects` for its approval; `deliver` writes the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from agentlanes.config import Settings
from agentlanes.errors import ConfigError
from agentlanes.lanes.lane import Lane, LaneRole
from agentlanes.latency.langsmith import prepare
from agentlanes.nodes import (
    act_node,
    after_settle,
    branches,
    build_act_graph,
    deliver_node,
    effects_node,
    reason_node,
    route_node,
    settle_node,
)
from agentlanes.nodes.call_check import CallCheck
from agentlanes.nodes.custody import Custodies
from agentlanes.nodes.deadlines import in_time
from agentlanes.nodes.judge import MatchJudge, ModeJudge, ModelJudge
from agentlanes.nodes.parts import (
    Approval,
    Check,
    Checker,
    Deliver,
    Judge,
    Limits,
    Parts,
    Planning,
    Verify,
    VerifyPolicy,
)
from agentlanes.nodes.second import SecondJudge
from agentlanes.nodes.tooling import RUNS_AHEAD, BoundTool, bind_tools
from agentlanes.router import DraftCheck, Router, load_router
from agentlanes.router.policy import LanePolicy
from agentlanes.speculation.admission import Admission
from agentlanes.speculation.effects import EffectClass
from agentlanes.speculation.exchange import Exchanges
from agentlanes.speculation.ledger import Ledger
from agentlanes.state import AgentInput, AgentOutput, AgentState, ProposalDict

__all__ = ["assemble", "build_agent", "build_parts"]

_DEFAULT = Limits()

Agent = CompiledStateGraph[AgentState, None, AgentInput, AgentOutput]


def build_agent(
    act: Lane | BaseChatModel,
    reason: Lane | BaseChatModel,
    tools: Sequence[BaseTool | Callable[..., Any]] = (),
    *,
    checkpointer: Any = None,
    store: Any = None,
    name: str = "agentlanes",
    **options: Any,
) -> Agent:
    """Build a dual-lane agent.

    Args:
        act: The fast endpoint: drafts, formats calls, writes the answer.
        reason: The reasoning endpoint: validates and corrects.
        tools: Functions or LangChain tools, each marked with `effect`; an unmarked one counts
            as irreversible and waits for its verdict.
        checkpointer: As for any LangGraph graph. Leave it out where a server brings its own.
        store: As for any LangGraph graph.
        name: The graph's name in traces.
        options: See `build_parts`.

    Returns:
        A compiled graph: stream it, checkpoint it, interrupt it, draw it, deploy it.

    Raises:
        MissingKey: A lane has no key and no endpoint of its own.
        InvalidTool: A tool cannot be used.

    Example:
        >>> from agentlanes import Lane, build_agent, effect
        >>> @effect("read")
        ... def get_weather(city: str) -> str:
        ...     "Current weather of a city."
        ...     return "sunny"
        >>> here = {"base_url": "http://127.0.0.1:8080/v1"}
        >>> agent = build_agent(Lane("fast", **here), Lane("deep", **here), [get_weather])
        >>> sorted(agent.get_graph().nodes)[:4]
        ['__end__', '__start__', 'act', 'deliver']
    """
    prepare()
    parts = build_parts(act, reason, tools, **options)
    return assemble(parts).compile(checkpointer=checkpointer, store=store, name=name)


def build_parts(
    act: Lane | BaseChatModel,
    reason: Lane | BaseChatModel,
    tools: Sequence[BaseTool | Callable[..., Any]] = (),
    *,
    verify: Verify | VerifyPolicy = "approve",
    runs_ahead: Collection[EffectClass] = tuple(sorted(RUNS_AHEAD)),
    planning: Planning = "auto",
    max_run_ahead: int = _DEFAULT.max_run_ahead,
    max_window: int = _DEFAULT.max_window,
    max_corrections: int = _DEFAULT.max_corrections,
    max_steps: int = _DEFAULT.max_steps,
    run_timeout_s: float | None = None,
    step_timeout_s: float | None = None,
    tool_timeout_s: float | None = 60.0,
    max_result_chars: int = 50_000,
    checks: Sequence[Check] = (),
    checker: Checker | None = None,
    judge: Judge | None = None,
    router: Router | None = None,
    ledger: Ledger | str | Path | None = None,
    admission: Admission | bool = True,
    approval: Mapping[str, Literal["always", "never"]] | Approval | None = None,
    deliver: Deliver = "verified",
    profile: str | None = None,
    system_prompt: str | None = None,
    records: bool = True,
    quality: float | None = None,
    policy: LanePolicy | None = None,
    check: DraftCheck | None = None,
    second: Lane | BaseChatModel | None = None,
    second_budget_s: float = 2.0,
    labels: bool | None = None,
) -> Parts:
    """Build what the nodes are made of.

    Args:
        act: The fast endpoint.
        reason: The reasoning endpoint.
        tools: The tools.
        verify: `"approve"`: every call has a verdict; the run equals the one that waits for all
            of them. `"match"`: a call commits only if the reason lane would make the same.
            `"skip"`: calls that may run ahead go unverified, and are reported so. `"auto"`:
            `pure` and `read` calls go unverified when their draft passes a check at the given
            `quality`, and are reported so; the rest is as under `"approve"`. A
            `VerifyPolicy` chooses by tool and by workload profile.
        runs_ahead: Effect classes that may run ahead of their verdicts. Add `"reversible"` for
            tools that declare an `undo`.
        planning: Whether turns begin with a plan that is validated once: `"always"`,
            `"never"`, or `"auto"`: when a tool in reach waits for verdicts, or the router takes
            the request for a multi-step one.
        max_run_ahead: Unverified proposals in flight; 0 waits for every verdict.
        max_window: Calls in a window.
        max_corrections: Rejections in a row that end the run.
        max_steps: Committed calls in a run; one more ends it.
        run_timeout_s: Seconds an invocation may take, started tool calls aside; it then ends with
            `DeadlineExceeded`, and can be resumed.
        step_timeout_s: Seconds a lane call may take, all of its attempts together.
        tool_timeout_s: Bound on a tool call. `None` means no bound, and then synchronous tools
            do not run ahead, since nobody could stop them.
        max_result_chars: Bound on a result's text in the transcript.
        checks: Refutations by code, asked before the reason lane.
        checker: Knows of some proposals whether they are right. It decides nothing: verdicts
            are measured by it (`StepRecord.metric_value`).
        judge: Gives the verdicts, instead of the one `verify` chooses.
        router: Scores steps; the built-in one by default.
        ledger: Where effects are recorded: a ledger, a path, or a URL (`sqlite:///...`,
            `postgresql://...`). By default `AGENTLANES_LEDGER`, else `.agentlanes/ledger.db`,
            for runs whose checkpoints outlive the process, and this process for all others.
        admission: Decides whether running ahead pays, from what was accepted so far; yours, to
            look at it or to share it, or `False` to run ahead always.
        approval: Which calls wait for a person, by effect class or tool name, or a function of
            the proposal. The run then stops at a LangGraph `interrupt` before each of them.
        deliver: `"provisional"` writes the answer while the last verdicts are out, marked, and
            confirms or retracts it (see `docs/running.md`).
        profile: Workload profile of every step, instead of the router's.
        system_prompt: Your own instructions, put before the library's.
        records: Whether step records are kept in the state and streamed; see
            `agentlanes.latency.record`.
        quality: The one knob between speed and certainty, 0 to 1: the share of wrong drafts that
            is to be caught. It makes `verify` `"auto"`; 1 verifies everything. What it means in
            measured terms: docs/routing.md.
        policy: Deadline, budget and thresholds of the choice of lanes; `quality` overrides its.
        check: The draft check of `"auto"`, with weights of your own; the built-in one by default.
        second: Another cheap endpoint, asked under `"auto"` about drafts that do not pass: where
            it makes the same call the reason lane may be left out.
        second_budget_s: How long it has.
        labels: Whether verdicts are sent to the stream as labels that the router can learn from;
            by default unless `AGENTLANES_LABELS=0`.

    Raises:
        MissingKey: A lane has no key and no endpoint of its own.
        InvalidTool: A tool cannot be used.
        ConfigError: An option is out of range, or `quality` is given with another `verify` than
            `"approve"` or `"auto"`.
    """
    policy = _policy(policy, quality)
    if quality is not None:
        if verify not in ("approve", "auto"):
            raise ConfigError(
                "quality says which drafts are verified, so it needs verify='auto', not "
                f"{verify!r}; leave one of the two out"
            )
        verify = "auto"
    if max_run_ahead < 0 or max_window < 1 or max_corrections < 0 or max_steps < 1:
        raise ConfigError(
            "max_run_ahead and max_corrections start at 0, max_window and max_steps at 1"
        )
    if any(timeout is not None and not timeout > 0 for timeout in (run_timeout_s, step_timeout_s)):
        raise ConfigError("run_timeout_s and step_timeout_s are above 0, or None for no bound")
    act_model, reason_model = _model(act, "act"), _model(reason, "reason")
    bound = bind_tools(
        tools, timeout_s=tool_timeout_s, max_chars=max_result_chars, runs_ahead=runs_ahead
    )
    plain = [tool.tool for tool in bound.values()]
    verifying = VerifyPolicy(default=verify) if isinstance(verify, str) else verify
    if judge is None:
        own = _with_tools(reason_model, plain, "reason", needed=verifying.may_be("match"))
        listing = [tool.listing() for tool in bound.values()]
        judge = ModeJudge(
            approve=ModelJudge(
                model=reason_model, listing=listing, system_prompt=system_prompt, records=records
            ),
            match=MatchJudge(model=own, system_prompt=system_prompt, records=records),
        )
    checking = CallCheck(bound, check)
    if second is not None:
        model = _model(second, "act")
        judge = SecondJudge(
            inner=judge,
            model=_with_tools(model, plain, "act", needed=True),
            quality=policy.quality,
            check=checking,
            budget_s=second_budget_s,
            system_prompt=system_prompt,
        )
    return Parts(
        act=act_model,
        drafter=_with_tools(act_model, plain, "act", needed=True),
        reason=reason_model,
        judge=judge,
        tools=bound,
        router=router or load_router(),
        custodies=Custodies(_ledger(ledger), lambda: _open(Settings.from_env().ledger.reveal())),
        admission=Admission() if admission is True else admission or None,
        approval=_approval(approval, bound),
        deliver=deliver,
        exchanges=Exchanges(),
        limits=Limits(
            max_run_ahead=max_run_ahead,
            max_window=max_window,
            max_corrections=max_corrections,
            max_steps=max_steps,
            run_timeout_s=run_timeout_s,
            step_timeout_s=step_timeout_s,
        ),
        verify=verifying,
        planning=planning,
        checks=tuple(checks),
        checker=checker,
        profile=profile,
        system_prompt=system_prompt,
        records=records,
        policy=policy,
        check=checking,
        second=second is not None,
        labels=Settings.from_env().labels if labels is None else labels,
    )


def _policy(given: LanePolicy | None, quality: float | None) -> LanePolicy:
    policy = given or LanePolicy()
    return policy if quality is None else replace(policy, quality=quality)


def _with_tools(
    model: BaseChatModel, tools: Sequence[BaseTool], role: LaneRole, *, needed: bool
) -> Runnable[Any, AIMessage]:
    """Offer the tools to a lane. A model that cannot call any is one where none are needed."""
    if not tools:
        return model
    try:
        return model.bind_tools(tools)
    except NotImplementedError:
        if not needed:
            return model
    raise ConfigError(
        f"{type(model).__name__} in the {role} lane cannot call tools (it has no bind_tools); "
        + ('use verify="approve", or ' if role == "reason" else "use ")
        + 'a chat model that can, or Lane(tool_format="json")'
    )


def assemble(parts: Parts) -> StateGraph[AgentState, None, AgentInput, AgentOutput]:
    """Wire the nodes. Take it as a pattern for a graph of your own."""
    graph = StateGraph(AgentState, input_schema=AgentInput, output_schema=AgentOutput)
    graph.add_node("route", in_time(parts, route_node(parts), begins=False))
    act = act_node(parts, build_act_graph(parts))
    graph.add_node("act", in_time(parts, act, begins=False))
    graph.add_node("reason", in_time(parts, reason_node(parts), begins=False))
    graph.add_node("settle", settle_node(parts))
    graph.add_node("effects", in_time(parts, effects_node(parts)))
    graph.add_node("deliver", in_time(parts, deliver_node(parts)))
    graph.add_edge(START, "route")
    graph.add_conditional_edges("route", branches, ["act", "reason", "effects"])
    graph.add_edge("act", "settle")
    graph.add_edge("reason", "settle")
    graph.add_conditional_edges("settle", after_settle, ["effects", "route", "deliver"])
    graph.add_edge("effects", "route")
    graph.add_edge("deliver", END)
    return graph


def _model(lane: Lane | BaseChatModel, role: LaneRole) -> BaseChatModel:
    if isinstance(lane, BaseChatModel):
        return lane
    if not isinstance(lane, Lane):
        raise ConfigError(f"the {role} lane is a Lane or a chat model, not {type(lane).__name__}")
    model: BaseChatModel = lane.chat_model(role)
    return model


def _ledger(given: Ledger | str | Path | None) -> Ledger | None:
    return _open(given) if isinstance(given, str | Path) else given


def _open(where: str | Path) -> Ledger:
    # Loaded when it is needed: most runs have nothing to record.
    from agentlanes.speculation.ledger.opening import open_ledger

    return open_ledger(where)


def _approval(
    given: Mapping[str, Literal["always", "never"]] | Approval | None,
    tools: Mapping[str, BoundTool],
) -> Approval | None:
    if given is None or not isinstance(given, Mapping):
        return given
    policy = dict(given)
    unknown = policy.keys() - tools.keys() - set(get_args(EffectClass))
    if unknown or not set(policy.values()) <= {"always", "never"}:
        raise ConfigError(
            f"approval maps effect classes and tool names to 'always' or 'never', not {policy!r}"
        )

    def asks(proposal: ProposalDict) -> bool:
        by_class = policy.get(proposal["effect"], "never")
        return policy.get(proposal["tool"], by_class) == "always"

    return asks
