"""What a task came to for a contestant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agentlanes.bench.bfcl_calls import Call
from benchmarks.peers.stage import Request, Run

__all__ = ["Outcome", "Prices", "outcome_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Dollars a million tokens, and bytes of KV cache a token.

    The prices are those of a small and of a reasoning model as listed publicly in 2025; the bytes
    those of an 8B and of a 70B model with grouped-query attention at 16 bits: layers x KV heads x
    head size x 2 x 2 = 32 x 8 x 128 x 4 and 80 x 8 x 128 x 4.
    """

    act_in: float = 0.10
    act_out: float = 0.40
    reason_in: float = 2.00
    reason_out: float = 8.00
    act_kv: int = 131_072
    reason_kv: int = 327_680


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a task came to for a contestant. Times are seconds on the stage's clock.

    Attributes:
        task: The task.
        contestant: The contestant.
        success: The workload's checker accepts what was done.
        why: What is wrong, or what stopped it.
        wall_s: From the first user turn to the last answer.
        first_output_s: To the first turn's answer.
        bound_s: The task's lower bound; see `bound`. `None` where latencies are not drawn.
        calls: Calls that count.
        wasted_calls: Calls that were begun and do not count.
        act_tokens: Read and written by the act lane, in cancelled requests too.
        reason_tokens: The same for the reason lane, thinking included.
        wasted_tokens: Of both, those of requests that were cancelled.
        reason_requests: Requests to the reason lane.
        cost_usd: At `Prices`.
        kv_gb_s: Gigabytes of KV cache times seconds held, both lanes.
        cpu_s: CPU time of this process, the scripted models and tools included. It depends on
            the machine, so no row has it.
    """

    task: str
    contestant: str
    success: bool
    why: str
    wall_s: float
    first_output_s: float
    bound_s: float | None
    calls: int
    wasted_calls: int
    act_tokens: int
    reason_tokens: int
    wasted_tokens: int
    reason_requests: int
    cost_usd: float
    kv_gb_s: float
    cpu_s: float = 0.0


def outcome_of(
    contestant: str,
    run: Run,
    made: Sequence[Sequence[Call]],
    found: tuple[bool, str],
    *,
    wall_s: float,
    first_s: float,
    bound_s: float | None,
) -> Outcome:
    """Add up what a run asked for.

    Args:
        contestant: Who ran it.
        run: Its requests and tool calls.
        made: The calls that count, turn by turn.
        found: What the checker says.
        wall_s: How long it took.
        first_s: How long its first turn took.
        bound_s: The task's lower bound.
    """
    calls = sum(map(len, made))
    prices = Prices()
    cost = kv = 0.0
    tokens = {"act": 0, "reason": 0}
    wasted = 0
    for one in run.requests:
        spent, written = _spent(one)
        tokens[one.lane] += one.prompt_tokens + written
        wasted += one.prompt_tokens + written if one.cancelled_s is not None else 0
        per = (prices.act_in, prices.act_out, prices.act_kv)
        if one.lane == "reason":
            per = (prices.reason_in, prices.reason_out, prices.reason_kv)
        cost += (one.prompt_tokens * per[0] + written * per[1]) / 1e6
        kv += (one.prompt_tokens + written / 2) * per[2] * spent / 1e9
    return Outcome(
        task=run.item.id,
        contestant=contestant,
        success=found[0],
        why=found[1][:300],
        wall_s=wall_s,
        first_output_s=first_s,
        bound_s=bound_s,
        calls=calls,
        wasted_calls=max(len(run.tools) - calls, 0),
        act_tokens=tokens["act"],
        reason_tokens=tokens["reason"],
        wasted_tokens=wasted,
        reason_requests=sum(one.lane == "reason" for one in run.requests),
        cost_usd=cost,
        kv_gb_s=kv,
    )


def _spent(one: Request) -> tuple[float, int]:
    """Give how long a request ran, and the tokens it wrote until then."""
    if one.cancelled_s is None:
        return one.took_s, one.output_tokens
    return one.cancelled_s, round(one.output_tokens * one.cancelled_s / (one.took_s or 1.0))
