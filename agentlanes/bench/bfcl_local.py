"""What lets the BFCL bench end, and say something, with models of half a billion parameters.

Small models on two cores are slow readers and they repeat themselves, so local runs are bounded:
a turn in time, in calls and in corrections, a reply in tokens. What they read is kept short too.
None of it knows a task's answer, and the scripted lanes run without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool

from agentlanes.bench.bfcl_calls import Call, ToolSpec
from agentlanes.bench.bfcl_options import BfclOptions
from agentlanes.context.prompts import draft_prompt, judge_prompt
from agentlanes.errors import EndpointUnreachable, LaneError
from agentlanes.lanes.lane import Lane
from agentlanes.nodes.judge import ModelJudge
from agentlanes.nodes.parts import Judgement
from agentlanes.plan import VERDICT_SCHEMA, canonical
from agentlanes.speculation.exchange import Case

__all__ = [
    "READ_AHEAD_S",
    "Setup",
    "TalliedJudge",
    "brief",
    "read_ahead",
    "refuse_repeated",
    "setup_of",
    "worked_examples",
]

READ_AHEAD_S = 180.0

_MARK = "Tool description:"
_SAMPLES: Mapping[str, Any] = {
    "string": "alpha",
    "integer": 3,
    "number": 2.5,
    "boolean": True,
    "array": ["alpha"],
    "object": {},
}


def brief(description: str) -> str:
    """Leave out the paragraph on the whole API, which BFCL repeats before every tool.

    It is half of what a model reads: 2,714 tokens with it and 1,470 without, in the first task.

    Example:
        >>> brief("This tool belongs to the shop. Tool description: Sell a thing.")
        'Sell a thing.'
    """
    return description.partition(_MARK)[2].strip() or description


def worked_examples(specs: Sequence[ToolSpec]) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    """Make worked examples of the reply format out of the tools themselves.

    A call with one argument, a call with more, and the end: their values are made up, and no
    task is looked at.

    Args:
        specs: The tools on offer.
    """
    examples: list[tuple[str, Mapping[str, Any]]] = []
    for least, most in ((1, 1), (2, 9)):
        spec = next((s for s in specs if least <= len(s.schema.get("required", ())) <= most), None)
        if spec is None:
            continue
        properties = spec.schema["properties"]
        args = {name: _sample(properties[name]) for name in spec.schema["required"]}
        told = ", ".join(f"{name} {value!r}" for name, value in args.items())
        asked = brief(spec.description).partition(". ")[0].rstrip(".")
        examples.append((f"{asked}: {told}", {"tool": spec.name, "args": args}))
    if examples:
        tool = examples[-1][1]["tool"]
        done = (
            f"Result of {tool}: done (and nothing else was asked for)",
            {"final_answer": "Done"},
        )
        examples.append(done)
    return tuple(examples)


def _sample(schema: Mapping[str, Any]) -> Any:
    kind = schema.get("type")
    return _SAMPLES.get(kind[0] if isinstance(kind, list) else str(kind), "alpha")


def refuse_repeated(case: Case) -> str | None:
    """Refute a call that was made already, with the same arguments, since the user last spoke.

    For `build_agent(checks=...)`. A user may want the same call twice; in a
    turn of BFCL's 200 tasks none does.
    """
    proposal = case.proposal
    if proposal["kind"] != "call":
        return None
    asked = canonical({"tool": proposal["tool"], "args": dict(proposal["args"])})
    made = [*_calls(case.transcript), *((p["tool"], p["args"]) for p in case.together)]
    if any(canonical({"tool": tool, "args": dict(args)}) == asked for tool, args in made):
        return (
            "exactly this call was made already and its result is above; make the next call, or "
            "give the final answer if nothing is left to do"
        )
    return None


def _calls(transcript: Sequence[BaseMessage]) -> list[tuple[str, Mapping[str, Any]]]:
    found: list[tuple[str, Mapping[str, Any]]] = []
    for message in transcript:
        if isinstance(message, HumanMessage):
            found = []
        elif isinstance(message, AIMessage):
            found += [(call["name"], call["args"]) for call in message.tool_calls]
    return found


@dataclass(slots=True)
class TalliedJudge:
    """The reason lane's verdicts, asked for with short descriptions of the tools, and kept.

    Args:
        lane: The reason lane.
        specs: The tools on offer.

    Attributes:
        said: Every call that was judged, with the user turn it belongs to (from 0), and the
            verdict's status.
    """

    lane: Lane
    specs: Sequence[ToolSpec]
    said: list[tuple[int, Call, str]] = field(default_factory=list)
    inner: ModelJudge = field(init=False)

    def __post_init__(self) -> None:
        listing = [_listed(spec) for spec in self.specs]
        self.inner = ModelJudge(model=self.lane.chat_model("reason"), listing=listing)

    async def judge(self, case: Case, config: RunnableConfig) -> Judgement:
        """Ask the reason lane, and keep what it said of a call."""
        given = await self.inner.judge(case, config)
        if case.proposal["kind"] == "call":
            turn = sum(isinstance(m, HumanMessage) for m in case.transcript) - 1
            call = Call(case.proposal["tool"], dict(case.proposal["args"]))
            self.said.append((turn, call, given.verdict["status"]))
        return given

    def take(self) -> list[tuple[int, Call, str]]:
        """Give what was said since the last time."""
        said, self.said = self.said, []
        return said


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How one task is run.

    Attributes:
        lanes: The act lane and the reason lane.
        options: Options of `build_agent` that all passes share.
        turn_s: How long a turn may take.
        judge: The judge among the options, if it is one that keeps what it says.
        describe: What becomes of a tool's description.
    """

    lanes: tuple[Lane, Lane]
    options: Mapping[str, Any]
    turn_s: float | None = None
    judge: TalliedJudge | None = None
    describe: Callable[[str], str] = str


