"""Rows 18 to 20: replies that arrive whole and must not be used all the same."""

from __future__ import annotations

from typing import Any

from agentlanes.errors import AgentLanesError, IncompleteReply
from agentlanes.testing import EndpointServer, Fault, Reply
from agentlanes.testing.hostile import HOSTILE_ARGUMENTS
from benchmarks.faults.lab import APPROVE, ROLES, Checks, Row, World, agent_at, lane_at, lanes_at

__all__ = ["ROWS"]

ARGS = '{"city": "Zürich"}'


class Drafting:
    """An agent whose act lane drafts calls that must not run."""

    def __init__(self, server: EndpointServer, padding: int = 0, **fields: Any) -> None:
        self.world = World(padding=padding)
        act = lane_at(server.base_url, "act", **fields)
        self.agent = agent_at(act, lane_at(server.base_url, "reason"), self.world)

    async def run(self) -> str:
        """Run; give the tools that ran, or the error's name."""
        self.world.ran.clear()
        try:
            await self.agent.ainvoke({"messages": [("user", "look at Zürich")]})
        except AgentLanesError as error:
            ended = type(error).__name__
        except Exception as error:
            ended = f"crash: {type(error).__name__}: {error}"
        else:
            ended = "an answer"
        return f"{ended}, ran {self.world.ran}" if self.world.ran else ended


async def _nothing_runs(checks: Checks, cases: dict[str, Fault], *, as_json: bool = False) -> None:
    fault: list[Fault | None] = [None]

    def act(body: dict[str, Any]) -> Reply:
        if as_json:
            args = HOSTILE_ARGUMENTS[fault[0].case] if fault[0] is not None else ARGS
            return Reply(content=f'{{"tool": "look", "args": {args}}}')
        return Reply(tool_calls=[("look", ARGS)], fault=fault[0])

    def reason(body: dict[str, Any]) -> Reply:
        return Reply(content=APPROVE)

    fields = {"tool_format": "json"} if as_json else {}
    ended: dict[str, int] = {}
    async with EndpointServer({"act": act, "reason": reason}) as server:
        for name, damage in cases.items():
            # A new agent each time: one breaker would soon leave the endpoint alone.
            drafting = Drafting(server, **fields)
            fault[0] = damage
            said = await drafting.run()
            ended[said] = ended.get(said, 0) + 1
            allowed = ("IncompleteReply", "MalformedReply")
            checks.that(said in allowed, f"{name}: {said}")
    checks.saw(f"{len(cases)} cases: {ended}")


async def cut_arguments(checks: Checks) -> None:
    cases = {
        f"{size} bytes, {finish}": Fault(kind="cut_args", after_bytes=size, finish=finish)
        for size in range(len(ARGS.encode()))
        for finish in ("length", "tool_calls", "none")
    }
    whole = len(ARGS.encode())
    for finish in ("length", "none"):
        cases[f"whole, {finish}"] = Fault(kind="cut_args", after_bytes=whole, finish=finish)
    await _nothing_runs(checks, cases)


async def hostile_arguments(checks: Checks) -> None:
    cases = {
        f"#{case} {text[:20]!r}": Fault(kind="hostile_args", case=case)
        for case, text in enumerate(HOSTILE_ARGUMENTS)
    }
    await _nothing_runs(checks, cases)
    await _nothing_runs(checks, cases, as_json=True)
    await _off_schema(checks)


async def _off_schema(checks: Checks) -> None:
    """Strict JSON that does not fit the tool is refused by code, and the lane is told why."""
    off = ('{"town": "Zürich"}', '{"city": 3}', '{"city": "Zürich", "more": 1}', "{}")
    turn = [0]

    def act(body: dict[str, Any]) -> Reply:
        turn[0] += 1
        return Reply(tool_calls=[("look", off[turn[0] % len(off)])])

    async with EndpointServer(
        {"act": act, "reason": lambda body: Reply(content=APPROVE)}
    ) as server:
        said = await Drafting(server).run()
    checks.that(said == "CorrectionLimit", f"off the schema: {said}")
    checks.saw("off the schema: refused by code until CorrectionLimit")


