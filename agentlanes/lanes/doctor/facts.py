"""What is known of an endpoint so far, filled in by the checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentlanes.lanes.abilities import Server

__all__ = ["Facts"]


@dataclass(slots=True, kw_only=True)
class Facts:
    """Facts about one endpoint; `None` is not known.

    Attributes:
        reachable: Somebody answers there.
        models: The models it lists.
        owners: Who it says that they belong to.
        model: The model that is asked.
        apis: Whether each API works.
        streams: Replies are streamed.
        usage: Tokens are reported.
        reasoning: Reasoning is shown.
        tier: The service tier that answered.
        reports: The server's own measurements.
        native_tools: Tool calling of the endpoint's own works.
        json_tools: Tool calls as JSON objects work.
        schema: JSON schemas are enforced.
        cached_tokens: Tokens of a repeated prompt that came from a cache.
        prompt_tokens: Tokens of that prompt.
        cold_ms: First token of that prompt when it was new.
        warm_ms: First token when it was repeated.
        first_ms: First token of each plain call.
        total_ms: The whole of each plain call.
    """

    reachable: bool | None = None
    models: list[str] | None = None
    owners: set[str] = field(default_factory=set)
    model: str = ""
    apis: dict[str, bool] = field(default_factory=dict)
    streams: bool | None = None
    usage: bool | None = None
    reasoning: bool | None = None
    tier: str | None = None
    reports: Mapping[str, Any] = field(default_factory=dict)
    native_tools: bool | None = None
    json_tools: bool | None = None
    schema: bool | None = None
    cached_tokens: int | None = None
    prompt_tokens: int | None = None
    cold_ms: float | None = None
    warm_ms: float | None = None
    first_ms: list[float] = field(default_factory=list)
    total_ms: list[float] = field(default_factory=list)

    @property
    def server(self) -> Server | None:
        """The server, where it says itself which one it is."""
        if "timings" in self.reports or "llamacpp" in self.owners:
            return "llama.cpp"
        if "metrics" in self.reports or "vllm" in self.owners:
            return "vllm"
        return None
