"""The window exchange: where the act branch proposes and the reason branch decides.

One exchange lives for one window, in memory only. It is never recovered after a crash: a branch
that finds none, or a closed one, says so and returns (see `agentlanes.nodes.settle`).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from langchain_core.messages import BaseMessage

from agentlanes.plan import approve, binding
from agentlanes.speculation.session import Session
from agentlanes.state import ProposalDict, VerdictDict

__all__ = [
    "Case",
    "Exchange",
    "Exchanges",
    "Mode",
    "binds",
    "bound_to",
    "ends",
    "subject",
    "verdict_on",
]

Mode = Literal["approve", "match", "skip", "check"]
"""What a proposal needs: the reason lane's approval, the same call of its own, nothing, or the
agreement of a second endpoint and else the approval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A proposal with what it has to be judged on.

    Attributes:
        proposal: The proposal.
        transcript: The conversation before the reply that held the proposal.
        together: Calls of the same reply, before this one.
        mode: What it needs before it counts.
    """

    proposal: ProposalDict
    transcript: Sequence[BaseMessage]
    together: Sequence[ProposalDict] = ()
    mode: Mode = "approve"

    @property
    def subject(self) -> dict[str, object]:
        """The proposal as the lanes see it: no index, no time, no window."""
        return subject(self.proposal)


def subject(proposal: ProposalDict) -> dict[str, object]:
    """Reduce a proposal to what it says."""
    if proposal["kind"] == "call":
        return {"kind": "call", "tool": proposal["tool"], "args": proposal["args"]}
    if proposal["kind"] == "plan":
        return {"kind": "plan", "steps": proposal["steps"]}
    return {"kind": "finish", "text": proposal["text"]}


def bound_to(proposal: ProposalDict) -> str:
    """Hash what a verdict on a proposal is for."""
    return binding(proposal["tool"], proposal["args"], proposal["plan_version"], proposal["steps"])


def binds(verdict: VerdictDict, proposal: ProposalDict) -> bool:
    """Say whether a verdict was given for this very proposal."""
    return verdict["binding"] == bound_to(proposal)


def verdict_on(proposal: ProposalDict, verdicts: Mapping[int, VerdictDict]) -> VerdictDict | None:
    """Give the verdict on a proposal: its own, or that of the plan it conforms to."""
    own = verdicts.get(proposal["index"])
    if own is not None or proposal["rides_on"] is None:
        return own
    plan = verdicts.get(proposal["rides_on"])
    return approve("plan") if plan is not None and plan["status"] == "approve" else plan


def ends(verdict: VerdictDict, proposal: ProposalDict) -> bool:
    """Say whether a verdict ends its window: nothing that follows its proposal counts."""
    if verdict["status"] == "unavailable":
        return proposal["kind"] == "plan"
    return verdict["status"] != "approve"


@dataclass(slots=True)
class _Count:
    tasks: int = 0


@dataclass(slots=True)
class Exchange:
    """Proposals of one window and the verdicts on them.

    Attributes:
        judging: Whether a reason branch is there to give verdicts.
        cases: What was proposed, in order.
        verdicts: Verdicts, by index of the proposal.
        running: Calls that were started or wait to be, by index; the act node ends them.
        early: Tasks of reads that were begun before their turn; the act node ends them too.
        forks: For each session, its state after each call that moved it, by index.
    """

    judging: bool
    cases: list[Case] = field(default_factory=list)
    verdicts: dict[int, VerdictDict] = field(default_factory=dict)
    closed: bool = False
    running: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    early: list[asyncio.Task[Any]] = field(default_factory=list)
    forks: dict[Session[Any], list[tuple[int, Any]]] = field(default_factory=dict)
    _ahead: _Count = field(default_factory=_Count)
    _waiting: dict[asyncio.Future[None], Callable[[], bool]] = field(default_factory=dict)

    def propose(self, case: Case) -> None:
        """Add a proposal; it is visible to the reason branch at once."""
        self.cases.append(case)
        self._pulse()

    def decide(self, index: int, verdict: VerdictDict) -> None:
        """Record a verdict, bound to what it was given for. The first one counts."""
        bound: VerdictDict = {**verdict, "binding": bound_to(self.cases[index].proposal)}
        self.verdicts.setdefault(index, bound)
        self._pulse()

    def run(self, index: int, task: asyncio.Task[None]) -> None:
        """Keep the task of a call that runs ahead, or waits to."""
        self.running[index] = task
        self._counted(task)

    def begin(self, task: asyncio.Task[Any]) -> None:
        """Keep the task of a read that is begun before its turn."""
        self.early.append(task)
        self._counted(task)

    def _counted(self, task: asyncio.Task[Any]) -> None:
        self._ahead.tasks += 1
        task.add_done_callback(self._ended)

    def _ended(self, _: asyncio.Task[Any]) -> None:
        self._ahead.tasks -= 1

    def changed(self) -> None:
        """Wake whoever waits for something in the exchange."""
        self._pulse()

    def close(self) -> None:
        """Say that nothing more will be proposed."""
        self.closed = True
        self._pulse()

    def verdict(self, index: int) -> VerdictDict | None:
        """Give the verdict on a proposal, or on the plan that it follows."""
        return verdict_on(self.cases[index].proposal, self.verdicts)

    @property
    def calls(self) -> int:
        """How many calls were proposed."""
        return sum(case.proposal["kind"] == "call" for case in self.cases)

    @property
    def ends_at(self) -> int | None:
        """The lowest index whose verdict ends the window.

        It is rejected, or not readable, or a plan that nobody could judge.
        """
        ended = [i for i, v in self.verdicts.items() if ends(v, self.cases[i].proposal)]
        return min(ended, default=None)

    def unverified(self, up_to: int) -> int:
        """Count the proposals up to and with an index that have no verdict yet."""
        return sum(self.verdict(i) is None for i in range(min(up_to + 1, len(self.cases))))

    def blocked(self, index: int, ordered: Callable[[str], bool]) -> bool:
        """Say whether a call must wait for an earlier one to end.

        Calls run together unless one of them moves what the other may see.

        Args:
            index: The call.
            ordered: Says of a tool whether it matters what else runs.
        """
        mine = ordered(self.cases[index].proposal["tool"])
        return any(
            case.proposal["kind"] == "call"
            and case.proposal["ended_at"] is None
            and (mine or ordered(case.proposal["tool"]))
            for case in self.cases[:index]
        )

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something in the exchange makes the condition true."""
        while not condition():
            woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting[woken] = condition
            try:
                await woken
            finally:
                self._waiting.pop(woken, None)

    async def proposals(self) -> AsyncIterator[Case]:
        """Give every proposal as it comes, up to the one whose verdict ends the window."""
        for place in itertools.count():
            await self.until(partial(self._something, place))
            if self._discards(place) or len(self.cases) == place:
                return
            yield self.cases[place]

    def _something(self, place: int) -> bool:
        return len(self.cases) > place or self.closed or self._discards(place)

    def _discards(self, place: int) -> bool:
        return self.ends_at is not None and place >= self.ends_at

    def _pulse(self) -> None:
        """Wake whose condition has come true; a task that wakes in vain takes longer than this."""
        for woken in [woken for woken, condition in self._waiting.items() if condition()]:
            del self._waiting[woken]
            if not woken.done():
                woken.set_result(None)


