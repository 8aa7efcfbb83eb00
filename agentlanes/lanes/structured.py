"""Structured replies from any chat model: a JSON schema, strict parsing, one repair."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.messages.ai import add_usage
from langchain_core.runnables import RunnableConfig

from agentlanes.context.quick_schema import Fits, quick_check
from agentlanes.context.same import Same
from agentlanes.errors import MalformedReply
from agentlanes.lanes.chat_model import LaneChatModel
from agentlanes.lanes.strict_json import strict_object, unfence
from agentlanes.latency.record import TIMES_KEY

__all__ = ["StructuredReply", "ask_structured", "parse_structured"]

_ASK = "Reply with one JSON object that fits this JSON schema, and with nothing else:"
_QUOTED_CHARS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StructuredReply:
    """A reply that fits its schema.

    Attributes:
        value: The parsed reply.
        message: The message it came in. After a repair it counts the tokens and the time of both
            calls.
        repaired: Whether the first reply did not fit and was asked for again.
    """

    value: dict[str, Any]
    message: AIMessage
    repaired: bool = False


async def ask_structured(
    model: BaseChatModel,
    messages: Sequence[BaseMessage],
    schema: Mapping[str, Any],
    *,
    name: str,
    config: RunnableConfig | None = None,
) -> StructuredReply:
    """Ask for a JSON object under a schema.

    A lane whose endpoint enforces schemas gets it as `response_format`; for every other model it
    goes into the system message. Either way the reply is parsed strictly and validated here. A
    reply that does not fit is quoted back with what is wrong with it, once.

    Args:
        model: Any chat model.
        messages: The conversation.
        schema: The JSON schema of an object.
        name: What the schema is called at the endpoint: letters, digits, `_` and `-`.
        config: For the model call.

    Raises:
        MalformedReply: The repaired reply does not fit either.
        LaneError: The lane failed.

    Example:
        >>> import asyncio
        >>> from langchain_core.language_models import FakeListChatModel
        >>> model = FakeListChatModel(responses=['{"ok": true}'])
        >>> schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}}
        >>> asyncio.run(ask_structured(model, [HumanMessage("?")], schema, name="answer")).value
        {'ok': True}
    """
    prompt, options = list(messages), dict[str, Any]()
    if isinstance(model, LaneChatModel) and model.lane.structured == "json_schema":
        form = {"name": name, "schema": dict(schema), "strict": False}
        options["response_format"] = {"type": "json_schema", "json_schema": form}
    else:
        prompt = _with_schema(prompt, schema)
    first = await model.ainvoke(prompt, config, **options)
    try:
        return StructuredReply(value=parse_structured(first.text, schema), message=first)
    except ValueError as error:
        wrong = str(error)
    repair = HumanMessage(
        f"That reply cannot be used: {wrong}. Reply again with the corrected JSON object and "
        "nothing else."
    )
    said = AIMessage(first.text[:_QUOTED_CHARS])
    second = await model.ainvoke([*prompt, said, repair], config, **options)
    try:
        value = parse_structured(second.text, schema)
    except ValueError as error:
        wrong = str(error)
    else:
        return StructuredReply(value=value, message=_both(first, second), repaired=True)
    lane = model.lane.model if isinstance(model, LaneChatModel) else type(model).__name__
    raise MalformedReply(
        f"{lane} gave no {name} that fits its schema, nor when it was asked again: {wrong}. Check "
        "that the endpoint enforces response_format, or use a more able model",
        model=lane,
        attempts=2,
    )


def parse_structured(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Read a JSON object, which may stand in a Markdown fence, and check it against a schema.

    Raises:
        ValueError: It is no strict JSON object or does not fit; says where and why.
    """
    value = strict_object(unfence(text))
    fits = _quick(Same(schema))
    if fits is not None and fits(value):
        return value
    from jsonschema import Draft202012Validator  # slow to import, and not needed to build a graph
    from jsonschema.exceptions import best_match

    wrong = best_match(Draft202012Validator(dict(schema)).iter_errors(value))
    if wrong is not None:
        raise ValueError(f"at {wrong.json_path}: {wrong.message[:300]}")
    return value


@functools.lru_cache(maxsize=64)
def _quick(schema: Same[Mapping[str, Any]]) -> Fits | None:
    return quick_check(schema.value)


@functools.lru_cache(maxsize=64)
def _instructions(schema: Same[Mapping[str, Any]]) -> str:
    return f"{_ASK}\n{json.dumps(schema.value, ensure_ascii=False, sort_keys=True)}"


def _with_schema(messages: list[BaseMessage], schema: Mapping[str, Any]) -> list[BaseMessage]:
    """Put the schema at the end of the system message, where it stays the same between calls."""
    ask = _instructions(Same(schema))
    if messages and isinstance(messages[0], SystemMessage):
        return [SystemMessage(f"{messages[0].text}\n\n{ask}"), *messages[1:]]
    return [SystemMessage(ask), *messages]


def _both(first: AIMessage, second: AIMessage) -> AIMessage:
    """Give the second message with what both calls took."""
    update: dict[str, Any] = {}
    if first.usage_metadata or second.usage_metadata:
        update["usage_metadata"] = add_usage(first.usage_metadata, second.usage_metadata)
    before = first.response_metadata.get(TIMES_KEY)
    after = second.response_metadata.get(TIMES_KEY)
    if before and after:
        shifted = {
            key: None if after[key] is None else after[key] + before["duration_ms"]
            for key in ("first_reasoning_ms", "first_content_ms", "first_tool_arg_ms")
        }
        firsts = {key: shifted[key] if before[key] is None else before[key] for key in shifted}
        sums = {key: before[key] + after[key] for key in ("duration_ms", "attempts")}
        times = {**after, **firsts, **sums}
        update["response_metadata"] = {**second.response_metadata, TIMES_KEY: times}
    return second.model_copy(update=update)
