"""A lane: an endpoint and its limits, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from agentlanes.config import Secret
from agentlanes.lanes.abilities import Server, check_lane
from agentlanes.lanes.policies.settings import Resilience
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


BACKGROUND_TIMERS = Timers(connect_s=5, first_token_s=1800, progress_s=600, total_s=3600)
"""For replies that are made in the background, which take as long as they take."""


@dataclass(frozen=True, slots=True)
class Lane:
    """An OpenAI-compatible endpoint, as one lane of an agent.

    Making a Lane opens no connection; a key that is missing is reported when the agent is built.
    docs/endpoints.md says more of each knob.

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
        api: `"chat"` is Chat Completions, which nearly every endpoint speaks; `"responses"` is
            OpenAI's Responses API. Messages, tools and errors are the same with either.
        server: What the endpoint is, if it is one of those in `agentlanes.lanes.abilities`. A knob
            that the server has not is then refused here and not by the endpoint.
        reasoning_effort: `"low"`, `"medium"`, `"high"`, where the endpoint has the knob.
        reasoning_summary: `"auto"`, `"concise"` or `"detailed"`: a summary of the reasoning comes
            with the reply, as its `reasoning_content`. Responses API only.
        service_tier: Asked-for tier; the tier that answered is on the step record.
        prompt_cache_key: Requests with the same key are sent to the same cache (OpenAI).
        prompt_cache_options: How long and where prompts are cached, as OpenAI's field of that
            name takes it.
        prediction: Send the draft of an answer along when it is only to be put in form
            (`prediction`); text that stays the same is then not generated again. Chat only.
        priority: Lower is sooner, at a vLLM that schedules by priority.
        background: Have the endpoint work on a reply without a connection that must stay up, for
            verdicts that take minutes. The reply is cancelled there when nobody waits for it any
            more. Responses API only; it stores the reply for a while.
        background_store: A folder that remembers which replies are being worked on, so that a
            process that comes back after a crash asks for the same reply and not for a new one.
        timers: Stream timers; when unset the role's defaults, or an hour for `background`.
        max_attempts: Requests a call may make in all, hedges aside.
        replicas: URLs of equal endpoints: the same model under the same settings, sent the same
            key. They are asked where the first one fails, and hedged to.
        fallbacks: Lanes that are asked, in order, when this one is down, throttles for longer than
            the call may take, or is left alone after failing too often. Never after an answer:
            a refusal, a content filter and 4xx are final.
        resilience: Thresholds of retries, breaker, concurrency and hedging.
        extra_body: Further fields for the request body, as the endpoint knows them.

    Example:
        >>> Lane("gpt-5-nano")
        Lane('gpt-5-nano')
        >>> Lane(base_url="http://127.0.0.1:8080/v1", model="qwen")
        Lane('qwen', base_url='http://127.0.0.1:8080/v1')

    Raises:
        ConfigError: Settings that contradict each other, or the server's abilities.
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
    api: Literal["chat", "responses"] = "chat"
    server: Server | None = None
    reasoning_effort: str | None = None
    reasoning_summary: Literal["auto", "concise", "detailed"] | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: Mapping[str, Any] | None = None
    prediction: bool = False
    priority: int | None = None
    background: bool = False
    background_store: Path | None = None
    timers: Timers | None = None
    max_attempts: int = 3
    replicas: tuple[str, ...] = ()
    fallbacks: tuple[Lane, ...] = ()
    resilience: Resilience = field(default_factory=Resilience)
    extra_body: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.api_key, str):
            object.__setattr__(self, "api_key", Secret(self.api_key))
        check_lane(self)

    def __repr__(self) -> str:
        shown = "" if self.base_url is None else f", base_url={safe_url(self.base_url)!r}"
        return f"Lane({self.model!r}{shown})"

    def timers_as(self, role: LaneRole) -> Timers:
        """Give the timers that hold for this lane in a role."""
        if self.timers is not None:
            return self.timers
        return BACKGROUND_TIMERS if self.background else DEFAULT_TIMERS[role]

    def chat_model(self, role: LaneRole) -> LaneChatModel:
        """Build the chat model of this lane for a role.

        Raises:
            MissingKey: The endpoint is OpenAI's, and there is no key for it.
        """
        from agentlanes.lanes.chat_model import LaneChatModel

        return LaneChatModel.from_lane(self, role=role)
