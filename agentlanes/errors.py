"""Every error this library raises, in one tree.

The tree is the documentation: catch the branch you can act on. Each error carries its facts as
fields, and its message ends with what to do next. Provider errors are translated into
`LaneError` in one place (`agentlanes.lanes.translate`).

    AgentLanesError
    ├── ConfigError            what was asked for cannot be built
    │   ├── MissingKey
    │   ├── MissingExtra
    │   └── InvalidTool
    ├── LaneError              a call to an endpoint did not give a usable reply
    │   ├── EndpointUnreachable
    │   ├── EndpointDown       it failed so often that it is not asked for a while
    │   ├── EndpointRefused    the endpoint answered with an error that repeating will not mend
    │   │   └── ContextTooLong
    │   ├── EndpointOverloaded the endpoint kept failing or throttling until attempts ran out
    │   ├── DeadlineExceeded
    │   ├── IncompleteReply    the reply ended early; nothing of it was used
    │   ├── MalformedReply     the reply is not what the protocol says
    │   ├── ReplyBlocked       content filter or refusal
    │   └── ToolCallingUnsupported
    ├── RunError               a run stopped; committed work is intact
    │   ├── EmptyInput
    │   ├── CorrectionLimit
    │   ├── StepLimit
    │   ├── VerdictUnavailable
    │   ├── NeedsIntervention
    │   └── LedgerError
    │       ├── LedgerMismatch
    │       ├── LedgerUnavailable
    │       └── LeaseLost
    ├── WeightsError           model files could not be had or do not match their sum
    └── BenchDataError         a bench's data could not be had or does not match its sum
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

__all__ = [
    "AgentLanesError",
    "BenchDataError",
    "ConfigError",
    "ContextTooLong",
    "CorrectionLimit",
    "DeadlineExceeded",
    "EmptyInput",
    "EndpointDown",
    "EndpointOverloaded",
    "EndpointRefused",
    "EndpointUnreachable",
    "IncompleteReply",
    "InvalidTool",
    "LaneError",
    "LeaseLost",
    "LedgerError",
    "LedgerMismatch",
    "LedgerUnavailable",
    "MalformedReply",
    "MissingExtra",
    "MissingKey",
    "NeedsIntervention",
    "NotApplied",
    "ReplyBlocked",
    "RunError",
    "StepLimit",
    "ToolCallingUnsupported",
    "VerdictUnavailable",
    "WeightsError",
]


class AgentLanesError(Exception):
    """Root of the tree."""


class ConfigError(AgentLanesError):
    """What was asked for cannot be built as it stands."""


class MissingKey(ConfigError):
    """A lane has no API key, and its endpoint is one that asks for it."""


class MissingExtra(ConfigError):
    """An optional dependency is not installed.

    Attributes:
        extra: The extra of this package that brings it.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an extra: pip install 'agentlanes[{extra}]'")
        self.extra = extra


class InvalidTool(ConfigError):
    """A tool cannot be used: no name, no schema, or a contradictory effect declaration."""


