"""The output items of a response: its text, its calls, its reasoning. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentlanes.lanes.call_text import CallText

__all__ = ["Output", "call_of", "read_output", "text_of"]

_FOR_US = frozenset(
    {
        "apply_patch_call",
        "computer_call",
        "custom_tool_call",
        "local_shell_call",
        "mcp_approval_request",
        "shell_call",
    }
)
"""Items that wait for the client to do something that no lane can."""


@dataclass(slots=True, kw_only=True)
class Output:
    """What a response says.

    Attributes:
        text: The text of its messages.
        refusal: What it says in place of an answer.
        reasoning: Its reasoning, or the summary of it.
        calls: Its calls, not parsed yet.
        kept: What a later request should repeat of it: its reasoning items, each with what it led
            to (`"text"` or a call's id), and the phase of its message.
    """

    text: str = ""
    refusal: str = ""
    reasoning: str = ""
    calls: list[CallText] = field(default_factory=list)
    kept: Mapping[str, Any] | None = None


def read_output(items: Sequence[Any]) -> Output:
    """Read the output items of a complete response.

    Raises:
        ValueError: They are not what the protocol says; says why.

    Example:
        >>> said = {"type": "message", "content": [{"type": "output_text", "text": "hi"}]}
        >>> read_output([said]).text
        'hi'
    """
    out, thoughts = Output(), list[str]()
    reasoning, waiting = list[dict[str, Any]](), list[Mapping[str, Any]]()
    phases = list[object]()
    for item in items:
        if not isinstance(item, Mapping):
            raise ValueError("an output item is no JSON object")
        kind = str(item.get("type"))
        if kind in _FOR_US:
            raise ValueError(f"the reply asks for a {kind}, which no lane can carry out")
        if item.get("status") not in (None, "completed"):
            raise ValueError(f"a {kind} of a complete response is {item['status']}")
        before = None
        if kind == "reasoning":
            waiting.append(item)
            thoughts += _thoughts(item)
        elif kind == "message":
            said = _said(item, out)
            out.text += said
            phases.append(item.get("phase"))
            before = "text" if said else None
        elif kind == "function_call":
            out.calls.append(call_of(item, {call.id for call in out.calls}))
            before = out.calls[-1].id
        if before is not None:
            reasoning += [{"before": before, "item": _again(item)} for item in waiting]
            waiting = []
    out.reasoning = "\n\n".join(thoughts)
    reasoning = [entry for entry in reasoning if entry["item"]]
    phase = phases[0] if len(phases) == 1 else None
    if reasoning or phase:
        out.kept = {"reasoning": reasoning, **({"phase": phase} if phase else {})}
    return out


def call_of(item: Mapping[str, Any], taken: set[str]) -> CallText:
    """Read a `function_call` item.

    Args:
        item: The item.
        taken: Ids of the calls before it, which cannot be used again.

    Raises:
        ValueError: It has no name, or arguments that are no text or too long.
    """
    name, args, given = item.get("name"), item.get("arguments"), item.get("call_id")
    if not isinstance(name, str) or not isinstance(args, str):
        raise ValueError("a tool call has a name or arguments that are no text")
    own = given if isinstance(given, str) and given and given not in taken else None
    call = CallText(id=own or f"call_{len(taken)}", given_id=given, name=name)
    call.add(args)
    return call


def text_of(of: Mapping[str, Any], key: str) -> str:
    """Give a field that has to be text.

    Raises:
        ValueError: It is not.
    """
    value = of.get(key)
    if not isinstance(value, str):
        raise ValueError(f"the field {key!r} is no text")
    return value


def _said(item: Mapping[str, Any], out: Output) -> str:
    texts: list[str] = []
    for part in _listed(item, "content"):
        if part.get("type") == "refusal":
            out.refusal += text_of(part, "refusal") or "no reason given"
        elif part.get("type") == "output_text":
            texts.append(text_of(part, "text"))
    return "".join(texts)


def _thoughts(item: Mapping[str, Any]) -> list[str]:
    parts = [*_listed(item, "summary"), *_listed(item, "content")]
    return [text_of(part, "text") for part in parts]


def _listed(item: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    parts = item.get(key) or []
    if not isinstance(parts, list) or not all(isinstance(part, Mapping) for part in parts):
        raise ValueError(f"the field {key!r} of an output item is no list of JSON objects")
    return parts


def _again(item: Mapping[str, Any]) -> dict[str, Any]:
    """Give a reasoning item as a later request repeats it, or nothing if it cannot be.

    The endpoint stores nothing, so only an item that brings its encrypted content along means
    anything to it later.
    """
    if not isinstance(item.get("encrypted_content"), str):
        return {}
    known = ("type", "id", "summary", "encrypted_content")
    return {key: item[key] for key in known if item.get(key) is not None}
