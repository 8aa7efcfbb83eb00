"""What the Responses API's error objects mean for a call."""

from __future__ import annotations

from collections.abc import Mapping

from agentlanes.errors import (
    ContextTooLong,
    EndpointOverloaded,
    EndpointRefused,
    LaneError,
    ReplyBlocked,
)

__all__ = ["failure"]

_THROTTLED = frozenset({"rate_limit_exceeded"})
_TRANSIENT = frozenset({"server_error", "vector_store_timeout", "overloaded", "timeout"})
_BLOCKED = frozenset(
    {
        "bio_policy",
        "content_filter",
        "image_content_policy_violation",
        "misalignment_policy_violation",
    }
)
_SHOWN_CHARS = 300


def failure(error: object, *, model: str) -> LaneError:
    """Give the error of a response that failed, or of an `error` event.

    `EndpointOverloaded` is what may go away by itself; anything else is final.

    Args:
        error: The object with `code` and `message`.
        model: The model that was asked for.

    Example:
        >>> type(failure({"code": "server_error", "message": "oops"}, model="m")).__name__
        'EndpointOverloaded'
    """
    known = error if isinstance(error, Mapping) else {}
    code = str(known.get("code") or known.get("type") or "")
    said = " ".join(str(known.get("message") or "it does not say why").split())[:_SHOWN_CHARS]
    what = f"the response failed at the endpoint ({code or 'no code'}): {said}"
    if code in _BLOCKED:
        return ReplyBlocked(f"{what}; change the request, no other model is tried", model=model)
    if code in _THROTTLED:
        return EndpointOverloaded(f"{what}; ask again later", model=model, status=429)
    if code in _TRANSIENT:
        return EndpointOverloaded(f"{what}; ask again", model=model)
    if code == "context_length_exceeded":
        text = f"{what}; the request is longer than the model's context, shorten it"
        return ContextTooLong(text, model=model)
    return EndpointRefused(f"{what}; change the request or the lane's settings", model=model)
