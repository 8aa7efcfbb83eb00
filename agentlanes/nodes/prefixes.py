"""How stable each lane's prompts are: each is compared with that of the lane's call before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from agentlanes.context.prefix import Chain, compare
from agentlanes.latency.record import Prefix, StepRecord
from agentlanes.state import AgentState

__all__ = ["Prompts", "with_prefixes"]

Prompts = dict[str, Chain]
"""What each lane was shown last, as hashes."""


def with_prefixes(
    state: AgentState, made: Sequence[tuple[StepRecord, Mapping[str, Any]]]
) -> Prompts:
    """Put into records how stable their prompts were.

    Args:
        state: The state, which knows what the lanes were shown before.
        made: Records in the order of their calls, each with the facts of its lane call, if any.

    Returns:
        What each lane was shown last, for the state.
    """
    prompts = cast("Prompts", dict(state.get("prompts") or {}))
    for record, facts in made:
        chain, lane = facts.get("prompt"), record["lane"]
        if chain is None or lane is None:
            continue
        said, total = compare(prompts.get(lane), chain), record["tokens"]["input"]
        prompts[lane] = chain
        if said is None:
            continue
        share = said["shared_chars"] / said["total_chars"] if said["total_chars"] else 0.0
        record["prefix"] = Prefix(
            shared_chars=said["shared_chars"],
            total_chars=said["total_chars"],
            shared_tokens=None if total is None else round(total * share),
            total_tokens=total,
            broke=said["broke"],
        )
    return prompts
