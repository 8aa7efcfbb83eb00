"""The spans of a window, read off the stamps that both branches took, with what waited for what.

The act branch goes on only when everything it started has ended, so each of its lane calls waited
for the calls before it; a call waited for the reply it came from, and for the verdicts and calls
that ended while it was held back. `settle` waited for whatever both branches were still at.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from agentlanes.latency.clock import interval_ms, offset_ms
from agentlanes.latency.spans import Outcome, Span
from agentlanes.nodes.spans import call_spans, span_of
from agentlanes.state import Judged, ProposalDict, Proposed, Window

__all__ = ["WindowSpans", "window_spans"]

_BEST_FIRST: tuple[Outcome, ...] = ("fenced", "skipped", "committed")


@dataclass(slots=True, kw_only=True)
class WindowSpans:
    """A window's spans, by the step record they belong to.

    Attributes:
        drafts: By number of the draft.
        issued: By index of a call that code issued.
        calls: By place among the reason branch's lane calls.
        answer: The answer written ahead of the verdicts, if any.
        closing: Ids of what `settle` waited for.
        members: The proposals of each draft.
    """

    drafts: dict[int, list[Span]] = field(default_factory=dict)
    issued: dict[int, list[Span]] = field(default_factory=dict)
    calls: dict[int, list[Span]] = field(default_factory=dict)
    answer: Span | None = None
    closing: list[str] = field(default_factory=list)
    members: dict[int, list[ProposalDict]] = field(default_factory=dict)


def window_spans(
    window: Window,
    proposed: Proposed,
    judged: Judged | None,
    fates: Mapping[int, Outcome],
    ends_at: int | None,
    ordered: Collection[str] = (),
    *,
    carried: int | None = None,
) -> WindowSpans:
    """Make the spans of a window.

    Args:
        window: The window.
        proposed: What the act branch wrote.
        judged: What the reason branch wrote.
        fates: What became of the proposals.
        ends_at: Index of the proposal whose verdict ended the window.
        ordered: Names of the tools that wait for earlier calls, and earlier calls for them.
        carried: Number of the draft whose calls go to the next window.
    """
    reader = _Reader(window, proposed, judged, fates, ends_at, ordered, carried)
    reader.read()
    return reader.made


class _Reader:
    """Reads a window's proposals in order and keeps what the next step waits for."""

    def __init__(
        self,
        window: Window,
        proposed: Proposed,
        judged: Judged | None,
        fates: Mapping[int, Outcome],
        ends_at: int | None,
        ordered: Collection[str],
        carried: int | None,
    ) -> None:
        self.made = WindowSpans()
        self._ordered = ordered
        self._ms = partial(offset_ms, proposed["origin"])
        self._times = partial(interval_ms, proposed["origin"])
        self._carried = carried
        self._prefix = f"w{window['id']}"
        self._proposed, self._fates, self._ends_at = proposed, fates, ends_at
        self._judged = judged
        self._opening = list(window.get("after") or ())
        self._base = self._opening  # what the plan waited for
        self._frontier = list(self._opening)  # what the act branch waits for before it goes on
        self._sources: dict[int, list[str]] = {}
        self._tools: dict[int, Span] = {}
        self._verdicts: dict[int, list[Span]] = {}
        self._waits: list[str] = []
        self._together: list[Span] = []  # the calls so far of the reply that is read
        self._homeless: dict[int, Span] = {}  # verdicts that no lane was asked for
        self._group: tuple[list[str], list[ProposalDict]] | None = None
        self._home: list[Span] | None = None

    def read(self) -> None:
        """Read everything."""
        for proposal in self._proposed["proposals"]:
            if proposal["draft"] is not None:
                self.made.members.setdefault(proposal["draft"], []).append(proposal)
        self._read_verdicts()
        placed, made = 0, len(self._proposed["drafts"])
        for proposal in self._proposed["proposals"]:
            number = proposal["draft"]
            while number is not None and placed <= number and placed < made:
                self._place_draft(placed)
                placed += 1
            self._place(proposal)
        for left in range(placed, made):
            self._place_draft(left)
        self._place_aside(made)
        for index, spans in self._verdicts.items():
            for span in spans:
                span["after"] = self._sources.get(index, self._opening) + span["after"]
        self._place_answer()
        self.made.closing = self._closing()

    def _id(self, index: int, what: str) -> str:
        return f"{self._prefix}.p{index}.{what}"

    def _read_verdicts(self) -> None:
        judged = self._judged
        if judged is None:
            return
        origin = judged["origin"]
        for place, facts in enumerate(judged["calls"]):
            index = facts["index"]
            times = interval_ms(origin, facts["started"], facts["ended"])
            if index is None:
                words = span_of(f"{self._prefix}.words", "reason", "words", times, self._opening)
                words["outcome"] = "discarded" if facts.get("lost") else "committed"
                self.made.calls[place] = call_spans(words, facts["record"])
                self._waits.append(words["id"])
                continue
            span = self._verdict(index, times, lost=bool(facts.get("lost")))
            self.made.calls[place] = call_spans(span, facts["record"])
        asked = [span for spans in self._verdicts.values() for span in spans]
        for index, started, ended in judged["judgings"]:
            if index in self._verdicts:
                continue
            # No lane was asked for it: a judge that works a request out once had it wait for that.
            start, end = interval_ms(origin, started, ended)
            before = [span for span in asked if start < span["end_ms"] <= end]
            start = max((span["end_ms"] for span in before), default=start)
            span = self._verdict(index, (start, end))
            span["after"] += [b["id"] for b in before if b["end_ms"] == start]
            self._homeless[index] = span

    def _verdict(self, index: int, times: tuple[float, float], *, lost: bool = False) -> Span:
        known = self._verdicts.setdefault(index, [])
        name = f"verdict{len(known) + 1}" if known else "verdict"
        gone = lost or self._fates.get(index) == "discarded"
        counts: Outcome = "discarded" if gone else "committed"
        before = [known[-1]["id"]] if known else []
        span = span_of(self._id(index, name), "reason", "verdict", times, before, counts)
        known.append(span)
        return span

    def _place_draft(self, number: int) -> None:
        facts = self._proposed["drafts"][number]
        mine = self.made.members.get(number, [])
        plan = bool(mine) and mine[0]["kind"] == "plan"
        name = facts.get("name") or ("plan" if plan else "draft")
        times = self._times(facts["started"], facts["ended"])
        span = span_of(f"{self._prefix}.draft{number}", "act", name, times, self._frontier)
        span["outcome"] = self._best(mine)
        if span["outcome"] == "discarded" and number == self._carried:
            span["outcome"] = "committed"
        self._frontier, self._group, self._together = [span["id"]], None, []
        self._home = self.made.drafts[number] = call_spans(span, facts["record"])
        if plan:
            self._base = [span["id"]]

    def _best(self, proposals: Sequence[ProposalDict]) -> Outcome:
        """Give what became of a reply from what became of its calls: the best of it counts."""
        if len(proposals) == 1:
            return self._fates.get(proposals[0]["index"], "discarded")
        fates = [self._fates.get(proposal["index"]) for proposal in proposals]
        return next((outcome for outcome in _BEST_FIRST if outcome in fates), "discarded")

    def _place_aside(self, made: int) -> None:
        """Place what never came to its turn: nothing waits for it."""
        frontier = self._frontier
        for number, facts in enumerate(self._proposed["again"], made):
            times, id = self._times(facts["started"], facts["ended"]), f"draft{number}"
            span = span_of(f"{self._prefix}.{id}", "act", "plan", times, self._base, "discarded")
            self.made.drafts[number] = call_spans(span, facts["record"])
        for proposal in self._proposed["unused"]:
            if proposal["draft"] is not None:
                self._home = self.made.drafts[proposal["draft"]]
            self._place(proposal)
            self._tools[proposal["index"]]["outcome"] = "discarded"
        self._frontier = frontier

    def _place(self, proposal: ProposalDict) -> None:
        index, home = proposal["index"], self._home
        if proposal["draft"] is None:
            home = self.made.issued.setdefault(index, [])
            source = self._issued_source(proposal)
        elif proposal["draft"] in self.made.drafts:
            source = [f"{self._prefix}.draft{proposal['draft']}"]
            self._group = None
        else:  # its reply broke off, and nothing is known of it
            source, self._group, home = list(self._frontier), None, []
        self._sources[index] = source
        home = [] if home is None else home
        if index in self._homeless:  # there is no other record that could hold it
            home.append(self._homeless[index])
        if proposal["started_at"] is not None:
            self._place_tool(proposal, source, home)
        elif proposal["fenced"] and proposal["kind"] == "call":
            self._place_fence(proposal, source, home)

    def _issued_source(self, proposal: ProposalDict) -> list[str]:
        """Give what an issued call waited for.

        Calls issued together wait for the same; a read that began early, for what it needed.
        """
        needs = proposal["needs"]
        if needs is not None:
            return [self._tools[i]["id"] for i in needs if i in self._tools] or self._base
        if self._group is not None:
            base, members = self._group
            if not _all_ended(members, proposal["proposed_at"]):
                members.append(proposal)
                return base
        self._group, self._together = (list(self._frontier), [proposal]), []
        return self._group[0]

    def _place_tool(self, proposal: ProposalDict, source: list[str], home: list[Span]) -> None:
        index, started = proposal["index"], proposal["started_at"] or 0.0
        fate = self._fates.get(index)
        waited = proposal["waited_s"]
        start, end = self._times(started, proposal["ended_at"] or started)
        ready = self._ms(started - waited) if waited else start
        after = source
        if self._ordered:
            mine = proposal["tool"] in self._ordered
            # Whether it had to wait for them or not: it could not have started before they ended.
            after = after + [s["id"] for s in self._together if mine or s["name"] in self._ordered]
        if start > ready:
            wait = span_of(
                self._id(index, "wait"),
                "wait",
                proposal["tool"],
                (ready, start),
                after + self._held_by(proposal, ready, start),
                fate,
            )
            home.append(wait)
            after = [wait["id"]]
        tool = span_of(self._id(index, "tool"), "tool", proposal["tool"], (start, end), after, fate)
        if proposal["kept_s"]:
            tool["kept_ms"] = offset_ms(0.0, proposal["kept_s"])
        home.append(tool)
        self._tools[index] = tool
        self._together.append(tool)
        if self._frontier == source and proposal["draft"] is None and proposal["needs"] is None:
            self._frontier = []
        self._frontier = [*self._frontier, tool["id"]]

    def _place_fence(self, proposal: ProposalDict, source: list[str], home: list[Span]) -> None:
        index, since = proposal["index"], self._ms(proposal["proposed_at"])
        until = max((s["end_ms"] for s in self._verdicts_up_to(index)), default=since)
        if until <= since:
            return
        held = self._held_by(proposal, since, until)
        spans = home
        if proposal["draft"] is None:
            # A fence that code issued has no record yet; the verdict it waited for has one.
            lanes = (spans for spans in self.made.calls.values() if spans[0]["id"] in held)
            spans = next(lanes, home)
        wait = span_of(
            self._id(index, "wait"),
            "wait",
            proposal["tool"],
            (since, until),
            source + held,
            self._fates.get(index),
        )
        spans.append(wait)
        self._waits.append(wait["id"])

    def _verdicts_up_to(self, index: int) -> list[Span]:
        return [s for i, spans in self._verdicts.items() if i <= index for s in spans]

    def _held_by(self, proposal: ProposalDict, since: float, until: float) -> list[str]:
        """Name the verdicts and calls before a proposal that ended while it was held back."""
        index, mine = proposal["index"], proposal["tool"] in self._ordered
        earlier = [
            tool
            for i, tool in self._tools.items()
            if i < index and (mine or tool["name"] in self._ordered)
        ]
        spans = [*self._verdicts_up_to(index), *earlier]
        return [span["id"] for span in spans if since < span["end_ms"] <= until]

    def _place_answer(self) -> None:
        early = self._proposed["answer"]
        if early is not None:
            times = self._times(early["facts"]["started"], early["facts"]["ended"])
            self.made.answer = span_of(
                f"{self._prefix}.answer", "act", "answer", times, self._frontier
            )
            self._frontier = [self.made.answer["id"]]

    def _closing(self) -> list[str]:
        """Name what `settle` waited for."""
        last = self._ends_at
        verdicts = [
            span
            for index, spans in self._verdicts.items()
            if last is None or index <= last
            for span in spans
        ]
        named = [span["id"] for span in verdicts]
        if last is None:
            return [*self._frontier, *named, *self._waits]
        # Calls before what ended it were awaited; later ones only if they could not be stopped.
        ends = max((span["end_ms"] for span in self._verdicts.get(last, ())), default=0.0)
        tools = [
            tool["id"]
            for index, tool in self._tools.items()
            if index < last or tool["end_ms"] > ends
        ]
        return [*self._sources.get(last, ()), *named, *tools]


def _all_ended(members: Sequence[ProposalDict], at: float) -> bool:
    ran = [p for p in members if p["started_at"] is not None]
    # One whose result was there already ends at once, also beside those issued with it.
    return bool(ran) and all(
        p["ended_at"] is not None and p["ended_at"] + p["kept_s"] <= at for p in ran
    )
