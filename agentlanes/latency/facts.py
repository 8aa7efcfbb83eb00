"""What is read off a step record in several places, so that it is read the same way in all."""

from __future__ import annotations

from agentlanes.latency.record import StepRecord

__all__ = ["asked_a_model", "first_token_ms", "was_answered"]


def asked_a_model(record: StepRecord) -> bool:
    """Say whether a record is of a lane call.

    An effect is none, nor is a call that code issued from a plan, which asked nobody.
    """
    return record["lane"] is not None and record["attempts"] != 0


def was_answered(record: StepRecord) -> bool:
    """Say whether a record is of a lane call that gave a reply.

    One that was cancelled or failed has no `duration_ms`, and nothing is known of its tokens.
    """
    return asked_a_model(record) and record["duration_ms"] is not None


def first_token_ms(record: StepRecord) -> float | None:
    """Give the first token of any kind, in milliseconds from the call; `None` is unknown."""
    firsts = (
        record["first_reasoning_ms"],
        record["first_content_ms"],
        record["first_tool_arg_ms"],
    )
    return min((ms for ms in firsts if ms is not None), default=None)
