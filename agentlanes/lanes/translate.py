"""Provider errors become `LaneError`s here, and nowhere else.

A message says which endpoint, what it said, and what to do next. The key never shows: neither by
itself nor where an endpoint echoes it.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentlanes.config import Secret
from agentlanes.errors import (
    ContextTooLong,
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
from agentlanes.lanes.retry import AttemptFailed, Shows, is_transient, retry_after_s
from agentlanes.redact import redact

if TYPE_CHECKING:
    import openai

__all__ = ["Asked", "in_reply", "is_transport", "translate"]

_NO_TOOLS = re.compile(
    r"does ?n[o']t support|not support|unsupported|no endpoints found that support"
    r"|requires? --|not enabled|not available",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|(maximum|available) context|context (length|size"
    r"|window)|(prompt|input) is too long|too many (input )?tokens|input tokens exceed",
    re.IGNORECASE,
)
_THROTTLED = re.compile(r"rate_limit|too_many_requests", re.IGNORECASE)
_BROKEN = re.compile(r"server_?error|overloaded|timeout|unavailable|api_error", re.IGNORECASE)
_TRANSPORTS = frozenset({"httpx", "httpx2", "httpcore", "httpcore2", "aiohttp", "anyio", "ssl"})
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
        shown = redact(" ".join(shown.split()))
        return shown if len(shown) <= _DETAIL_CHARS else shown[:_DETAIL_CHARS] + "..."


def translate(error: Exception, asked: Asked, *, begun: bool = False) -> AttemptFailed | None:
    """Say what an exception of the `openai` SDK or its transport means for the call.

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
        return _connection(error.__cause__ or error, asked, begun=begun)
    if isinstance(error, openai.APIResponseValidationError):
        return AttemptFailed(_unreadable(asked, error))
    if isinstance(error, openai.APIError):
        said = {"message": error.message, "code": error.code, "type": error.type}
        return in_reply(error.body or said, asked)
    if isinstance(error, openai.OpenAIError):
        text = f"{asked.base_url}: {type(error).__name__}: {asked.redact(error)}"
        return AttemptFailed(asked.error(LaneError, text))
    if isinstance(error, ValueError):  # JSON, UTF-8, an event that is too long
        return AttemptFailed(_unreadable(asked, error))
    if is_transport(error):
        return _connection(error, asked, begun=begun)
    return None


def is_transport(error: BaseException) -> bool:
    """Tell whether an exception is that of a connection, from below the `openai` SDK."""
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] in _TRANSPORTS


def in_reply(body: object, asked: Asked) -> AttemptFailed:
    """Say what an error object in place of a reply means, or in a stream that began with 200."""
    inner = body.get("error", body) if isinstance(body, Mapping) else body
    known = inner if isinstance(inner, Mapping) else {"message": inner}
    code = str(known.get("code") or "")
    status = int(code) if code.isdecimal() and len(code) == 3 else None
    detail = asked.redact(known.get("message") or "no message")
    if status == 429 or _THROTTLED.search(f"{code} {known.get('type')}"):
        shows: Shows = "throttled"
    elif (status is not None and is_transient(status)) or _BROKEN.search(
        f"{code} {known.get('type')}"
    ):
        shows = "down"
    else:
        shows = "answered"
    if shows == "answered" and _TOO_LONG.search(f"{code} {detail}"):
        return AttemptFailed(_too_long(asked, status, detail))
    transient = shows != "answered"
    text = f"{asked.base_url} sent an error instead of its reply: {detail}; "
    text += "ask again" if transient else "change the request"
    kind = EndpointOverloaded if transient else EndpointRefused
    failed = asked.error(kind, text, status=status)
    return AttemptFailed(failed, retryable=transient, shows=shows)


def _too_long(asked: Asked, status: int | None, detail: str) -> LaneError:
    return asked.error(
        ContextTooLong,
        f"the request is longer than the context of {asked.model!r} at {asked.base_url} "
        f"({detail}); shorten it, or use a model with a longer one",
        status=status,
    )


def _unreadable(asked: Asked, error: Exception) -> LaneError:
    return asked.error(
        MalformedReply,
        f"{asked.base_url} sent something that cannot be read ({type(error).__name__}: "
        f"{asked.redact(error)}); check that it speaks the protocol that the lane is set to",
    )


def _connection(cause: BaseException, asked: Asked, *, begun: bool) -> AttemptFailed:
    name = type(cause).__name__
    detail = f"{name}: {asked.redact(cause)}"
    if _out_of_files(cause):
        text = (
            f"no more files may be opened in this process ({detail}), so no connection to "
            f"{asked.base_url} could be; raise its limit (ulimit -n), or lower limit_max"
        )
        failed = asked.error(EndpointUnreachable, text)
        return AttemptFailed(failed, retryable=True, shows="throttled", sent=False)
    if name in ("ReadTimeout", "WriteTimeout"):
        text = (
            f"{asked.base_url} was silent for too long; raise the lane's timers if the model "
            "needs more time"
        )
        return AttemptFailed(asked.error(DeadlineExceeded, text), shows="slow")
    if begun:
        text = (
            f"{asked.base_url} cut the connection in the middle of its reply ({detail}), so "
            "nothing of it was used; ask again"
        )
        return AttemptFailed(asked.error(IncompleteReply, text), retryable=True, shows="down")
    text = (
        f"no answer from {asked.base_url} after {_requests(asked)} ({detail}); "
        f"{unreachable_hint(asked.base_url)}"
    )
    return AttemptFailed(
        asked.error(EndpointUnreachable, text),
        retryable=True,
        shows="down",
        connecting=name in ("ConnectTimeout", "PoolTimeout"),
    )


def _out_of_files(error: BaseException | None, depth: int = 8) -> bool:
    """Say whether a failure comes from this process having too many files open."""
    if error is None or depth == 0:
        return False
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return True
    if isinstance(error, BaseExceptionGroup):
        return any(_out_of_files(inner, depth - 1) for inner in error.exceptions)
    return _out_of_files(error.__cause__, depth - 1) or _out_of_files(error.__context__, depth - 1)


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
    if _TOO_LONG.search(f"{error.code} {detail}") and status in (400, 413, 422):
        return AttemptFailed(_too_long(asked, status, detail))
    if is_transient(status) and not no_credit and not forbidden:
        text = f"{asked.base_url} answered {status} after {_requests(asked)}: {detail}. "
        text += "Try later, or raise the lane's max_attempts or its quota"
        return AttemptFailed(
            asked.error(EndpointOverloaded, text, status=status),
            retryable=True,
            retry_after_s=retry_after_s(headers),
            shows="throttled" if status == 429 else "down",
        )
    advice = _advice(error, asked, no_credit=no_credit)
    text = f"{asked.base_url} answered {status}: {detail}. {advice}"
    shows: Shows = "down" if status >= 500 else "answered"
    return AttemptFailed(asked.error(EndpointRefused, text, status=status), shows=shows)


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
