"""Drafting a plan again while its verdict is out, once code knows that it cannot be carried out.

A step that code refuses, or that refers to what an earlier step did not give, means that the plan
is wrong; its verdict, which mostly brings another, may take seconds more. Meanwhile the act lane
drafts the plan again, and its reads begin. Nothing of it is proposed, so nothing of it counts:
what its reads find out is kept for the next window, where it stands for the same calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from agentlanes.errors import LaneError
from agentlanes.lanes.call import noting_lost
from agentlanes.nodes.ahead import PLAN, allowed_unverified
from agentlanes.nodes.drafting import ask_plan
from agentlanes.nodes.early import EarlyReads, result_of
from agentlanes.nodes.events import redraft_event
from agentlanes.nodes.parts import Parts
from agentlanes.nodes.tooling import BoundTool
from agentlanes.nodes.window import ActContext
from agentlanes.speculation.effects import HARMLESS
from agentlanes.state import Correction, PlanStep, ProposalDict

__all__ = ["Again"]

_TRIES = 2  # plans drafted again in a window; each costs a reply of the act lane


class Again:
    """The plans of one window that are drafted again.

    Args:
        parts: The graph's parts.
        context: The window's.

    Attributes:
        drafts: Facts of the lane calls, as they end.
        reads: The reads of each plan.
    """

    def __init__(self, parts: Parts, context: ActContext) -> None:
        """Draft none yet."""
        self.drafts: list[dict[str, Any]] = []
        self._parts, self._context = parts, context
        self.reads: list[_Reads] = []
        self._wrong: list[Sequence[PlanStep]] = []
        self._drafting = False

    @property
    def begun(self) -> bool:
        """Whether a plan was drafted again, or is being drafted."""
        return bool(self._wrong)

    def begin(self, riding: int, steps: Sequence[PlanStep], at: int, why: str) -> None:
        """Draft a plan again, unless that was done, is under way, or does not pay.

        Args:
            riding: Index of the proposal whose verdict is out.
            steps: The plan.
            at: The step that cannot be made, from 0.
            why: What is wrong with it.
        """
        known = any(steps is wrong for wrong in self._wrong)
        if known or self._drafting or len(self._wrong) == _TRIES or not self._pays(riding):
            return
        self._wrong.append(steps)
        self._drafting = True
        correction = Correction(
            proposal={"kind": "plan", "steps": list(steps)},
            reason=f"step {at + 1}, {steps[at]['tool']}, cannot be made: {why}",
            suggestion=None,
        )
        self._say(riding, "started", correction)
        task = asyncio.create_task(self._draft(riding, correction))
        self._context.exchange.early.append(task)

    def unused(self, first: int, drafts: int) -> list[ProposalDict]:
        """Give the reads that were begun, as the calls they would have been.

        Args:
            first: Index of the first.
            drafts: How many drafts the window has besides these.
        """
        made: list[ProposalDict] = []
        for reads in self.reads:
            made += reads.unused(first + len(made), draft=drafts + reads.draft)
        return made

    def _pays(self, riding: int) -> bool:
        exchange = self._context.exchange
        if exchange.closed or not exchange.judging or exchange.verdict(riding) is not None:
            return False
        made = [case.proposal for case in exchange.cases if case.proposal["started_at"] is not None]
        if any(proposal["effect"] not in HARMLESS for proposal in made):
            return False  # what is read now may not stand in the next window
        return allowed_unverified(self._parts, self._context, PLAN) > 0

    def _say(
        self, riding: int, status: Literal["started", "ended"], why: Correction, *, ok: bool = True
    ) -> None:
        run, window = self._context.run, self._context.window
        self._context.emit(redraft_event(run, window, riding, status, why["reason"], ok=ok))

    async def _draft(self, riding: int, correction: Correction) -> None:
        parts, context = self._parts, self._context
        transcript = context.exchange.cases[riding].transcript
        config = noting_lost(context.config, self.drafts)
        try:
            reply, steps = await ask_plan(parts, context, transcript, correction, config)
        except LaneError:
            self._say(riding, "ended", correction, ok=False)  # nothing else hangs on it
            return
        finally:
            self._drafting = False
        self._say(riding, "ended", correction)
        reads = _Reads(parts, context, draft=len(self.drafts))
        self.drafts.append(reply.facts("act", prompt=parts.records))
        self.reads.append(reads)
        reads.follow(steps, riding)


class _Reads(EarlyReads):
    """The reads of a plan that is not proposed: what the window has read is not read once more.

    Attributes:
        draft: The number of the plan's draft among those made again.
    """

    def __init__(self, parts: Parts, context: ActContext, *, draft: int) -> None:
        super().__init__(parts, context)
        self.draft = draft
        self._awaited: set[int] = set()

    def follow(self, steps: list[PlanStep], riding: int) -> None:
        """Begin what can be begun while a verdict is out."""
        self._open, self._steps, self._riding = True, steps, riding
        self._scan()

    def _again(self) -> int:
        return self.draft

    def _room(self) -> int:
        return self._parts.limits.max_window

    def _ahead(self, step: int) -> int:
        return len(self._begun) + 1

    def _is_made(self, step: int, tool: BoundTool, args: dict[str, Any]) -> bool:
        """Say whether the window has made a step's call, or is about it, and take its result."""
        for result, task in _alike(self._context, tool.name, args):
            if result is not None:
                self._found[step] = result
                return True
            if task is not None and not task.done():
                if step not in self._awaited:
                    self._awaited.add(step)
                    task.add_done_callback(lambda _: self._scan())
                return True
        return False


def _alike(
    context: ActContext, tool: str, args: Mapping[str, Any]
) -> Iterator[tuple[str | None, asyncio.Task[Any] | None]]:
    """Give what the window's calls like one have found, or the tasks that are about it."""
    for case in context.exchange.cases:
        made = case.proposal
        begun = made["started_at"] is not None and not made["failed"]
        if begun and (made["tool"], made["args"]) == (tool, args):
            yield made["result"], context.exchange.running.get(made["index"])
    for reads in (context.early, *context.again.reads):
        for read in reads.begun():
            if (read.tool, read.args) == (tool, args):
                found = result_of(read.task)
                yield None if found.get("failed") else found.get("result"), read.task
