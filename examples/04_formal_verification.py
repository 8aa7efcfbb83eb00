"""Formal verification: a solver proves one statement and refutes another.

The famous midpoint of a binary search: two ways to write it are equal for all integers, and are not
for machine integers, where the sum overflows. The reason lane works the request out first, the act
lane turns its words into calls, and z3 decides. No lane's opinion counts as a proof. At the end
plain arithmetic, which neither lane saw, tries the counterexample out.

    python examples/04_formal_verification.py          # scripted stand-ins, offline
    python examples/04_formal_verification.py --env    # your endpoints, or `agentlanes up`
"""

from __future__ import annotations

import json
import re
from typing import Any

from agentlanes_tools import check_equivalence
from shared import Asked, Call, lanes, plan, show, verdict

from agentlanes import build_agent, run_sync
from agentlanes.testing import Reply

REQUEST = (
    "Prove or refute that `(lo + hi) // 2` and `lo + (hi - lo) // 2` are equal for all lo and hi, "
    "of type int and of type bv32."
)


def claims(text: str) -> list[Call]:
    """Stand-in for understanding: one check for each type that is named."""
    left, right = re.findall(r"`(.*?)`", text)[:2]
    names = sorted(set(re.findall(r"[a-z]\w*", left)))
    return [
        Call("check_equivalence", {"left": left, "right": right, "variables": variables})
        for kind in re.findall(r"\b(?:int|bv\d+)\b", text)
        for variables in [dict.fromkeys(names, kind)]
    ]


def act(asked: Asked) -> Reply:
    """Turn the reason lane's words into a plan, and what the solver found into an answer."""
    if asked.kind == "plan":
        return plan(claims(asked.aside))
    if asked.kind == "draft":
        left = claims(asked.aside or asked.request)[len(asked.done) :]
        return Reply(tool_calls=[(c.tool, c.args) for c in left], content=None if left else "Done.")
    lines = []
    for call in asked.done:
        kind, found = next(iter(call.args["variables"].values())), json.loads(call.result)
        at = ", ".join(f"{name} = {value}" for name, value in found["counterexample"].items())
        lines.append(f"{kind}: {found['verdict']}" + (f" by {at}" if at else ""))
    return Reply(content="; ".join(lines) + ".")


def reason(asked: Asked) -> Reply:
    """Say how to settle the request; then check that the calls ask just what the user asked."""
    due = claims(asked.request)
    if asked.kind == "words":
        left, right = due[0].args["left"], due[0].args["right"]
        kinds = " and ".join(next(iter(call.args["variables"].values())) for call in due)
        thought = "The difference is whether an intermediate sum can overflow. A solver decides it."
        return Reply(reasoning=thought, content=f"Compare `{left}` with `{right}`, over {kinds}.")
    due = due[len(asked.done + asked.together) :]
    if asked.proposal["kind"] == "call":
        due = due[:1]
    steps = [asked.proposal] if "tool" in asked.proposal else asked.proposal.get("steps", [])
    proposed = [Call(step["tool"], step["args"]) for step in steps]
    return verdict(None if proposed == due else "this is not what the user wants compared")


def midpoints_differ(found: dict[str, Any]) -> bool:
    """Try a counterexample with plain arithmetic, modulo 2 to the 32nd."""
    lo, hi, size = found["lo"], found["hi"], 2**32
    return (lo + hi) % size // 2 != (lo + (hi - lo) % size // 2) % size


def main() -> None:
    """Run the example."""
    with lanes(act, reason, act_s=0.05, reason_s=1.2) as (fast, deep):
        agent = build_agent(fast, deep, [check_equivalence])
        result = run_sync(agent, {"messages": [("user", REQUEST)]})
    show(result, "formal_verification")
    for call in result["committed"]:
        found = json.loads(call["result"])
        if found["counterexample"]:
            real = midpoints_differ(found["counterexample"])
            print(f"Checked by code: the counterexample is {'real' if real else 'WRONG'}")


if __name__ == "__main__":
    main()
