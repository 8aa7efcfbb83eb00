"""The examination of one lane: who answers there, then one check after the other, in time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from agentlanes.config import Secret, Settings
from agentlanes.errors import AgentLanesError
from agentlanes.lanes.clients import Clients
from agentlanes.lanes.doctor.asking import Asking
from agentlanes.lanes.doctor.checks import CHECKS, short
from agentlanes.lanes.doctor.facts import Facts
from agentlanes.lanes.doctor.finding import Finding
from agentlanes.lanes.lane import Lane, LaneRole
from agentlanes.lanes.translate import Asked, translate

__all__ = ["Examination", "examine"]

_SHOWN_MODELS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What was found out about a lane.

    Attributes:
        role: Which lane.
        lane: The lane as it was given, with the model that was asked.
        findings: In the order in which they were made.
        facts: What they say, for code.
    """

    role: LaneRole
    lane: Lane
    findings: tuple[Finding, ...]
    facts: Facts

    @property
    def healthy(self) -> bool:
        """Whether nothing is a problem."""
        return all(finding.level != "problem" for finding in self.findings)


async def examine(
    lane: Lane,
    role: LaneRole,
    *,
    calls: int = 3,
    limit_s: float = 120.0,
    settings: Settings | None = None,
    any_model: bool = False,
) -> Examination:
    """Examine a lane. Makes about ten requests, and a few more for the times.

    Args:
        lane: The lane.
        role: Its role.
        calls: How many calls to time.
        limit_s: For all of it; what is not reached is said to be skipped.
        settings: Instead of the environment's.
        any_model: Ask the one model that the endpoint lists if it has no such model as the lane's.

    Example:
        >>> import asyncio
        >>> from agentlanes.testing import EndpointServer, StandIn
        >>> async def main():
        ...     async with EndpointServer({"act": StandIn()}) as server:
        ...         return await examine(Lane("act", base_url=server.base_url), "act")
        >>> asyncio.run(main()).healthy
        True
    """
    facts, findings = Facts(model=lane.model), list[Finding]()
    clock = asyncio.get_running_loop().time
    ends = clock() + limit_s
    try:
        model = Asking(lane, role, limit_s=limit_s).model()
    except AgentLanesError as error:
        return _done(role, lane, [_problem("settings", error)], facts)
    try:
        async with asyncio.timeout_at(ends):
            findings += await _reach(lane, model.base_url, facts, settings, any_model=any_model)
    except TimeoutError:
        findings.append(_late("reachable", limit_s))
    lane = replace(lane, model=facts.model)
    if not facts.reachable:
        return _done(role, lane, findings, facts)
    for name, check in CHECKS:
        left_s = ends - clock()
        if left_s <= 0 or not any(facts.apis.values() or [True]):
            why = "nothing answers" if left_s > 0 else f"the {limit_s:g} s were over"
            findings.append(Finding(check=name, level="skipped", found=why))
            continue
        asking = Asking(lane, role, limit_s=left_s)
        try:
            async with asyncio.timeout_at(ends):
                findings += await check(asking, facts, calls)
        except TimeoutError:
            findings.append(_late(name, limit_s))
        except AgentLanesError as error:
            findings.append(_problem(name, error))
    return _done(role, lane, findings, facts)


async def _reach(
    lane: Lane, shown_url: str, facts: Facts, settings: Settings | None, *, any_model: bool
) -> list[Finding]:
    """Ask who is there, and for its models."""
    known = settings or Settings.from_env()
    ambient = lane.base_url is None
    url = (known.openai_base_url if ambient else lane.base_url) or shown_url
    key = lane.api_key if isinstance(lane.api_key, Secret) else None
    if key is None and ambient:
        key = known.openai_api_key
    clients = Clients(url, key, lane.timers_as("act"), ambient=ambient)
    asked = Asked(model=lane.model, base_url=shown_url, key=key)
    try:
        client = await clients.acquire()
        body: Any = await client.get("/models", cast_to=object)
    except Exception as error:
        return _unreached(error, asked, facts)
    finally:
        await clients.aclose()
    facts.reachable = True
    entries = body.get("data") if isinstance(body, dict) else None
    entries = [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []
    facts.models = [str(entry["id"]) for entry in entries if entry.get("id")]
    facts.owners = {str(entry.get("owned_by")).lower() for entry in entries}
    found = [Finding(check="reachable", level="ok", found=shown_url)]
    listed = ", ".join(facts.models[:_SHOWN_MODELS]) or "none"
    if len(facts.models) > _SHOWN_MODELS:
        listed += f" and {len(facts.models) - _SHOWN_MODELS} more"
    if lane.model in facts.models:
        found.append(Finding(check="model", level="ok", found=f"{lane.model} is listed"))
    elif any_model and len(facts.models) == 1:
        facts.model = facts.models[0]
        found.append(Finding(check="model", level="ok", found=f"{facts.model}, the only one"))
    else:
        found.append(
            Finding(
                check="model",
                level="note",
                found=f"{lane.model} is not listed; there is {listed}",
                advice="check the model's name, unless the endpoint takes others than it lists",
            )
        )
    return found


def _unreached(error: Exception, asked: Asked, facts: Facts) -> list[Finding]:
    status = getattr(error, "status_code", None)
    if status in (404, 405, 501):
        facts.reachable = True
        return [
            Finding(
                check="reachable",
                level="ok",
                found=f"{asked.base_url}; it lists no models ({status})",
            )
        ]
    failed = translate(error, asked)
    if failed is None:
        raise error
    return [_problem("reachable", failed.error)]


def _problem(check: str, error: AgentLanesError) -> Finding:
    said, _, advice = str(error).rpartition("; ")
    if not said:
        said, advice = str(error), ""
    return Finding(check=check, level="problem", found=short(ValueError(said)), advice=advice)


def _late(check: str, limit_s: float) -> Finding:
    return Finding(
        check=check,
        level="note" if check == "prompt cache" else "problem",  # its prompt is long by design
        found=f"no answer before the {limit_s:g} s were over",
        advice="give it more time with --timeout, or look at the endpoint's load",
    )


def _done(role: LaneRole, lane: Lane, findings: list[Finding], facts: Facts) -> Examination:
    return Examination(role=role, lane=lane, findings=tuple(findings), facts=facts)
