"""What the examples share: lanes that answer offline, and how a result is shown.

Offline both lanes are stand-ins: a few lines of each example, served over a real socket, that work
out their answer from the request they are sent and from nothing else, and take as long as they say.
Everything between them is real: the requests, the state machine, the tools, the times in the table.
With `--env` the lanes are those of `default_lanes()`: your endpoints, or `agentlanes up`.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

from rich.console import Console

from agentlanes import AgentLanesError, Lane
from agentlanes.context.prompts import ASIDE_PREFIXES
from agentlanes.lanes.defaults import default_lanes
from agentlanes.latency.table import steps_view
from agentlanes.router import PROFILES
from agentlanes.testing import EndpointServer, Latency, Reply


@dataclass(frozen=True)
class Call:
    """A call of the conversation, and what it gave."""

    tool: str
    args: dict[str, Any]
    result: str = ""


@dataclass(frozen=True)
class Asked:
    """A request to a lane, read off its body.

    Attributes:
        kind: The act lane is asked for a `plan`, a `draft` or the `answer`; the reason lane for a
            `verdict`, or for `words` when it works a request out first.
        request: What the user said last.
        done: The calls since then, with their results.
        aside: The library's own last words: a correction, or the reason lane's conclusion.
        proposal: What the verdict is about: a call, a plan, or to finish.
        together: Calls proposed in the same breath, before this one.
    """

    kind: str
    request: str
    done: list[Call]
    aside: str
    proposal: dict[str, Any]
    together: list[Call]


Script = Callable[[Asked], Reply]

_TOLD = re.compile(r"^(\w+) (\{.*?\}) gave: ", re.MULTILINE)
"""How the request for the final answer tells of a call, in words rather than as messages."""


def read(body: Mapping[str, Any]) -> Asked:
    """Read a Chat Completions request."""
    said, aside, done = "", "", []
    results = {m["tool_call_id"]: m["content"] for m in body["messages"] if m["role"] == "tool"}
    for message in body["messages"]:
        if message["role"] == "user" and message["content"].startswith(ASIDE_PREFIXES):
            aside = message["content"]
        elif message["role"] == "user":
            said, done = message["content"], []
        for call in message.get("tool_calls") or ():
            args = json.loads(call["function"]["arguments"])
            done.append(Call(call["function"]["name"], args, results[call["id"]]))
    told = _TOLD.split(aside.partition("\n\nDraft of the answer:")[0])[1:]
    for tool, given, result in zip(told[::3], told[1::3], told[2::3], strict=True):
        done.append(Call(tool, json.loads(given), result.removesuffix("\n")))
    schema = (body.get("response_format") or {}).get("json_schema", {}).get("name")
    unstructured = "words" if body["model"] == "reason" else "answer"
    kind = schema or ("draft" if body.get("tools") else unstructured)
    asked = {}
    if kind == "verdict":
        asked = json.loads(aside.partition("```json\n")[2].rpartition("\n```")[0])
    together = [Call(c["tool"], c["args"]) for c in asked.get("together", ())]
    return Asked(kind, said, done, aside, asked.get("proposal", {}), together)


def plan(calls: Sequence[Call]) -> Reply:
    """Reply with a plan."""
    steps = [{"tool": call.tool, "args": call.args} for call in calls]
    return Reply(content=json.dumps({"steps": steps}))


def verdict(wrong: str | None) -> Reply:
    """Reply with a verdict: say what is wrong, or approve."""
    word = "reject" if wrong else "approve"
    return Reply(content=json.dumps({"reason": wrong or "as asked", "verdict": word}))


@contextmanager
def lanes(act: Script, reason: Script, *, act_s: float, reason_s: float) -> Iterator[list[Lane]]:
    """Serve the stand-ins while the block runs, or give your own lanes with `--env`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--env", action="store_true", help="your endpoints, or `agentlanes up`")
    if parser.parse_args().env:
        try:
            yield list(default_lanes())
        except AgentLanesError as error:  # no endpoint there, or a model too weak for the task
            raise SystemExit(f"{type(error).__name__}: {error}") from error
        return
    server = EndpointServer(
        {"act": lambda body: act(read(body)), "reason": lambda body: reason(read(body))},
        latency={
            "act": Latency(first_token_s=act_s / 2, total_s=act_s),
            "reason": Latency(first_token_s=reason_s / 2, total_s=reason_s),
        },
    )
    with server.serve_in_thread():
        print(
            f"Lanes: scripted stand-ins on {server.base_url}, act {act_s * 1000:.0f} ms and "
            f"reason {reason_s * 1000:.0f} ms a reply. No model answers; use --env for real ones.\n"
        )
        yield [Lane(name, base_url=server.base_url) for name in ("act", "reason")]


def show(result: Mapping[str, Any], profile: str) -> None:
    """Print the answer, the committed calls, where the time went, and the profile's target."""
    print(f"Answer: {result['answer']}\n\nCommitted:")
    for call in result["committed"]:
        shown = ", ".join(f"{name}={value!r}" for name, value in call["args"].items())
        print(f"  {call['effect']:12} {call['tool']}({shown})")
    print()
    Console().print(steps_view(result["steps"]))
    wanted, steps = PROFILES[profile], result["steps"]
    low, high = wanted.target_low_ms / 1000, wanted.target_high_ms / 1000
    target = f"{low:g} to {high:g} s" if low else f"under {wanted.target_high_ms:g} ms"
    times = sorted(s["duration_ms"] for s in steps if s["lane"] == wanted.lane and s["model"])
    print(
        f"\nTarget of {profile}: {target} a call of the {wanted.lane} lane. Measured: {len(times)} "
        f"calls, median {median(times or [0]):,.0f} ms, slowest {max(times or [0]):,.0f} ms."
    )