def setup_of(
    options: BfclOptions, specs: Mapping[str, ToolSpec], lanes: tuple[Lane, Lane]
) -> Setup:
    """Say how a task is run, from what was asked for.

    Args:
        options: What was asked for.
        specs: The task's tools.
        lanes: Its lanes.
    """
    limits = {"max_steps": options.steps, "max_corrections": options.corrections}
    if options.lanes == "scripted":
        return Setup(lanes=lanes, options=limits, turn_s=options.turn_s)
    bounds: dict[str, Any] = {**limits, "checks": (refuse_repeated,)}
    if not options.embedded:
        return Setup(lanes=lanes, options=bounds, turn_s=options.turn_bound_s)
    tools = list(specs.values())
    # One attempt: what does not fit into the bound would not fit the second time either.
    act, reason = (replace(lane, max_tokens=options.reply_tokens, max_attempts=1) for lane in lanes)
    act = replace(act, examples=worked_examples(tools))
    judge = TalliedJudge(reason, tools)
    return Setup(
        lanes=(act, reason),
        options={**bounds, "judge": judge},
        turn_s=options.turn_bound_s,
        judge=judge,
        describe=brief,
    )


def _listed(spec: ToolSpec) -> dict[str, Any]:
    required = spec.schema.get("required", ())
    args = {
        name: f"{schema.get('type', 'any')}{'' if name in required else ', optional'}"
        for name, schema in spec.schema.get("properties", {}).items()
    }
    return {"tool": spec.name, "about": brief(spec.description), "args": args}


async def read_ahead(
    act: Lane, judge: TalliedJudge, tools: Sequence[BaseTool], *, limit_s: float
) -> None:
    """Have both lanes read a task's tools once, so that no pass pays for it and the other not.

    Args:
        act: The act lane.
        judge: The reason lane's judge.
        tools: The task's tools.
        limit_s: How long they may take; what is read until then stays read.

    Raises:
        EndpointUnreachable: A lane cannot be reached.
    """
    hello: list[BaseMessage] = [HumanMessage("Hello.")]
    drafter = act.chat_model("act").bind_tools(tools)
    proposal = {"kind": "finish", "text": "Hello."}
    asked = judge_prompt(None, hello, judge.inner.listing, proposal)
    form = {"name": "verdict", "schema": dict(VERDICT_SCHEMA), "strict": False}
    replies = (
        drafter.ainvoke(draft_prompt(None, hello)),
        judge.inner.model.ainvoke(
            asked, response_format={"type": "json_schema", "json_schema": form}
        ),
    )
    try:
        async with asyncio.timeout(limit_s):
            given = await asyncio.gather(*replies, return_exceptions=True)
    except TimeoutError:
        return
    for reply in given:
        if isinstance(reply, EndpointUnreachable) or (
            isinstance(reply, BaseException) and not isinstance(reply, LaneError)
        ):
            raise reply
