"""A script that stands in for a model: calls tools by their schemas, answers, echoes.

What `agentlanes endpoint` serves. It understands nothing; it makes an agent go through its motions:
offered a tool that the request is about, it calls it once with arguments from the request; asked
for JSON under a schema it gives some; otherwise it says what was found, or what was said.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from agentlanes.context.prompts import ASIDE_PREFIXES, WORK_PREFIX
from agentlanes.testing.reply import Reply, count_tokens
from agentlanes.testing.sample import Words, sample

__all__ = ["StandIn"]

_COMMON_WORDS = """
a an and are at by call can do does find for from get give has have how in into is it list me
my of on or please run search set show tell that the their then this to tool use what when
where which who will with you your
"""
_COMMON = frozenset(_COMMON_WORDS.split())
_KEPT = 512
_SHOWN_CHARS = 400


class StandIn:
    """The script. One may serve several models; it is a function of the request, but for caching.

    It counts the messages at the start of a request that another one began with, and reports them
    as cached, as an endpoint with a prompt cache does.

    Args:
        reasoning: Whether it gives reasoning.
        caches: Whether it reports cached tokens.

    Example:
        >>> tool = {"type": "function", "function": {
        ...     "name": "get_weather", "description": "Weather of a city.", "parameters": {
        ...         "type": "object", "properties": {"city": {"type": "string"}},
        ...         "required": ["city"]}}}
        >>> ask = {"role": "user", "content": "What is the weather in Paris?"}
        >>> StandIn()({"model": "any", "messages": [ask], "tools": [tool]}).tool_calls
        [('get_weather', {'city': 'Paris'})]
    """

    def __init__(self, *, reasoning: bool = False, caches: bool = True) -> None:
        self._reasoning = reasoning
        self._caches = caches
        self._seen: OrderedDict[str, None] = OrderedDict()

    def __call__(self, body: dict[str, Any]) -> Reply:
        """Answer a request."""
        asked = _Asked(body)
        reply = asked.reply()
        if self._reasoning:
            about = " ".join(asked.request.split())[:_SHOWN_CHARS]
            thought = f"The request is: {about} Tools at hand: {len(asked.tools)}."
            reply = Reply(content=reply.content, tool_calls=reply.tool_calls, reasoning=thought)
        if not self._caches:
            return reply
        return Reply(
            content=reply.content,
            tool_calls=reply.tool_calls,
            reasoning=reply.reasoning,
            usage=self._usage(body, reply),
        )

    def _usage(self, body: Mapping[str, Any], reply: Reply) -> dict[str, Any]:
        pieces = [
            json.dumps(piece, sort_keys=True, ensure_ascii=False)
            for piece in ({"tools": body.get("tools")}, *body["messages"])
        ]
        cached, prefix = 0, str(body.get("model"))
        for piece in pieces:
            prefix += piece
            if prefix in self._seen:
                cached += count_tokens(piece)
            self._seen[prefix] = None
            self._seen.move_to_end(prefix)
        while len(self._seen) > _KEPT:
            self._seen.popitem(last=False)
        sent, thought = sum(map(count_tokens, pieces)), count_tokens(reply.reasoning or "")
        return {
            "prompt_tokens": sent,
            "completion_tokens": reply.tokens,
            "total_tokens": sent + reply.tokens,
            "prompt_tokens_details": {"cached_tokens": min(cached, sent - 1)},
            "completion_tokens_details": {"reasoning_tokens": thought},
        }


class _Asked:
    """One request, and what is to be made of it."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._messages: Sequence[Mapping[str, Any]] = body["messages"]
        self._choice = body.get("tool_choice")
        self.tools = [tool["function"] for tool in body.get("tools") or () if "function" in tool]
        form = body.get("response_format") or {}
        self._schema = (form.get("json_schema") or {}).get("schema")
        self._json = form.get("type") in ("json_schema", "json_object")
        users = [_text(m) for m in self._messages if m.get("role") == "user"]
        own = [text for text in users if not text.startswith((*ASIDE_PREFIXES, "Result of "))]
        self.request = (own or users or [""])[-1]

    def reply(self) -> Reply:
        words = Words.of(self.request)
        words.texts = [text for text in words.texts if not self._used(text)] or words.texts
        if self._json:
            value = self._fitting(self._schema or {"type": "object"}, words)
            return Reply(content=json.dumps(value, ensure_ascii=False))
        tool = None if self._choice == "none" else self._due(self.tools)
        if tool is not None:
            args = sample(tool.get("parameters") or {"type": "object"}, words)
            return Reply(tool_calls=[(tool["name"], args or {})])
        found = self._found()
        if found:
            return Reply(content="Here is what I found. " + " ".join(found))
        return Reply(content=f"You said: {' '.join(self.request.split())[:_SHOWN_CHARS]}")

    def _due(self, tools: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
        """Give the tool to call now: named by the choice, or the one the request is most about."""
        if isinstance(self._choice, Mapping):
            named = (self._choice.get("function") or {}).get("name")
            return next((tool for tool in tools if tool["name"] == named), None)
        made = self._made()
        left = [tool for tool in tools if tool["name"] not in made]
        best = max(left, key=self._about, default=None)
        if best is not None and (self._about(best) > 0 or self._choice == "required"):
            return best
        return tools[0] if tools and self._choice == "required" else None

    def _about(self, tool: Mapping[str, Any]) -> int:
        """Say how much the request is about a tool: words of its name count double."""
        said = _words(self.request)
        name, about = _words(tool["name"]), _words(str(tool.get("description") or ""))
        shared = len((about - name) & said)
        return 2 * len(name & said) + (shared if shared > 1 else 0)

    def _made(self) -> set[str]:
        """Give the tools that were called since the user last spoke."""
        made: set[str] = set()
        for message in self._messages:
            if message.get("role") == "user" and _text(message) == self.request:
                made = set()
            for call in message.get("tool_calls") or ():
                made.add(call["function"]["name"])
            if message.get("role") == "assistant":
                made.update(re.findall(r'^\{"tool": "([^"]+)"', _text(message)))
        return made

    def _used(self, text: str) -> bool:
        """Say whether an earlier call had it as an argument."""
        return any(
            json.dumps(text, ensure_ascii=False) in call["function"]["arguments"]
            for message in self._messages
            for call in message.get("tool_calls") or ()
        )

    def _found(self) -> list[str]:
        """Give what the tools said since the user last spoke."""
        names: dict[str, str] = {}
        found: list[str] = []
        for message in self._messages:
            text = _text(message)
            if message.get("role") == "user" and text == self.request:
                found = []
            elif message.get("role") == "user" and text.startswith(WORK_PREFIX):
                work = text.partition("\n\n")[0].splitlines()[1:]
                found = [
                    f"{line.split(' ', 1)[0]}: {line.rpartition(' gave: ')[2]}" for line in work
                ]
            for call in message.get("tool_calls") or ():
                names[call["id"]] = call["function"]["name"]
            if message.get("role") == "tool":
                found.append(f"{names.get(message['tool_call_id'], 'tool')}: {text[:_SHOWN_CHARS]}")
        return found

    def _fitting(self, schema: Mapping[str, Any], words: Words) -> Any:
        """Give JSON under a schema; one that lists calls of tools gets those that are due."""
        members = schema.get("anyOf") or [schema]
        tools = [_as_tool(member) for member in members]
        if any(tools):
            due = self._due([tool for tool in tools if tool is not None])
            final = next(
                (m for m in members if "final_answer" in (m.get("properties") or {})), None
            )
            if due is None and final is not None:
                found = self._found()
                return {"final_answer": " ".join(found) or f"You said: {self.request}"}
            chosen = next((m for m, t in zip(members, tools, strict=True) if t is due), members[0])
            return sample(chosen, words, schema)
        value = sample(schema, words)
        for name, inner in (schema.get("properties") or {}).items():
            items = inner.get("items") if isinstance(inner, Mapping) else None
            steps = (items.get("anyOf") or [items]) if isinstance(items, Mapping) else []
            due = self._due([tool for step in steps if (tool := _as_tool(step))])
            if due is not None and isinstance(value, dict) and not value.get(name):
                args = sample(due["parameters"], words, schema)
                value[name] = [{"tool": due["name"], "args": args or {}}]
        return value


def _as_tool(schema: Any) -> dict[str, Any] | None:
    """Read a schema of a call, `{"tool": const, "args": {...}}`, as the tool it calls."""
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    tool = (properties or {}).get("tool")
    if not isinstance(tool, Mapping) or "const" not in tool:
        return None
    args = dict((properties or {}).get("args") or {})
    args.setdefault("required", list(args.get("properties") or {}))
    return {"name": tool["const"], "parameters": args}


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[^\W\d_]{2,}", text.lower())) - _COMMON


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(p.get("text", "")) for p in content if isinstance(p, Mapping))
    return str(content or "")
