"""The checks of an endpoint. Each asks one thing of it, and notes the fact."""

from __future__ import annotations

import secrets
import statistics
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from agentlanes.errors import ConfigError, EndpointRefused, LaneError, MalformedReply
from agentlanes.lanes.doctor.asking import Asking, Heard
from agentlanes.lanes.doctor.facts import Facts
from agentlanes.lanes.doctor.finding import Finding
from agentlanes.lanes.structured import parse_structured

__all__ = ["CHECKS", "Check", "short"]

Check = Callable[[Asking, Facts, int], Awaitable[list[Finding]]]
"""Looks at one thing; the last argument is how many calls to time."""

_READY = "Reply with the single word: ready"
_WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
_ASK_WEATHER = "What is the weather in Paris now? Use the tool get_weather to find out."
_FRUIT = {
    "type": "object",
    "properties": {"fruit": {"type": "string", "enum": ["kumquat"]}},
    "required": ["fruit"],
    "additionalProperties": False,
}
"""Nobody gives this by chance who was asked for a greeting."""

_PREFIX_LINES, _SHORT_PREFIX_LINES = 90, 25
"""Hosted caches begin at 1,024 tokens; llama.cpp's holds any prefix, and reads it more slowly."""

_MUCH_FASTER, _MUCH_MS = 0.6, 100.0


