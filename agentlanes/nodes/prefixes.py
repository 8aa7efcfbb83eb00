"""How stable each lane's prompts are: each is compared with that of the lane's call before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agentlanes.context.prefix import PromptNotes
from agentlanes.latency.record import StepRecord
from agentlanes.state import AgentState

__all__ = ["with_prefixes"]


def with_prefixes(
    notes: PromptNotes,
    state: AgentState,
    made: Sequence[tuple[StepRecord, Mapping[str, Any]]],
) -> dict[str, str]:
    """Put into records how stable their prompts were, and keep of these what the next needs.

    Args:
        notes: What the lanes were shown.
        state: The state, which names what the lanes were shown before.
        made: Records in the order of their calls, each with the facts of its lane call, if any.

    Returns:
        Keys of what each lane was shown last, for the state.
    """
    prompts, compare, past = dict(state.get("prompts") or {}), notes.comparing(), []
    for record, facts in made:
        key, lane = facts.get("prompt"), record["lane"]
        if not isinstance(key, str) or lane is None:
            continue
        said = compare(prompts.get(lane), key)
        prompts[lane] = key
        past.append(key)
        if said is None:
            continue
        shared, chars = said["shared_chars"], said["total_chars"]
        total = record["tokens"]["input"]
        record["prefix"] = {
            "shared_chars": shared,
            "total_chars": chars,
            "shared_tokens": None if total is None else round(total * (shared / (chars or 1))),
            "total_tokens": total,
            "broke": said["broke"],
        }
    # What the state names is kept: a run may be taken up again from this very checkpoint.
    last = set(prompts.values())
    notes.forget([key for key in past if key not in last])
    notes.close(last)
    return prompts
