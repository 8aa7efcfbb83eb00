"""Answers that are not what the script said: declined, used up, cut, or hostile. Pure."""

from __future__ import annotations

from dataclasses import replace

from agentlanes.testing.faults import Fault
from agentlanes.testing.reply import Reply

__all__ = ["HOSTILE_ARGUMENTS", "alter"]

HOSTILE_ARGUMENTS: tuple[str, ...] = (
    "",
    " ",
    "null",
    "[]",
    '"text"',
    "3",
    "{",
    "}{",
    "{} {}",
    '{"a": 1,}',
    "{'a': 1}",
    '{"a": NaN}',
    '{"a": -Infinity}',
    '{"a": 1, "a": 2}',
    '{"a": 1} // and a comment',
    '```json\n{"a": 1}\n```',
    '{"a": "\x00"}',
    "\ufeff{}",
    '{"a": ' * 65 + "1" + "}" * 65,
    '{"a": "' + "x" * (256 * 1024) + '"}',
    "[" * 100_000,
    '{"a": "' + "\\u0061" * 60_000,
)
"""Texts that no tool may ever be run with: no strict JSON object, too deep, or too long."""


def alter(reply: Reply, fault: Fault) -> Reply:
    """Give the answer that a fault puts in place of the script's.

    Example:
        >>> alter(Reply(content="yes"), Fault(kind="refusal")).refusal
        'I cannot help with that.'
    """
    if fault.kind == "content_filter":
        return replace(reply, finish_reason="content_filter")
    if fault.kind == "refusal":
        said = "I cannot help with that."
        return replace(reply, content=None, tool_calls=(), refusal=said, finish_reason="stop")
    if fault.kind == "exhausted":
        thought = reply.reasoning or "Let me think about that once more. " * 8
        return replace(
            reply, content=None, tool_calls=(), reasoning=thought, finish_reason="length"
        )
    if fault.kind == "hostile_args":
        return _with_args(reply, HOSTILE_ARGUMENTS[fault.case])
    if fault.kind == "cut_args":
        whole = reply.calls[-1][1].encode() if reply.tool_calls else b""
        cut = whole[: fault.after_bytes].decode("utf-8", "ignore")
        return _with_args(reply, cut, finish_reason=fault.finish)
    if fault.kind == "headers":
        return replace(reply, headers={**reply.headers, **dict(fault.headers)})
    return reply


def _with_args(reply: Reply, args: str, finish_reason: str | None = None) -> Reply:
    if not reply.tool_calls:
        return reply
    *before, (name, _) = reply.tool_calls
    return replace(
        reply,
        tool_calls=[*before, (name, args)],
        finish_reason=finish_reason or reply.finish_reason,
    )
