"""Provider errors become `LaneError`s here, and nowhere else.

A message says which endpoint, what it said, and what to do next. The key never shows: neither by
itself nor where an endpoint echoes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentlanes.config import Secret
from agentlanes.errors import (
    DeadlineExceeded,
    EndpointOverloaded,
    EndpointRefused,
    EndpointUnreachable,
    IncompleteReply,
    LaneError,
    MalformedReply,
    ToolCallingUnsupported,
)
from agentlanes.lanes.defaults import unreachable_hint
from agentlanes.lanes.retry import AttemptFailed, is_transient, retry_after_s

if TYPE_CHECKING:
    import openai

__all__ = ["Asked", "translate"]

_NO_TOOLS = re.compile(
    r"does ?n[o']t support|not support|unsupported|no endpoints found that support"
    r"|requires? --|not enabled|not available",
    re.IGNORECASE,
)
_DETAIL_CHARS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an error has to say about the request.

    Attributes:
        model: The model that was asked for.
        base_url: The endpoint, without credentials.
        key: The key, to keep it out of what the endpoint echoes.
        sent_tools: Whether the request had `tools`.
        attempts: Requests made so far.
    """

    model: str
    base_url: str
    key: Secret | None = None
    sent_tools: bool = False
    attempts: int = 1

    def error(self, kind: type[LaneError], message: str, *, status: int | None = None) -> LaneError:
        """Make an error that knows the request."""
        return kind(message, model=self.model, attempts=self.attempts, status=status)

    def redact(self, text: object) -> str:
        """Make a text from outside fit to be shown: one line, short, without the key."""
        shown = str(text)
        if self.key is not None and self.key.reveal():
            shown = shown.replace(self.key.reveal(), "***")
        shown = " ".join(shown.split())
        return shown if len(shown) <= _DETAIL_CHARS else shown[:_DETAIL_CHARS] + "..."


def translate(error: Exception, asked: Asked, *, begun: bool = False) -> AttemptFailed | None:
    """Say what an exception of the `openai` SDK means for the call.

    Args:
        error: What was raised.
        asked: The request.
        begun: Whether the endpoint had begun to answer.

    Returns:
        The failure, or `None` for an exception that is not the endpoint's doing.
    """
    import openai  # heavy, and loaded already if it raised

    if isinstance(error, openai.APIStatusError):
        return _status(error, asked)
    if isinstance(error, openai.APIConnectionError):
        return _connection(error, asked, begun=begun)
    if isinstance(error, openai.APIResponseValidationError):
        return AttemptFailed(_unreadable(asked, error))
    if isinstance(error, openai.APIError):
        return _in_stream(error, asked)
    if isinstance(error, openai.OpenAIError):
        text = f"{asked.base_url}: {type(error).__name__}: {asked.redact(error)}"
        return AttemptFailed(asked.error(LaneError, text))
    if isinstance(error, ValueError):  # JSON and UTF-8 decoding, by the SDK's reader
        return AttemptFailed(_unreadable(asked, error))
    return None


def _unreadable(asked: Asked, error: Exception) -> LaneError:
    return asked.error(
        MalformedReply,
        f"{asked.base_url} sent something that cannot be read ({type(error).__name__}: "
        f"{asked.redact(error)}); check that it speaks the Chat Completions protocol",
    )


def _connection(error: openai.APIConnectionError, asked: Asked, *, begun: bool) -> AttemptFailed:
    cause = error.__cause__ or error
    name = type(cause).__name__
    if name in ("ReadTimeout", "WriteTimeout"):
        return AttemptFailed(
            asked.error(
                DeadlineExceeded,
                f"{asked.base_url} was silent for too long; raise the lane's timers if the model "
                "needs more time",
            )
        )
    detail = f"{name}: {asked.redact(cause)}"
    if begun:
        text = (
            f"{asked.base_url} cut the connection in the middle of its reply ({detail}), so "
            "nothing of it was used; ask again"
        )
        return AttemptFailed(asked.error(IncompleteReply, text), retryable=True)
    text = (
        f"no answer from {asked.base_url} after {_requests(asked)} ({detail}); "
        f"{unreachable_hint(asked.base_url)}"
    )
    return AttemptFailed(asked.error(EndpointUnreachable, text), retryable=True)


def _status(error: openai.APIStatusError, asked: Asked) -> AttemptFailed:
    status, detail = error.status_code, asked.redact(_said(error))
    if asked.sent_tools and status in (400, 404, 422, 500, 501) and _is_about_tools(detail):
        text = (
            f"{asked.model!r} at {asked.base_url} has no tool calling ({status}: {detail}); use "
            'Lane(tool_format="json")'
        )
        return AttemptFailed(asked.error(ToolCallingUnsupported, text, status=status))
    headers: Mapping[str, str] = error.response.headers
    no_credit = error.code == "insufficient_quota" or error.type == "insufficient_quota"
    # the endpoint's own word: a fault of its making, not a busy hour
    forbidden = headers.get("x-should-retry", "").lower() == "false"
    if is_transient(status) and not no_credit and not forbidden:
        text = f"{asked.base_url} answered {status} after {_requests(asked)}: {detail}. "
        text += "Try later, or raise the lane's max_attempts or its quota"
        return AttemptFailed(
            asked.error(EndpointOverloaded, text, status=status),
            retryable=True,
            retry_after_s=retry_after_s(headers),
        )
    advice = _advice(error, asked, no_credit=no_credit)
    text = f"{asked.base_url} answered {status}: {detail}. {advice}"
    return AttemptFailed(asked.error(EndpointRefused, text, status=status))


def _in_stream(error: openai.APIError, asked: Asked) -> AttemptFailed:
    """An error object in the middle of a stream that began with 200."""
    code = int(error.code) if error.code and error.code.isdecimal() else None
    said = f"{error.code} {error.type}"
    transient = (code is not None and is_transient(code)) or bool(
        re.search(r"server_error|overloaded|rate_limit|timeout|unavailable", said)
    )
    text = f"{asked.base_url} sent an error instead of its reply: {asked.redact(_said(error))}; "
    text += "ask again" if transient else "change the request"
    kind = EndpointOverloaded if transient else EndpointRefused
    return AttemptFailed(asked.error(kind, text, status=code), retryable=transient)


def _said(error: openai.APIError) -> str:
    body: Any = error.body
    if isinstance(body, Mapping):
        inner = body.get("error", body)
        said = inner.get("message") if isinstance(inner, Mapping) else inner
        if isinstance(said, str) and said:
            return said
    return error.message


def _is_about_tools(detail: str) -> bool:
    return "tool" in detail.lower() and _NO_TOOLS.search(detail) is not None


def _advice(error: openai.APIStatusError, asked: Asked, *, no_credit: bool) -> str:
    if no_credit:
        return "The account's quota is used up; repeating will not help"
    if error.code == "context_length_exceeded":
        return "The request is longer than the model's context; shorten it"
    if error.status_code >= 500:
        return "The endpoint says that repeating will not help; look at its own log"
    return {
        401: "Check the key: Lane(api_key=...), or OPENAI_API_KEY for a lane without a base_url "
        "of its own",
        403: "The key may not use this model or endpoint",
        404: f"Check base_url (it ends in /v1 for most endpoints) and the model {asked.model!r}",
    }.get(error.status_code, "Repeating will not help; change the request or the lane's settings")


def _requests(asked: Asked) -> str:
    return "1 request" if asked.attempts == 1 else f"{asked.attempts} requests"
