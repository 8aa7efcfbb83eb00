"""A lane: an endpoint and its limits, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from agentlanes.config import Secret
from agentlanes.lanes.urls import safe_url

if TYPE_CHECKING:
    from agentlanes.lanes.chat_model import LaneChatModel

__all__ = ["Lane", "LaneRole", "Timers"]

LaneRole = Literal["act", "reason"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """Stream timers of one attempt, in seconds.

    Attributes:
        connect_s: Until the connection stands.
        first_token_s: Until the first non-empty delta.
        progress_s: Between non-empty deltas.
        total_s: The whole attempt.
    """

    connect_s: float
    first_token_s: float
    progress_s: float
    total_s: float


DEFAULT_TIMERS: Mapping[LaneRole, Timers] = {
    "act": Timers(connect_s=2, first_token_s=10, progress_s=10, total_s=30),
    "reason": Timers(connect_s=2, first_token_s=60, progress_s=60, total_s=300),
}


@dataclass(frozen=True, slots=True)
class Lane:
    """An OpenAI-compatible endpoint, as one lane of an agent.

    Making a Lane opens no connection; a key that is missing is reported when the agent is built.

    Attributes:
        model: The model's name at the endpoint.
        base_url: The endpoint, up to and with `/v1`. `OPENAI_BASE_URL`, or OpenAI's, by default.
        api_key: The key. Without one, a lane that has no `base_url` of its own is sent
            `OPENAI_API_KEY` from the environment. A lane with a `base_url` is sent this key or
            none: the environment's is never given to another endpoint, so one that asks for a key
            needs it here.
        tool_format: `"native"` uses the endpoint's tool calling. `"json"` asks for a JSON object
            under a schema made of all tools, for endpoints whose tool calling is missing or weak.
        structured: `"json_schema"` where the endpoint enforces schemas (`response_format`),
            `"prompt"` where it can only be asked for.
        examples: Worked examples for `tool_format="json"`: pairs of request and reply, the reply
            a dict `{"tool": name, "args": {...}}` or `{"final_answer": text}`. Small models need
            a few.
        temperature: Sampling temperature; unset leaves it to the endpoint.
        max_tokens: Cap on generated tokens a call, reasoning included.
        reasoning_effort: `"low"`, `"medium"`, `"high"`, where the endpoint has the knob.
        service_tier: Asked-for tier; the tier that answered is on the step record.
        timers: Stream timers; the role's defaults when unset.
        max_attempts: Requests a call may make in all.
        extra_body: Further fields for the request body, as the endpoint knows them.

    Example:
        >>> Lane("gpt-5-nano")
        Lane('gpt-5-nano')
        >>> Lane(base_url="http://127.0.0.1:8080/v1", model="qwen")
        Lane('qwen', base_url='http://127.0.0.1:8080/v1')
    """

    model: str
    _: KW_ONLY
    base_url: str | None = None
    api_key: str | Secret | None = None
    tool_format: Literal["native", "json"] = "native"
    structured: Literal["json_schema", "prompt"] = "json_schema"
    examples: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    temperature: float | None = None
    max_tokens: int | None = None
    reasoning_effort: str | None = None
    service_tier: str | None = None
    timers: Timers | None = None
    max_attempts: int = 3
    extra_body: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.api_key, str):
            object.__setattr__(self, "api_key", Secret(self.api_key))

    def __repr__(self) -> str:
        shown = "" if self.base_url is None else f", base_url={safe_url(self.base_url)!r}"
        return f"Lane({self.model!r}{shown})"

    def chat_model(self, role: LaneRole) -> LaneChatModel:
        """Build the chat model of this lane for a role.

        Raises:
            MissingKey: The endpoint is OpenAI's, and there is no key for it.
        """
        from agentlanes.lanes.chat_model import LaneChatModel

        return LaneChatModel.from_lane(self, role=role)