async def no_success(checks: Checks) -> None:
    expected = {
        "length": ("IncompleteReply", 1),
        "content_filter": ("ReplyBlocked", 1),
        "refusal": ("ReplyBlocked", 1),
        "exhausted": ("IncompleteReply", 2),
        "context_length": ("ContextTooLong", 1),
    }
    for role in ROLES:
        for kind, wanted in expected.items():
            for how in ("native", "json"):
                await _one(checks, role, kind, how, wanted)
    checks.saw("length, content_filter, refusal, context too long: 1 request, no fallback asked")
    checks.saw("all reasoning: once more at twice the cap, then IncompleteReply")
    await _exhausted_verdict(checks)
    await _too_long(checks)


async def _one(checks: Checks, role: Any, kind: str, how: Any, wanted: tuple[str, int]) -> None:
    def script(body: dict[str, Any]) -> Reply:
        if kind == "length":
            return Reply(tool_calls=[("look", ARGS)], finish_reason="length")
        return Reply(content="yes", fault=Fault(kind=kind))  # type: ignore[arg-type]

    async with EndpointServer(lambda body: Reply(content="from the fallback")) as second:
        fallback = lane_at(second.base_url, "other")
        async with lanes_at(script, fallbacks=(fallback,)) as (server, lane):
            try:
                tools = World().tools() if how == "native" else []
                model = lane(role, tool_format=how, max_tokens=100)
                said = str((await (model.bind_tools(tools) if tools else model).ainvoke("?")).text)
            except AgentLanesError as error:
                said = type(error).__name__
                if kind == "exhausted":
                    spent = isinstance(error, IncompleteReply) and error.reason == "exhausted"
                    caps = [log.body["max_tokens"] for log in server.requests]
                    checks.that(spent and caps == [100, 200], f"{role}: caps {caps}")
            count = len(server.requests)
        checks.that((said, count) == wanted, f"{role} {kind} {how}: {said}, {count} requests")
        checks.that(not second.requests, f"{role} {kind}: the fallback was asked")


async def _exhausted_verdict(checks: Checks) -> None:
    """A verdict that was all reasoning is none, so nothing is written."""
    world = World()

    def act(body: dict[str, Any]) -> Reply:
        return Reply(tool_calls=[("book", ARGS)])

    spent = Reply(fault=Fault(kind="exhausted"))
    async with EndpointServer({"act": act, "reason": lambda body: spent}) as at:
        reason = lane_at(at.base_url, "reason", max_tokens=50)
        agent = agent_at(lane_at(at.base_url, "act"), reason, world)
        try:
            await agent.ainvoke({"messages": [("user", "book a trip")]})
        except AgentLanesError as error:
            said = type(error).__name__
        caps = [log.body["max_tokens"] for log in at.requests if log.model == "reason"]
    checks.that(not world.ran, f"it ran {world.ran} without a verdict")
    checks.that(said == "VerdictUnavailable", f"it ended with {said}")
    checks.that(caps == [50, 100], f"caps of the verdict {caps}")
    checks.saw("an exhausted verdict denies")


async def _too_long(checks: Checks) -> None:
    """A context that is too long is cut once; one that stays too long ends the run."""
    for most, wanted in ((6_000, "an answer"), (1_000, "ContextTooLong")):
        sizes: list[int] = []

        def act(body: dict[str, Any], most: int = most, sizes: list[int] = sizes) -> Reply:
            size = sum(len(str(message.get("content"))) for message in body["messages"])
            sizes.append(size)
            if size > most:
                return Reply(fault=Fault(kind="context_length"))
            done = sum(message["role"] == "tool" for message in body["messages"])
            if "tools" in body and done < 4:
                return Reply(tool_calls=[("look", {"city": f"number {done}"})])
            return Reply(content="done")

        async with EndpointServer(
            {"act": act, "reason": lambda body: Reply(content=APPROVE)}
        ) as server:
            said = (await Drafting(server, padding=1500).run()).partition(",")[0]
        checks.that(said == wanted, f"a context over {most}: {said}, sizes {sizes}")
        checks.that(max(sizes) > most, f"the context never came to {most}: {max(sizes)}")
    checks.saw("a context too long: cut once and answered, or ContextTooLong")


ROWS = (
    Row(
        number=18,
        name="tool arguments cut at every byte x finish {length, tool_calls, none}",
        expected="nothing runs",
        run=cut_arguments,
    ),
    Row(
        number=19,
        name=f"{len(HOSTILE_ARGUMENTS)} hostile argument strings",
        expected="nothing runs, no crash",
        run=hostile_arguments,
    ),
    Row(
        number=20,
        name="length, content_filter, refusal, reasoning exhausted, context too long",
        expected="final and typed; once more at twice the cap; cut once",
        run=no_success,
    ),
)
