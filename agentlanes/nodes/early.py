"""Beginning the reads of a plan before their turn.

Proposals are made in a plan's order, and a step can be proposed only when the results it refers to
are known. Its reads need not wait for that: those that no call before them can change begin as
soon as what they need themselves is known, and their proposals take over what they found. Calls
begin out of order and count in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp

from agentlanes.nodes.ahead import PLAN, allowed_unverified, fetch
from agentlanes.nodes.drafting import blank_proposal, issued_args
from agentlanes.nodes.events import early_event
from agentlanes.nodes.parts import Parts
from agentlanes.nodes.tooling import BoundTool, ToolResult
from agentlanes.nodes.window import ActContext, ActState
from agentlanes.plan import canonical, references, resolve_step
from agentlanes.state import PlanStep, ProposalDict

__all__ = ["EarlyRead", "EarlyReads", "result_of"]


@dataclass(slots=True, kw_only=True)
class EarlyRead:
    """A read that was begun before its turn; times are the loop's."""

    tool: str
    args: dict[str, Any]
    waited_s: float
    started: float
    ended: float | None = None
    task: asyncio.Task[ToolResult | None] = field(init=False)


class EarlyReads:
    """The reads of one window's plan that begin before their turn.

    Args:
        parts: The graph's parts.
        context: The window's.
    """

    def __init__(self, parts: Parts, context: ActContext) -> None:
        """Begin none yet."""
        self._parts, self._context = parts, context
        self._config: RunnableConfig = context.config
        self._steps: list[PlanStep] = []
        self._open = False
        self._riding: int | None = None
        self._at = self._made = 0
        self._found: dict[int, str] = {}
        self._begun: dict[int, EarlyRead] = {}
        self._ready: dict[int, float] = {}
        self._allowed: dict[int, int] = {}
        self._waiter: asyncio.Task[None] | None = None

    def look(self, state: ActState, config: RunnableConfig, *, made: int, at: int) -> None:
        """Look at a plan again, and begin what can be begun.

        Args:
            state: The window's state.
            config: What the calls are made with.
            made: How many of the plan's steps have been proposed.
            at: The first step whose turn has not come.
        """
        plan = state["plan"]
        self._open = plan is not None and at < len(plan["steps"])
        if plan is None or not self._open:
            return
        self._steps, self._riding, self._config = plan["steps"], state["riding"], config
        self._made, self._at = made, at
        self._found.update(enumerate(state["results"]))
        self._scan()

    def found(self, proposal: ProposalDict) -> None:
        """Take in what a step's call has given."""
        step, result = proposal["plan_step"], proposal["result"]
        if self._open and step is not None and result is not None and not proposal["failed"]:
            self._found[step] = result
            self._scan()

    def take(self, proposal: ProposalDict) -> EarlyRead | None:
        """Give the read that was begun for a proposal, and note when, and what it waited for."""
        step = proposal["plan_step"]
        if step is None or (read := self._begun.get(step)) is None:
            return None
        if (read.tool, canonical(read.args)) != (proposal["tool"], canonical(proposal["args"])):
            return None
        del self._begun[step]
        proposal["needs"] = self._needs(step)
        proposal["started_at"], proposal["waited_s"] = read.started, read.waited_s
        return read

    async def go_on(self) -> None:
        """Let the reads go on while the plan has no verdict, when nothing more is proposed.

        The window waits for that verdict all the same. Where code has refused one of the plan's
        calls, or has had it drafted again, what is read until then serves the corrected plan.
        """
        exchange, riding = self._context.exchange, self._riding
        if riding is None or not exchange.judging:
            return
        if exchange.ends_at is not None:
            refused, verdict = exchange.cases[exchange.ends_at], exchange.verdicts[exchange.ends_at]
            if refused.proposal["plan_step"] is not None:
                self._say_wrong(refused.proposal["plan_step"], verdict["reason"])
        if exchange.ends_at is not None or self._context.again.begun:
            await exchange.until(lambda: exchange.verdict(riding) is not None)

    def begun(self) -> Collection[EarlyRead]:
        """Give the reads whose turn has not come."""
        return self._begun.values()

    def unused(self, first: int, draft: int | None = None) -> list[ProposalDict]:
        """Give the reads whose turn never came, as the calls they would have been.

        Args:
            first: Index of the first.
            draft: The draft that their plan came from, if it is not proposed.
        """
        return [
            blank_proposal(
                index=first + number,
                kind="call",
                tool=read.tool,
                args=read.args,
                effect=self._parts.tools[read.tool].effect.effect_class,
                proposed_at=read.started - read.waited_s,
                started_at=read.started,
                waited_s=read.waited_s,
                ended_at=read.ended,
                draft=draft,
                needs=self._needs(step) if draft is None else None,
                **result_of(read.task),
            )
            for number, (step, read) in enumerate(sorted(self._begun.items()))
        ]

    def _scan(self) -> None:
        exchange = self._context.exchange
        if not self._open or exchange.closed or self._ended() or self._unsettled():
            return
        known = [self._found.get(step) for step in range(len(self._steps))]
        for step in range(self._made, min(len(known), self._made + self._room())):
            tool = self._parts.tools.get(self._steps[step]["tool"])
            if tool is None or _orders(tool):
                return
            if step < self._at or step in self._begun or tool.effect.session is not None:
                continue
            args = issued_args(self._parts, self._steps[step], known)
            refused = self._refused(step, tool, args, known)
            if refused:
                self._say_wrong(step, refused)
            if args is None or refused:
                continue
            if not tool.effect.allows(args):
                return  # it may turn out to be a fence
            if self._is_made(step, tool, args):
                known[step] = self._found.get(step)
                continue
            self._ready.setdefault(step, asyncio.get_running_loop().time())
            if not self._free(step):
                self._wait(step)
                return
            self._begin(step, tool, args)

    def _refused(
        self, step: int, tool: BoundTool, args: dict[str, Any] | None, known: list[str | None]
    ) -> str | None:
        """Say why a step cannot be made; nothing where it can, or is not ready."""
        needed = references(self._steps[step])
        if args is not None:
            wrong = tool.refuse(args)
            # What tools gave is data, and the reason is for a lane to act on.
            return (
                f"what steps {needed} gave does not fit its schema" if wrong and needed else wrong
            )
        ready = all(0 < number <= step and known[number - 1] is not None for number in needed)
        if ready and resolve_step(self._steps[step], known, tool.schema) is None:
            return f"steps {needed} did not give what it refers to"
        return None

    def _say_wrong(self, step: int, why: str) -> None:
        if self._riding is not None:
            self._context.again.begin(self._riding, self._steps, step, why)

    def _room(self) -> int:
        """Give how many more calls the window holds."""
        return self._parts.limits.max_window - self._context.exchange.calls

    def _is_made(self, step: int, tool: BoundTool, args: dict[str, Any]) -> bool:
        """Say whether a step needs no call of its own."""
        return False

    def _ended(self) -> bool:
        """Say whether the plan counts no more; one that only has a wrong call may be mended."""
        ends_at, riding = self._context.exchange.ends_at, self._riding
        return ends_at is not None and (riding is None or ends_at <= riding)

    def _unsettled(self) -> bool:
        """Say whether a call is under way that may change what reads see."""
        return any(
            proposal["ended_at"] is None
            and (tool := self._parts.tools.get(proposal["tool"])) is not None
            and _orders(tool)
            for proposal in (case.proposal for case in self._context.exchange.cases)
        )

    def _free(self, step: int) -> bool:
        """Say whether few enough proposals before a step's would be unverified."""
        exchange = self._context.exchange
        ahead = exchange.unverified(len(exchange.cases) - 1) + self._ahead(step)
        if not ahead:
            return True
        if step not in self._allowed:
            self._allowed[step] = allowed_unverified(self._parts, self._context, PLAN)
        return ahead <= self._allowed[step]

    def _ahead(self, step: int) -> int:
        """Give how many proposals there will be up to a step's that have no verdict."""
        riding = self._riding
        if riding is not None and self._context.exchange.verdict(riding) is None:
            return step - self._made + 1
        return self._at - self._made  # what is being drafted is judged on its own

    def _wait(self, step: int) -> None:
        """Look again when verdicts have come."""
        if self._waiter is not None and not self._waiter.done():
            return
        exchange = self._context.exchange

        async def wait() -> None:
            await exchange.until(lambda: self._ended() or self._free(step))
            self._waiter = None
            self._scan()

        self._waiter = asyncio.create_task(wait())
        exchange.early.append(self._waiter)

    def _begin(self, step: int, tool: BoundTool, args: dict[str, Any]) -> None:
        now = asyncio.get_running_loop().time()
        read = EarlyRead(tool=tool.name, args=args, waited_s=now - self._ready[step], started=now)
        read.task = asyncio.create_task(self._fetch(read, step))
        self._begun[step] = read
        self._context.exchange.begin(read.task)
        self._say(read, step, "started")

    async def _fetch(self, read: EarlyRead, step: int) -> ToolResult | None:
        tool = self._parts.tools[read.tool]
        try:
            given = await fetch(
                self._parts, self._context, tool, read.args, self._config, f"early_{step}"
            )
        except GraphBubbleUp:
            given = None
        finally:
            read.ended = asyncio.get_running_loop().time()
        self._say(read, step, "ended", ok=given is not None and not given.failed)
        if given is not None and given.command is None and not given.failed:
            self._found[step] = given.text
            self._scan()
        return given

    def _say(
        self, read: EarlyRead, step: int, status: Literal["started", "ended"], *, ok: bool = True
    ) -> None:
        run, window, again = self._context.run, self._context.window, self._again()
        self._context.emit(
            early_event(run, window, step, read.tool, read.args, status, again=again, ok=ok)
        )

    def _again(self) -> int | None:
        """Give the number of the plan among those drafted again, if it is one of them."""
        return None

    def _needs(self, step: int) -> list[int]:
        """Give the calls of this window that a step waited for.

        They are those it refers to, and all up to the last call that could have changed what it
        reads.
        """
        needed = {number - 1 for number in references(self._steps[step])}
        tools = [self._parts.tools.get(before["tool"]) for before in self._steps[:step]]
        ordering = [at for at, tool in enumerate(tools) if tool is None or _orders(tool)]
        since = ordering[-1] if ordering else -1
        return [
            case.proposal["index"]
            for case in self._context.exchange.cases
            if (at := case.proposal["plan_step"]) is not None and (at in needed or at <= since)
        ]


def _orders(tool: BoundTool) -> bool:
    """Say whether calls that follow one of a tool must not begin before it has ended."""
    return not (tool.runs_ahead and tool.effect.harmless)


def result_of(task: asyncio.Task[ToolResult | None]) -> Mapping[str, Any]:
    """Give what a read has found out, as a proposal holds it; nothing if it has not ended."""
    if not task.done() or task.cancelled() or task.exception() is not None:
        return {}
    given = task.result()
    if given is None:
        return {}
    return {"result": given.text, "failed": given.failed, "kept_s": given.kept_s}