def short(error: BaseException) -> str:
    """Give an error's message without what this library says to do about it."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:199]}…"


async def api(asking: Asking, facts: Facts, calls: int) -> list[Finding]:
    """Find out which APIs work, and how replies come."""
    errors: dict[str, LaneError] = {}
    heard: dict[str, Heard] = {}
    for name in ("chat", "responses"):
        try:
            heard[name] = await _hear(asking, facts, name)
        except LaneError as error:
            errors[name] = error
        facts.apis[name] = name in heard
    wanted = asking.lane.api
    works = ", ".join(name for name, is_there in facts.apis.items() if is_there) or "neither"
    if not heard:
        worst = errors[wanted]
        said, advice = short(worst), _advice(worst)
        return [Finding(check="answers", level="problem", found=said, advice=advice)]
    found: list[Finding] = []
    if wanted in heard:
        found.append(Finding(check="API", level="ok", found=f"{works} (the lane uses {wanted})"))
    else:
        other = next(iter(heard))
        found.append(
            Finding(
                check="API",
                level="problem",
                found=f"{works}; {wanted} gave: {short(errors[wanted])}",
                advice=f'use Lane(api="{other}")',
            )
        )
    reply = heard[wanted if wanted in heard else next(iter(heard))]
    return found + _how_it_came(reply, facts)


async def _hear(asking: Asking, facts: Facts, name: str) -> Heard:
    """Ask over one API, streamed, or whole where that cannot be."""
    try:
        heard = await asking.say(_READY, asking.model(api=name))
    except MalformedReply:
        flat = {**asking.lane.extra_body, "stream": False}
        heard = await asking.say(_READY, asking.model(api=name, extra_body=flat))
        if name == asking.lane.api or facts.streams is None:
            facts.streams = False
        return heard
    if name == asking.lane.api or facts.streams is None:
        facts.streams = asking.lane.extra_body.get("stream") is not False
    return heard


def _how_it_came(heard: Heard, facts: Facts) -> list[Finding]:
    meta = heard.message.response_metadata
    facts.usage = heard.message.usage_metadata is not None
    facts.reasoning = bool(heard.message.additional_kwargs.get("reasoning_content"))
    facts.tier = meta.get("service_tier")
    facts.reports = heard.reports
    said = heard.message.text.strip()
    found = [
        Finding(check="answers", level="ok", found=f"{said[:40]!r} from {meta['model_name']}")
        if said
        else Finding(
            check="answers",
            level="note",
            found="an empty reply",
            advice="try a more able model, or raise max_tokens",
        )
    ]
    if not facts.streams:
        found.append(
            Finding(
                check="streaming",
                level="note",
                found="it does not stream",
                advice='use Lane(extra_body={"stream": False}); first-token times are unknown then',
            )
        )
    else:
        how = "in one piece" if heard.pieces <= 1 else f"in {heard.pieces} pieces"
        found.append(Finding(check="streaming", level="ok", found=f"streams; the reply came {how}"))
    if facts.usage:
        shown = ", ".join(f"{n} {k}" for k, n in heard.tokens.items() if n is not None)
        found.append(Finding(check="usage", level="ok", found=f"reported: {shown} tokens"))
    else:
        found.append(
            Finding(
                check="usage",
                level="note",
                found="no tokens are reported",
                advice="step records will show them as unknown",
            )
        )
    if facts.reasoning:
        found.append(Finding(check="reasoning", level="ok", found="is shown with the reply"))
    if facts.tier:
        found.append(Finding(check="service tier", level="ok", found=facts.tier))
    if facts.reports:
        kinds = ", ".join(f"{key}: {', '.join(list(v)[:4])}…" for key, v in facts.reports.items())
        found.append(Finding(check="server reports", level="ok", found=kinds))
    return found


async def schema(asking: Asking, facts: Facts, calls: int) -> list[Finding]:
    """Find out whether JSON schemas are enforced or only asked for."""
    form = {"name": "answer", "schema": _FRUIT, "strict": False}
    options = {"response_format": {"type": "json_schema", "json_schema": form}}
    asked = "Say hello to me in one plain sentence, without any JSON."
    try:
        heard = await asking.say(asked, _working(asking, facts), **options)
        parse_structured(heard.message.text, _FRUIT)
        facts.schema = True
    except (EndpointRefused, ValueError) as error:
        facts.schema = False
        why = "refused" if isinstance(error, EndpointRefused) else "not enforced"
        bad = asking.lane.structured == "json_schema"
        return [
            Finding(
                check="JSON schema",
                level="problem" if bad else "ok",
                found=f"response_format is {why}",
                advice='use Lane(structured="prompt")' if bad else "",
            )
        ]
    better = asking.lane.structured == "prompt"
    return [
        Finding(
            check="JSON schema",
            level="note" if better else "ok",
            found="enforced",
            advice='Lane(structured="json_schema") would use that' if better else "",
        )
    ]


async def tools(asking: Asking, facts: Facts, calls: int) -> list[Finding]:
    """Find out in which format tool calls work."""
    structured = "json_schema" if facts.schema else "prompt"
    facts.native_tools, native = await _calls_weather(asking, facts, tool_format="native")
    facts.json_tools, as_json = await _calls_weather(
        asking, facts, tool_format="json", structured=structured
    )
    works = {"native": facts.native_tools, "json": facts.json_tools}
    shown = f"native: {native}; json: {as_json}"
    if works[asking.lane.tool_format]:
        return [Finding(check="tool calls", level="ok", found=shown)]
    other = next((name for name, good in works.items() if good), None)
    advice = 'give Lane(tool_format="json", examples=...) worked examples, or use an abler model'
    if other is not None:
        advice = f'use Lane(tool_format="{other}")'
    return [Finding(check="tool calls", level="problem", found=shown, advice=advice)]


async def _calls_weather(asking: Asking, facts: Facts, **changed: Any) -> tuple[bool, str]:
    model = _working(asking, facts, **changed).bind_tools([_WEATHER])
    try:
        heard = await asking.say(_ASK_WEATHER, model)
    except LaneError as error:
        return False, short(error)
    made = heard.message.tool_calls
    if not made:
        return False, f"no call, but {heard.message.text[:60]!r}"
    named = made[0]["name"] == "get_weather"
    city = str(made[0]["args"].get("city", "")).lower()
    if named and "paris" in city:
        return True, "works"
    return False, f"a wrong call: {made[0]['name']}({made[0]['args']})"


async def caching(asking: Asking, facts: Facts, calls: int) -> list[Finding]:
    """Find out whether a long prefix is quicker the second time."""
    mark = secrets.token_hex(4)
    count = _SHORT_PREFIX_LINES if facts.server == "llama.cpp" else _PREFIX_LINES
    lines = [f"{n}. Entry {n} of list {mark} is kept for later use." for n in range(count)]
    model, asked = _working(asking, facts), "\n".join([*lines, _READY])
    cold = await asking.say(asked, model)
    warm = await asking.say(asked, model)
    facts.cached_tokens, facts.prompt_tokens = warm.tokens["cached"], warm.tokens["input"]
    facts.cold_ms, facts.warm_ms = cold.first_ms, warm.first_ms
    faster = ""
    if cold.first_ms and warm.first_ms:
        faster = f"first token {cold.first_ms:.0f} ms cold, {warm.first_ms:.0f} ms repeated"
    if facts.cached_tokens:
        of = f" of {facts.prompt_tokens}" if facts.prompt_tokens else ""
        found = f"{facts.cached_tokens}{of} tokens cached; {faster}".rstrip("; ")
        return [Finding(check="prompt cache", level="ok", found=found)]
    if quicker(cold.first_ms, warm.first_ms):
        found = f"{faster}; cached tokens are not reported"
        return [Finding(check="prompt cache", level="ok", found=found)]
    needs = {"vllm": "; start vLLM with --enable-prefix-caching"}.get(facts.server or "", "")
    return [
        Finding(
            check="prompt cache",
            level="note",
            found=f"no sign of one{'; ' + faster if faster else ''}",
            advice=f"long prefixes are paid for every time{needs}",
        )
    ]


def quicker(cold_ms: float | None, warm_ms: float | None) -> bool:
    """Say whether a first token came so much sooner that a cache must be behind it.

    Example:
        >>> quicker(2_400.0, 150.0), quicker(20.0, 10.0)
        (True, False)
    """
    if cold_ms is None or warm_ms is None:
        return False
    return warm_ms < _MUCH_FASTER * cold_ms and cold_ms - warm_ms > _MUCH_MS


async def times(asking: Asking, facts: Facts, calls: int) -> list[Finding]:
    """Time a few calls."""
    model = _working(asking, facts)
    for _ in range(calls):
        heard = await asking.say(_READY, model)
        facts.total_ms.append(heard.total_ms)
        if heard.first_ms is not None:
            facts.first_ms.append(heard.first_ms)
    total = f"total p50 {statistics.median(facts.total_ms):.0f} ms, {_range(facts.total_ms)}"
    if not facts.first_ms:
        return [Finding(check="times", level="ok", found=f"{total} ({calls} calls)")]
    first = f"first token p50 {statistics.median(facts.first_ms):.0f} ms, {_range(facts.first_ms)}"
    return [Finding(check="times", level="ok", found=f"{first}; {total} ({calls} calls)")]


def _range(values: list[float]) -> str:
    return f"{min(values):.0f} to {max(values):.0f}"


def _working(asking: Asking, facts: Facts, **changed: Any) -> Any:
    """Give the lane's model over an API and a way of replying that were found to work."""
    if not facts.apis.get(asking.lane.api, True):
        changed["api"] = next(name for name, works in facts.apis.items() if works)
    if facts.streams is False:
        changed["extra_body"] = {**asking.lane.extra_body, "stream": False}
    if asking.lane.server is None and facts.server is not None:
        with suppress(ConfigError):  # a knob that this server has not: the lane goes without a name
            return asking.model(server=facts.server, **changed)
    return asking.model(**changed)


def _advice(error: LaneError) -> str:
    if error.status in (401, 403):
        return "check the lane's key"
    if error.status == 404:
        return "check base_url (most end in /v1) and the model's name"
    return "look at the endpoint's log"


CHECKS: tuple[tuple[str, Check], ...] = (
    ("API", api),
    ("JSON schema", schema),
    ("tool calls", tools),
    ("times", times),
    ("prompt cache", caching),
)
"""In order; each may use what those before it found."""
