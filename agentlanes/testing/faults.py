"""What a scripted endpoint can do wrong, and which requests it does it to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from agentlanes.testing.endpoint import RequestLog

__all__ = ["Fault", "FaultKind", "FaultPlan", "matches", "on_requests"]

FaultKind = Literal["status", "reset", "html", "bad_json", "cut", "no_finish", "stall"]
FaultPlan = Callable[["RequestLog"], "Fault | None"]
"""Chooses the fault for a request by what is known on its arrival: body, model, stream, nth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way for an answer to go wrong.

    The first three kinds replace the answer and the script is not asked; the others damage the
    answer that it gave:

    - `status`: an HTTP error in OpenAI's form, with `Retry-After` when `retry_after` is set.
    - `reset`: the connection ends before any header.
    - `html`: a web page with status 200, as a captive portal or a proxy serves it.
    - `bad_json`: the body, or one event of a stream, breaks off inside its JSON.
    - `cut`: the connection ends in the middle of the body, for a stream `after_chunks` events in.
    - `no_finish`: a complete answer in which no choice has a finish reason.
    - `stall`: silence for `stall_s` (before the headers, or `after_chunks` events into a stream),
      after which the answer goes on.

    Attributes:
        kind: Which.
        status: For `status`.
        retry_after: The header's value, sent as it is.
        after_chunks: Events of a stream that arrive before the fault. 0 makes a stall one before
            the headers, which is what it always is for a reply that is not streamed.
        close: How a connection ends: `rst` (reset by peer) or `fin` (end of file).
        stall_s: Seconds; `None` stalls until the client leaves or the server closes.
    """

    kind: FaultKind
    status: int = 503
    retry_after: str | None = None
    after_chunks: int = 2
    close: Literal["rst", "fin"] = "rst"
    stall_s: float | None = None


def on_requests(fault: Fault, *nth: int, model: str = "*") -> FaultPlan:
    """Plan a fault for certain requests.

    Args:
        fault: The fault.
        nth: Which requests for a model, counted from 1 and for each model by itself; none given
            means all of them.
        model: A model's name, or a prefix of names that ends in `*`.

    Example:
        >>> plan = on_requests(Fault(kind="status", status=429, retry_after="1"), 1, 2)
    """
    chosen = frozenset(nth)

    def plan(log: RequestLog) -> Fault | None:
        hit = matches(model, log.model) and (not chosen or log.nth in chosen)
        return fault if hit else None

    return plan


def matches(pattern: str, model: str) -> bool:
    """Say whether a name is the pattern's, which may end in `*` for any ending.

    Example:
        >>> matches("oracle-act/*", "oracle-act/task_3"), matches("oracle-act", "oracle-act/1")
        (True, False)
    """
    return model.startswith(pattern[:-1]) if pattern.endswith("*") else model == pattern