class LaneError(AgentLanesError):
    """A call to an endpoint did not give a usable reply.

    Attributes:
        model: The model that was asked for.
        attempts: Requests that were made.
        status: The HTTP status, where there was one.
    """

    def __init__(
        self, message: str, *, model: str = "", attempts: int = 0, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.model = model
        self.attempts = attempts
        self.status = status


class EndpointUnreachable(LaneError):
    """No connection could be made."""


class EndpointDown(LaneError):
    """The endpoint failed so often that it is not asked for a while; no request was made.

    Attributes:
        retry_in_s: When it is asked again.
    """

    def __init__(self, message: str, *, retry_in_s: float, model: str = "") -> None:
        super().__init__(message, model=model)
        self.retry_in_s = retry_in_s


class EndpointRefused(LaneError):
    """An error that repeating will not mend: 400, 401, 403, 404, 422.

    Also any other that the endpoint marks with `x-should-retry: false`.
    """


class ContextTooLong(EndpointRefused):
    """The request is longer than the model's context; nothing but a shorter one will do."""


class EndpointOverloaded(LaneError):
    """The endpoint kept failing or throttling until the attempts ran out."""


class DeadlineExceeded(LaneError):
    """The time allowed for the call ran out.

    Attributes:
        of: Whose time: that of one `attempt` (the lane's timers), of the `step`, or of the `run`.
    """

    def __init__(
        self,
        message: str,
        *,
        of: Literal["attempt", "step", "run"] = "attempt",
        model: str = "",
        attempts: int = 0,
        status: int | None = None,
    ) -> None:
        super().__init__(message, model=model, attempts=attempts, status=status)
        self.of = of


class IncompleteReply(LaneError):
    """The reply ended early; nothing of it was used.

    Attributes:
        reason: `cut` when the connection or the stream broke off, `length` when the reply came to
            its token cap, `exhausted` when reasoning alone took it all, and nothing was said.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: Literal["cut", "length", "exhausted"] = "cut",
        model: str = "",
        attempts: int = 0,
        status: int | None = None,
    ) -> None:
        super().__init__(message, model=model, attempts=attempts, status=status)
        self.reason = reason


class MalformedReply(LaneError):
    """The reply is not what the protocol says, or does not fit the schema that was asked for."""


class ReplyBlocked(LaneError):
    """The endpoint declined: content filter or refusal. No other model is tried."""


class ToolCallingUnsupported(LaneError):
    """The model gave no usable tool call; `tool_format="json"` works with most models."""


class RunError(AgentLanesError):
    """A run stopped before its answer. What was committed is intact and the run can be resumed."""


class EmptyInput(RunError):
    """The input has no user message with content."""


class CorrectionLimit(RunError):
    """The reason lane kept rejecting what the act lane proposed.

    Attributes:
        corrections: How many corrections were made.
        last_reason: What the last verdict said.
    """

    def __init__(self, corrections: int, last_reason: str) -> None:
        super().__init__(
            f"stopped after {corrections} rejected proposals without progress; the last verdict "
            f"said: {last_reason!r}. Raise max_corrections, or look at the tools' descriptions."
        )
        self.corrections = corrections
        self.last_reason = last_reason


class StepLimit(RunError):
    """The run used up its step budget.

    Attributes:
        max_steps: The budget.
    """

    def __init__(self, max_steps: int) -> None:
        super().__init__(
            f"the run committed {max_steps} calls without reaching an answer; raise max_steps if "
            "the task really needs more"
        )
        self.max_steps = max_steps


class VerdictUnavailable(RunError):
    """A call that must not run unverified has no verdict, because the reason lane failed."""


class NeedsIntervention(RunError):
    """An effect's outcome is unknown and only a person can say whether it happened.

    Attributes:
        call: The call: `tool` and `args`.
    """

    def __init__(self, message: str, *, call: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.call = dict(call)


class LedgerError(RunError):
    """The ledger did not let an effect go on; nothing was started because of it."""


class LedgerMismatch(LedgerError):
    """The ledger holds another call at this place in the run, or one that cannot go on so."""


class LedgerUnavailable(LedgerError):
    """The ledger's store cannot be reached, is busy for too long, or is full."""


class LeaseLost(LedgerError):
    """Another worker has taken over the thread; this one stops before it does anything more.

    Attributes:
        thread: The thread's name.
    """

    def __init__(self, thread: str) -> None:
        super().__init__(
            f"another worker has taken over thread {thread!r}; this one has stopped. Look at the "
            "other one's result, or resume the thread once it has ended."
        )
        self.thread = thread


class WeightsError(AgentLanesError):
    """Model files could not be had, or do not match their checksum."""


class BenchDataError(AgentLanesError):
    """A bench's data could not be had, or does not match its checksum.

    Attributes:
        path: Where the file is, or would be.
    """

    def __init__(self, message: str, *, path: Path) -> None:
        super().__init__(message)
        self.path = path


class NotApplied(Exception):
    """Raised by a tool to say: nothing happened, it is safe to try again.

    Any other exception from a tool with effects leaves the outcome unknown.
    """
