"""The one oracle of all contestants: it reads a request as a model would, and knows the truth.

The act lane errs at a call with a set probability; whether and how is drawn from (seed, task,
turn, place), so every contestant meets the same errors. It does not err where it is told exactly
what to call: by a correction, or by a plan step with every argument. Told only that its plan is
wrong, it plans again with errors drawn anew. It does not notice its own errors. An argument that
only an earlier call can give it gets wrong until it has been shown it. The reason lane is always
right, and notices every error that the request shows.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentlanes.bench.bfcl_calls import Call
from agentlanes.bench.bfcl_oracle import (
    _BLOCK,
    _foreseen,
    _mentions,
    _Place,
    _place,
    _step,
    _verdict,
)
from agentlanes.context.prompts import CORRECTION_PREFIX, DELIVER_SYSTEM, INSTEAD, PLAN_SYSTEM
from agentlanes.plan import resolve_step
from agentlanes.references import sources
from benchmarks.peers.items import RUNS_AHEAD, Item, Items, depends
from benchmarks.peers.prompts import JOINER, PLANNER, STEP

__all__ = ["Answer", "Oracle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A reply, before it is given a form.

    Attributes:
        text: Its text.
        calls: Its calls.
        key: Names the decision that it is. Its latency is drawn from this, so that the same
            decision takes the same time whoever asks for it.
        kind: `call`, `text`, `plan`, `verdict`, `join` or `deliver`.
        rejects: It is a verdict that rejects.
    """

    text: str = ""
    calls: tuple[Call, ...] = ()
    key: str
    kind: str
    rejects: bool = False


