"""What a scripted endpoint can do wrong, and which requests it does it to."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from agentlanes.testing.latency import request_digest

if TYPE_CHECKING:
    from agentlanes.testing.endpoint import RequestLog

__all__ = [
    "Fault",
    "FaultKind",
    "FaultPlan",
    "matches",
    "on_requests",
    "parse_fault",
    "random_faults",
]

FaultKind = Literal[
    # in place of the answer
    "status",
    "reset",
    "short_head",
    "html",
    "json_null",
    "json_empty",
    "json_error",
    "no_choices",
    "error_data",
    "error_event",
    "pings",
    "empty_deltas",
    "long_line",
    "context_length",
    "insufficient_quota",
    # another answer than the script's
    "content_filter",
    "refusal",
    "exhausted",
    "cut_args",
    "hostile_args",
    # the script's answer, damaged on its way
    "bad_json",
    "bad_utf8",
    "split_utf8",
    "cut",
    "short_body",
    "no_finish",
    "no_done",
    "stall",
    "drip",
    "headers",
]
FaultPlan = Callable[["RequestLog"], "Fault | None"]
"""Chooses the fault for a request by what is known on its arrival: body, model, stream, nth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way for an answer to go wrong.

    These replace the answer, and the script is not asked:

    - `status`: an HTTP error in OpenAI's form, with `Retry-After` when `retry_after` is set.
    - `reset`: the connection ends before any header; `short_head`: inside the headers.
    - `html`: a web page with status 200, as a captive portal or a proxy serves it.
    - `json_null`, `json_empty`, `json_error`, `no_choices`: status 200 with `null`, `{}`, an error
      object, or an empty list of choices, as JSON even where a stream was asked for.
    - `error_data`, `error_event`: a stream that holds an error, as data or as an `error` event.
    - `pings`, `empty_deltas`: a stream that goes on for ever, every `every_s`, and says nothing.
    - `long_line`: a stream whose first line is `size_bytes` long.
    - `context_length`, `insufficient_quota`: the errors 400 and 429 that no retry mends.

    These alter what the script answered:

    - `content_filter`, `refusal`: the endpoint declines.
    - `exhausted`: the whole token budget went into reasoning; there is no text and no call.
    - `cut_args`: the last call's arguments end after `after_bytes`, with the finish reason `finish`
      (`"none"` for none at all).
    - `hostile_args`: the last call's arguments are `HOSTILE_ARGUMENTS[case]`.

    These damage it on its way:

    - `bad_json`: the body, or one event of a stream, breaks off inside its JSON.
    - `bad_utf8`: bytes in it are no UTF-8; `split_utf8`: it arrives byte by byte, which is no
      damage at all to whoever reads it properly.
    - `cut`: the connection ends in the middle of the body, for a stream `after_chunks` events in;
      `short_body`: it ends right after headers that promised a body.
    - `no_finish`: no choice has a finish reason; `no_done`: the stream ends without `[DONE]`.
    - `stall`: silence for `stall_s` (before the headers, or `after_chunks` events into a stream),
      after which the answer goes on.
    - `drip`: it arrives a byte every `every_s`.
    - `headers`: nothing but further `headers`, such as `x-ratelimit-remaining-requests`.

    Attributes:
        kind: Which.
        status: For `status`.
        retry_after: The header's value, sent as it is.
        after_chunks: Events of a stream that arrive before the fault. 0 makes a stall one before
            the headers, which is what it always is for a reply that is not streamed.
        close: How a connection ends: `rst` (reset by peer) or `fin` (end of file).
        stall_s: Seconds; `None` stalls until the client leaves or the server closes.
        every_s: Seconds between the bytes of `drip`, and the events of `pings` and `empty_deltas`.
        after_bytes: For `cut_args`.
        finish: For `cut_args`.
        case: For `hostile_args`.
        size_bytes: For `long_line`.
        headers: Pairs of name and value, sent with whatever is sent.
    """

    kind: FaultKind
    status: int = 503
    retry_after: str | None = None
    after_chunks: int = 2
    close: Literal["rst", "fin"] = "rst"
    stall_s: float | None = None
    every_s: float = 0.05
    after_bytes: int = 1
    finish: str = "tool_calls"
    case: int = 0
    size_bytes: int = 20 * 2**20
    headers: tuple[tuple[str, str], ...] = ()


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


def random_faults(*chances: tuple[Fault, float], seed: int = 0, model: str = "*") -> FaultPlan:
    """Plan faults by chance.

    Which fault a request gets depends on the seed, on what it asks for, and on how many times that
    was asked before: not on the order in which requests arrive, so a run can be repeated.

    Args:
        chances: Faults with their probabilities, which add up to at most 1.
        seed: Another seed gives other draws.
        model: A model's name, or a prefix of names that ends in `*`.

    Raises:
        ValueError: A probability is not between 0 and 1, or they add up to more than 1.

    Example:
        >>> plan = random_faults((Fault(kind="status", status=429), 0.05), seed=7)
    """
    if any(not 0 <= chance <= 1 for _, chance in chances) or sum(c for _, c in chances) > 1 + 1e-9:
        raise ValueError("probabilities lie between 0 and 1 and add up to at most 1")
    asked: Counter[bytes] = Counter()

    def plan(log: RequestLog) -> Fault | None:
        if not matches(model, log.model):
            return None
        digest = request_digest(log.body, seed)
        asked[digest] += 1
        drawn = random.Random(digest + asked[digest].to_bytes(8, "big")).random()
        for fault, chance in chances:
            if drawn < chance:
                return fault
            drawn -= chance
        return None

    return plan


def parse_fault(text: str) -> tuple[Fault, float]:
    """Read a fault and its probability, as the command line has them.

    `KIND`, `KIND:PROBABILITY` or `KIND(FIELD=VALUE,...):PROBABILITY`; a number is a status. The
    probability is 1 when none is given.

    Raises:
        ValueError: Says what cannot be read, and what could be.

    Example:
        >>> parse_fault("stall:0.01")[1]
        0.01
        >>> fault, _ = parse_fault("status(status=429,retry_after=2):0.05")
        >>> fault.status, fault.retry_after
        (429, '2')
        >>> parse_fault("503")[0].status
        503
    """
    head, mark, tail = text.strip().rpartition(":")
    if not mark or tail.endswith(")"):
        head, tail = text.strip(), "1"
    try:
        chance = float(tail)
    except ValueError:
        chance = -1.0
    if not 0 <= chance <= 1:
        raise ValueError(f"{tail!r} in {text!r} is no probability between 0 and 1")
    name, mark, options = head.strip().partition("(")
    fields: dict[str, Any] = {}
    if mark:
        for pair in filter(None, options.removesuffix(")").split(",")):
            key, _, value = pair.partition("=")
            fields[key.strip()] = _read(key.strip(), value.strip(), text)
    if name.isdecimal():
        name, fields = "status", {"status": int(name), **fields}
    if name not in get_args(FaultKind):
        known = ", ".join(get_args(FaultKind))
        raise ValueError(f"there is no fault {name!r}; use an HTTP status, or one of {known}")
    return Fault(kind=name, **fields), chance  # type: ignore[arg-type]


_READERS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("status", "after_chunks", "after_bytes", "case", "size_bytes"), int),
    **dict.fromkeys(("stall_s", "every_s"), float),
    **dict.fromkeys(("retry_after", "finish", "close"), str),
}


def _read(key: str, value: str, text: str) -> Any:
    if key not in _READERS:
        known = ", ".join(f.name for f in dataclasses.fields(Fault) if f.name in _READERS)
        raise ValueError(f"{key!r} in {text!r} is no option of a fault; use one of {known}")
    if key == "close" and value not in ("rst", "fin"):
        raise ValueError(f"close in {text!r} is rst or fin")
    try:
        return _READERS[key](value)
    except ValueError:
        raise ValueError(f"{key} in {text!r} is no number") from None


def matches(pattern: str, model: str) -> bool:
    """Say whether a name is the pattern's, which may end in `*` for any ending.

    Example:
        >>> matches("oracle-act/*", "oracle-act/task_3"), matches("oracle-act", "oracle-act/1")
        (True, False)
    """
    return model.startswith(pattern[:-1]) if pattern.endswith("*") else model == pattern