class Exchanges:
    """The open exchanges of one built graph, by run and window. No module globals."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[int, Exchange]] = {}
        self._ahead = _Count()
        self._failures: dict[str, BaseException] = {}

    def open(self, run: str, window: int, *, judging: bool) -> None:
        """Open a window's exchange; what an earlier window of the run left is swept."""
        self.sweep(run)
        self._open[run] = window, Exchange(judging=judging, _ahead=self._ahead)

    def get(self, run: str, window: int) -> Exchange | None:
        """Give a window's exchange, or `None` when it was lost or is closed."""
        found = self.last(run, window)
        return None if found is None or found.closed else found

    def last(self, run: str, window: int) -> Exchange | None:
        """Give a window's exchange even when it is closed, for what was found out in it."""
        number, found = self._open.get(run, (None, None))
        return found if number == window else None

    def sweep(self, run: str) -> None:
        """Drop whatever is open for a run."""
        _, left = self._open.pop(run, (None, None))
        if left is not None:
            left.close()

    def keep_failure(self, key: str, error: BaseException) -> None:
        """Keep a branch's exception for the next `route` of this process to raise."""
        self._failures[key] = error

    def take_failure(self, key: str) -> BaseException | None:
        """Give a kept exception once; a resumed run finds none and tries again."""
        return self._failures.pop(key, None)

    @property
    def in_flight(self) -> int:
        """Calls that run ahead, or wait to, in all open windows."""
        return self._ahead.tasks

    def __len__(self) -> int:
        return len(self._open)