class Oracle:
    """Both lanes.

    Args:
        items: The workload.
        act_error: Share of calls that the act lane gets wrong at first.
        seed: Seed of its errors.
    """

    def __init__(self, items: Items, *, act_error: float, seed: int) -> None:
        self._items, self._error, self._seed = items, act_error, seed

    def answer(
        self,
        item: Item,
        lane: str,
        messages: Sequence[Mapping[str, Any]],
        *,
        tools: bool,
        parallel: bool,
    ) -> Answer:
        """Answer a request.

        Args:
            item: The task.
            lane: `act` or `reason`.
            messages: The messages in OpenAI's form.
            tools: Whether tools were offered.
            parallel: Whether more than one call may be made in a reply.
        """
        place = _place(messages)
        system = "".join(str(m["content"]) for m in messages if m["role"] == "system")
        if DELIVER_SYSTEM in system:
            return Answer(text="Done.", key=f"{lane}|{place.turn}|deliver", kind="deliver")
        block = _BLOCK.search(place.aside)
        if block is not None:
            return self._judge(item, place, json.loads(block[1]))
        at = self._at(item, lane, place, messages)
        key = f"{lane}|{place.turn}|{at}"
        if PLANNER in system:
            return Answer(text=self._dag(item, lane, place, at), key=key, kind="plan")
        left = self._items.truth(item).calls[place.turn][at:]
        if JOINER in system:
            joined = {"action": "replan"} if left else {"action": "finish", "answer": "Done."}
            return Answer(text=json.dumps(joined), key=key, kind="join")
        corrected = CORRECTION_PREFIX in place.aside
        if PLAN_SYSTEM in system:
            knows = INSTEAD in place.aside
            rejected = place.aside.partition("\n")[0] if corrected and not knows else ""
            errs = lane == "act" and not knows
            steps = self._plan(item, place, errs=errs, again=rejected)
            text = json.dumps({"steps": steps})
            return Answer(text=text, key=f"{key}|plan|{corrected}", kind="plan")
        if STEP in place.aside and messages[-1]["role"] == "tool":
            return Answer(text="Done.", key=f"{key}|step", kind="text")
        if not tools or not left:
            return Answer(text="Done.", key=key, kind="text")
        told = place.aside.partition(STEP)[2].strip()
        given = json.loads(told.split("\n")[0])["args"] if told else None
        whole = given is not None and given.keys() == left[0].args.keys()
        exact = whole and not [*sources(given)]
        count = self._together(item, place, at) if parallel else 1
        calls = left[:count]
        if lane == "act" and not corrected and not exact:
            calls = tuple(self.draft(item, place.turn, at + n, place.shown) for n in range(count))
        return Answer(
            calls=tuple(calls), key=f"{key}|{corrected}" if corrected else key, kind="call"
        )

    def draft(
        self, item: Item, turn: int, at: int, shown: str | None = None, again: str = ""
    ) -> Call:
        """Give the act lane's try at a call.

        Args:
            item: The task.
            turn: The user turn.
            at: The call's place in it.
            shown: What the lane has been shown, if the call is to be made now. It is wrong
                where an argument is one that earlier calls give and the lane has not seen.
            again: Of a further try: what it was told.
        """
        truth = self._items.truth(item)
        call, earlier = truth.calls[turn][at], truth.results[turn][:at]
        key = f"{self._seed}|{item.id}|{turn}|{at}{again}"
        draw = random.Random(hashlib.sha256(key.encode()).digest())
        errs = draw.random() < self._error
        if shown is not None and not errs:
            given = [v for v in call.args.values() if any(_mentions(r, v) for r in earlier)]
            errs = not all(isinstance(v, bool) or _mentions(shown, v) for v in given)
        return self._items.wrong(item, call, draw) if errs else call

    def _at(
        self, item: Item, lane: str, place: _Place, messages: Sequence[Mapping[str, Any]]
    ) -> int:
        """Say how far a turn has come: as the act lane believes, or as it is."""
        if lane == "act":
            return min(place.position, len(self._items.truth(item).calls[place.turn]))
        due = self._items.truth(item).calls[place.turn]
        at, turn = 0, _last_turn(messages)
        for message in turn:
            for call in message.get("tool_calls") or ():
                made = Call(call["function"]["name"], json.loads(call["function"]["arguments"]))
                at += at < len(due) and self._items.same(item, made, due[at])
        return at

    def _together(self, item: Item, place: _Place, at: int) -> int:
        """Count the next calls that commute and whose arguments are all known by now."""
        truth, specs = self._items.truth(item), self._items.specs(item)
        count = 0
        for n, call in enumerate(truth.calls[place.turn][at:]):
            earlier = truth.results[place.turn][at : at + n]
            known = dict(_foreseen(call, place.shown, earlier))
            if n and (specs[call.tool].effect not in RUNS_AHEAD or known != dict(call.args)):
                break
            count += 1
            if specs[call.tool].effect not in RUNS_AHEAD:
                break
        return max(count, 1)

    def _plan(
        self, item: Item, place: _Place, *, errs: bool, again: str = ""
    ) -> list[dict[str, Any]]:
        """Plan what is left as far as it can be known, with the errors of the drafts.

        Args:
            item: The task.
            place: Where it stands.
            errs: Whether the lane may err.
            again: What the lane was told is wrong with its last plan, where it was not told
                what is right: its errors are drawn anew then, as often as at first.
        """
        truth = self._items.truth(item)
        steps: list[dict[str, Any]] = []
        for n, call in enumerate(truth.calls[place.turn][place.position :]):
            earlier = truth.results[place.turn][place.position : place.position + n]
            args, tool = dict(_foreseen(call, place.shown, earlier)), call.tool
            if errs and args.keys() == call.args.keys():
                drafted = self.draft(item, place.turn, place.position + n, again=again)
                tool = drafted.tool
                args |= {k: v for k, v in drafted.args.items() if v != call.args.get(k)}
            steps.append(_step(tool, args, whole=args.keys() == call.args.keys()))
        return steps

    def _dag(self, item: Item, lane: str, place: _Place, at: int) -> str:
        truth, specs = self._items.truth(item), self._items.specs(item)
        calls, results = truth.calls[place.turn][at:], truth.results[place.turn][at:]
        steps: list[dict[str, Any]] = []
        for n, call in enumerate(calls):
            args, tool = dict(_foreseen(call, place.shown, results[:n])), call.tool
            if lane == "act" and args.keys() == call.args.keys():
                drafted = self.draft(item, place.turn, at + n)
                tool = drafted.tool
                args |= {k: v for k, v in drafted.args.items() if v != call.args.get(k)}
            after = [
                m + 1
                for m in range(n)
                if depends(
                    call,
                    results[m],
                    (specs[calls[m].tool].effect, specs[call.tool].effect),
                    place.shown,
                )
            ]
            steps.append(
                {
                    "tool": tool,
                    "args": args,
                    "after": after,
                    "open": sorted(call.args.keys() - args.keys()),
                }
            )
        return json.dumps({"steps": steps})

    def _judge(self, item: Item, place: _Place, asked: Mapping[str, Any]) -> Answer:
        at = place.position + len(asked.get("together") or ())
        truth = self._items.truth(item).calls[place.turn]
        proposal, due = asked["proposal"], truth[at:]
        wrong: tuple[str, Call | None] | None = None
        if proposal["kind"] == "plan":
            wrong = self._plan_fault(item, place, proposal["steps"])
        elif proposal["kind"] == "finish":
            wrong = ("there is more to do", due[0]) if due else None
        elif not due:
            wrong = ("nothing more is to be done", None)
        elif not self._items.same(item, Call(proposal["tool"], proposal["args"]), due[0]):
            wrong = ("another call is due here", due[0])
        key = f"reason|{place.turn}|{at}"
        # Finding a plan wrong and saying what is right is the decision of whoever plans there.
        if wrong is not None and proposal["kind"] != "plan":
            shown = json.dumps(proposal, sort_keys=True)
            key += f"|{hashlib.sha256(shown.encode()).hexdigest()[:12]}"
        verdict = _verdict(wrong)
        if proposal["kind"] == "plan" and wrong is not None:
            verdict["steps"] = self._plan(item, place, errs=False)
        return Answer(
            text=json.dumps(verdict),
            key=key,
            kind="verdict",
            rejects=wrong is not None,
        )

    def _plan_fault(
        self, item: Item, place: _Place, steps: Sequence[Mapping[str, Any]]
    ) -> tuple[str, Call | None] | None:
        truth = self._items.truth(item)
        calls = truth.calls[place.turn][place.position :]
        results = truth.results[place.turn][place.position :]
        specs = self._items.specs(item)
        for n, call in enumerate(calls):
            if n >= len(steps):
                return f"step {n + 1} is missing", call
            step: Any = steps[n]
            spec = specs.get(step["tool"])
            args = resolve_step(step, results[:n], spec.schema if spec else None)
            if args is None:
                return f"step {n + 1} refers to what is not there", call
            allowed = dict(_foreseen(call, place.shown, results[:n]))
            for name, value in call.args.items():
                if name not in args and name not in allowed:
                    args[name] = value  # rightly left open: it cannot be known yet
            if not self._items.same(item, Call(step["tool"], args), call):
                return f"step {n + 1} should be another call", call
        return ("the plan does more than was asked", None) if len(steps) > len(calls) else None


def _last_turn(messages: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    for n in range(len(messages) - 1, -1, -1):
        if messages[n]["role"] == "user" and not str(messages[n]["content"]).startswith(STEP):
            return messages[n:]
    return messages
