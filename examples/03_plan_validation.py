"""Plan validation: one verdict for a whole plan, and a mistake that is caught before it is made.

The act lane plans an upgrade in the order the services were named, which breaks what depends on
them. The reason lane goes through the plan and rejects it with a reason; the corrected plan is
approved once, and its calls then run without another verdict. None ran before that: each changes
the world. At the end code that neither lane saw checks what really happened.

    python examples/03_plan_validation.py          # scripted stand-ins, offline
    python examples/03_plan_validation.py --env    # your endpoints, or `agentlanes up`
"""

from __future__ import annotations

import re
from graphlib import TopologicalSorter

from shared import Asked, Call, lanes, plan, show, verdict

from agentlanes import build_agent, effect, run_sync
from agentlanes.testing import Reply

REQUEST = (
    "Upgrade db, api and web: stop all of them, upgrade them, start them again. A service must "
    "never run while one that it needs is stopped. web needs api. api needs db."
)
NEEDS = {"web": "api", "api": "db"}
RUNNING = {"db": True, "api": True, "web": True}
VERSION = dict.fromkeys(RUNNING, 1)
BROKEN: list[str] = []


def _switch(service: str, on: bool) -> str:
    RUNNING[service] = on
    BROKEN.extend(f"{a} ran without {b}" for a, b in NEEDS.items() if RUNNING[a] > RUNNING[b])
    return "started" if on else "stopped"


@effect("write")
def stop(service: str) -> str:
    """Stop a running service."""
    return _switch(service, False)


@effect("write")
def upgrade(service: str) -> str:
    """Upgrade a stopped service."""
    VERSION[service] += 1
    return f"version {VERSION[service]}"


@effect("write")
def start(service: str) -> str:
    """Start a stopped service."""
    return _switch(service, True)


def understood(request: str) -> tuple[list[str], dict[str, str]]:
    """Stand-in for understanding: the services as named, and what each needs."""
    named = re.search(r"Upgrade (.*?):", request)
    services = re.findall(r"\w+", named.group(1).replace(" and ", " ")) if named else []
    return services, dict(re.findall(r"(\w+) needs (\w+)\.", request))


def act(asked: Asked) -> Reply:
    """Plan in the order of naming; mind the dependencies only when they are pointed out."""
    services, needs = understood(asked.request)
    if asked.kind != "plan":
        return Reply(content=f"All {len(asked.done)} steps are done: {', '.join(services)} run.")
    down = services
    if "Because:" in asked.aside:
        needed = {one: [needs[one]] if one in needs else [] for one in services}
        services = list(TopologicalSorter(needed).static_order())
        down = services[::-1]
    steps = [("stop", s) for s in down] + [(t, s) for t in ("upgrade", "start") for s in services]
    return plan([Call(tool, {"service": service}) for tool, service in steps])


def reason(asked: Asked) -> Reply:
    """Go through the plan step by step and say where it first breaks a rule."""
    services, needs = understood(asked.request)
    if asked.proposal["kind"] != "plan":
        return verdict("make a plan first: the order matters")
    up, upgraded = set(services), set()
    for number, step in enumerate(asked.proposal["steps"], 1):
        tool, service = step["tool"], step["args"].get("service")
        if tool == "upgrade":
            if service in up:
                return verdict(f"step {number} upgrades {service} while it runs")
            upgraded.add(service)
            continue
        up = up - {service} if tool == "stop" else up | {service}
        for one in sorted(up):
            if one in needs and needs[one] not in up:
                return verdict(f"after step {number} {one} runs while {needs[one]} is stopped")
    done = up == upgraded == set(services)
    return verdict(None if done else "not every service is upgraded and running at the end")


def main() -> None:
    """Run the example."""
    with lanes(act, reason, act_s=0.05, reason_s=1.0) as (fast, deep):
        agent = build_agent(fast, deep, [stop, upgrade, start], planning="always")
        result = run_sync(agent, {"messages": [("user", REQUEST)]})
    show(result, "plan_validation")
    good = not BROKEN and all(RUNNING.values()) and set(VERSION.values()) == {2}
    print(f"Checked by code: {'the upgrade kept every rule' if good else BROKEN or VERSION}")


if __name__ == "__main__":
    main()
