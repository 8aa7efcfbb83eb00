"""API formatting: plain words become API calls in tens of milliseconds.

The act lane writes the calls down; the reason lane checks each one at the same time. Looking a
parcel up changes nothing, so it runs before its verdict is in. Holding a parcel changes the world,
so it waits: look for `fenced` in the table.

    python examples/01_api_formatting.py          # scripted stand-ins, offline
    python examples/01_api_formatting.py --env    # your endpoints, or `agentlanes up`
"""

from __future__ import annotations

import re

from shared import Asked, Call, lanes, show, verdict

from agentlanes import build_agent, effect, run_sync
from agentlanes.testing import Reply

REQUEST = "Where are PX-1042, PX-2210 and PX-3001? Please have them hold PX-2210 for me."
PARCELS = {"PX-1042": "in Lyon", "PX-2210": "in Basel", "PX-3001": "delivered"}
HELD: list[str] = []


@effect("read")
def track_parcel(number: str) -> str:
    """Say where a parcel is.

    Args:
        number: The parcel's number.
    """
    return PARCELS.get(number, "unknown")


@effect("write")
def hold_parcel(number: str) -> str:
    """Keep a parcel at the depot until it is picked up.

    Args:
        number: The parcel's number.
    """
    HELD.append(number)
    return "held"


def wanted(request: str) -> list[Call]:
    """Stand-in for understanding the request: every parcel is tracked, some are held."""
    numbers = dict.fromkeys(re.findall(r"PX-\d+", request))
    held = re.findall(r"hold (PX-\d+)", request)
    return [Call("track_parcel", {"number": number}) for number in numbers] + [
        Call("hold_parcel", {"number": number}) for number in held
    ]


def act(asked: Asked) -> Reply:
    """Draft what is still to be called, all at once; then say what came of it."""
    calls = wanted(asked.request)[len(asked.done) :]
    if asked.kind == "draft" and calls:
        return Reply(tool_calls=[(call.tool, call.args) for call in calls])
    found = "; ".join(f"{call.args['number']}: {call.result}" for call in asked.done)
    return Reply(content=f"{found}.")


def reason(asked: Asked) -> Reply:
    """Check a call against the user's words, or that nothing is left when all is said done."""
    past = [(call.tool, call.args) for call in asked.done + asked.together]
    left = [call for call in wanted(asked.request) if (call.tool, call.args) not in past]
    if asked.proposal["kind"] == "finish":
        return verdict(f"{left[0].tool} is still to be called" if left else None)
    if Call(asked.proposal["tool"], asked.proposal["args"]) in left:
        return verdict(None)
    return verdict("the user asked for no such call, or it was made already")


def main() -> None:
    """Run the example."""
    with lanes(act, reason, act_s=0.04, reason_s=0.6) as (fast, deep):
        agent = build_agent(fast, deep, [track_parcel, hold_parcel], planning="never")
        result = run_sync(agent, {"messages": [("user", REQUEST)]})
    show(result, "api_formatting")
    print(f"Held at the depot: {', '.join(HELD) or 'nothing'}")


if __name__ == "__main__":
    main()
