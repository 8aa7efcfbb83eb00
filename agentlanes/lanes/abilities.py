"""What an endpoint can do, by the server that it says it is. One table; nothing is guessed.

`Lane(server="vllm")` chooses a row. Without one nothing is assumed: every knob the user set is
sent as it is, and the endpoint says what it makes of it. `agentlanes doctor` tells which row an
endpoint behaves like.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

from agentlanes.errors import ConfigError

if TYPE_CHECKING:
    from agentlanes.lanes.lane import Lane

__all__ = ["ABILITIES", "Abilities", "Server", "abilities_of", "check_lane"]

Server = Literal["openai", "vllm", "llama.cpp", "ollama"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What a server takes and reports; `None` is unknown.

    Attributes:
        cap: Its name for the cap on generated tokens in Chat Completions.
        responses: It serves `/v1/responses`.
        background: It runs responses in the background, and cancels them.
        text_format: It enforces schemas under the Responses API's own name for them.
        says_cut: It says in the Responses API when the cap on tokens cut a reply.
        encrypted_reasoning: It gives reasoning items that can be sent back (`include`).
        named_tool_choice: It honours a tool choice that names a tool.
        prompt_cache_key: It takes `prompt_cache_key`.
        prompt_cache_options: It takes `prompt_cache_options`.
        service_tier: It takes `service_tier`.
        prediction: It takes `prediction`.
        prediction_capped: A cap on generated tokens may go with a prediction.
        reasoning_effort: It takes a reasoning effort.
        priority: It takes `priority`, lower is sooner.
        grammar: It takes a GBNF `grammar` in the body.
        cached_tokens: It reports how many prompt tokens came from its cache.
        reports: The field in which it puts measurements of its own.
        needs: What to start it with for what is not on by default.
    """

    cap: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    responses: bool | None = None
    background: bool | None = None
    text_format: bool | None = None
    says_cut: bool | None = None
    encrypted_reasoning: bool | None = None
    named_tool_choice: bool | None = None
    prompt_cache_key: bool | None = None
    prompt_cache_options: bool | None = None
    service_tier: bool | None = None
    prediction: bool | None = None
    prediction_capped: bool | None = None
    reasoning_effort: bool | None = None
    priority: bool | None = None
    grammar: bool | None = None
    cached_tokens: bool | None = None
    reports: str | None = None
    needs: Mapping[str, str] | None = None


UNKNOWN = Abilities()

ABILITIES: Mapping[Server, Abilities] = {
    # openai-python 3.54's request types; a prediction excludes max_completion_tokens (OpenAI's
    # guide to predicted outputs).
    "openai": Abilities(
        cap="max_completion_tokens",
        responses=True,
        background=True,
        text_format=True,
        says_cut=True,
        encrypted_reasoning=True,
        named_tool_choice=True,
        prompt_cache_key=True,
        prompt_cache_options=True,
        service_tier=True,
        prediction=True,
        prediction_capped=False,
        reasoning_effort=True,
        priority=False,
        grammar=False,
        cached_tokens=True,
    ),
    # vllm/entrypoints/openai/chat_completion/protocol.py, docs/features/per_request_metrics.md
    "vllm": Abilities(
        responses=True,
        background=True,
        named_tool_choice=True,
        prompt_cache_key=False,
        prompt_cache_options=False,
        service_tier=False,
        prediction=False,
        reasoning_effort=True,
        priority=True,
        grammar=False,
        cached_tokens=True,
        reports="metrics",
        needs={
            "priority": "--scheduling-policy priority",
            "metrics": "--enable-per-request-metrics",
            "cached_tokens": "--enable-prompt-tokens-details",
            "background": "VLLM_ENABLE_RESPONSES_API_STORE=1",
            "tools": "--enable-auto-tool-choice --tool-call-parser ...",
        },
    ),
    # Measured on llama.cpp's own server (xllamacpp 2026.10); docs/local-models.md.
    "llama.cpp": Abilities(
        responses=True,
        background=False,
        text_format=False,  # `text.format` is passed over, `response_format` enforced
        says_cut=False,
        encrypted_reasoning=False,
        named_tool_choice=False,
        prompt_cache_key=False,
        prompt_cache_options=False,
        service_tier=False,
        prediction=False,
        priority=False,
        grammar=True,
        cached_tokens=True,
        reports="timings",
        needs={"tools": "--jinja, and a chat template whose tool calls the server can read"},
    ),
    # docs.ollama.com/api/openai-compatibility
    "ollama": Abilities(
        responses=True,
        background=False,
        encrypted_reasoning=False,
        prompt_cache_key=False,
        prompt_cache_options=False,
        service_tier=False,
        prediction=False,
        reasoning_effort=True,
        priority=False,
        grammar=False,
        cached_tokens=None,
    ),
}
"""What each server takes and reports, as its own documentation or a measurement has it."""


def abilities_of(server: Server | None) -> Abilities:
    """Give a server's row; nothing is known of a server that was not named.

    Example:
        >>> abilities_of("llama.cpp").reports
        'timings'
        >>> abilities_of(None).priority is None
        True
    """
    return UNKNOWN if server is None else ABILITIES[server]


def check_lane(lane: Lane) -> None:
    """Refuse a lane whose settings contradict each other, or its server's row.

    Raises:
        ConfigError: Says which setting, and what to do.
    """
    if lane.server is not None and lane.server not in ABILITIES:
        known = ", ".join(f'"{name}"' for name in ABILITIES)
        raise ConfigError(f"there is no server {lane.server!r}: leave it out, or choose {known}")
    if lane.api not in ("chat", "responses"):
        raise ConfigError(f'there is no api {lane.api!r}: choose "chat" or "responses"')
    for name in ("background", "reasoning_summary"):
        if getattr(lane, name) and lane.api != "responses":
            raise ConfigError(f'{name} is the Responses API\'s: add api="responses"')
    if lane.background_store is not None and not lane.background:
        raise ConfigError("background_store is of use with background=True only")
    if lane.prediction and lane.api != "chat":
        raise ConfigError('prediction is Chat Completions\' own: leave it out, or use api="chat"')
    if lane.server is None:
        return
    able = ABILITIES[lane.server]
    declared = {f.name for f in fields(able)}
    asked = {name for name in _KNOBS if name in declared and getattr(lane, name)}
    if lane.api == "responses":
        asked.add("responses")
    for name in sorted(asked):
        if getattr(able, name) is False:
            raise ConfigError(
                f"{lane.server} has no {name}: leave it out, or server={lane.server!r} if the "
                "endpoint is another server"
            )


_KNOBS = (
    "background",
    "prompt_cache_key",
    "prompt_cache_options",
    "service_tier",
    "prediction",
    "reasoning_effort",
    "priority",
)
