"""Making a transcript shorter, once, for an endpoint that says it is too long. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.messages import BaseMessage, ToolMessage

__all__ = ["compact"]

_KEPT_CHARS = 200


def compact(messages: Sequence[BaseMessage]) -> list[BaseMessage] | None:
    """Cut the oldest tool results down until half of all they hold is gone.

    Instructions, what was asked, calls and what was said stay as they are, and so do the newest
    results. The same messages give the same ones, so a run stays a function of its inputs.

    Returns:
        The shorter messages, or `None` when there is nothing to cut.

    Example:
        >>> from langchain_core.messages import HumanMessage, ToolMessage
        >>> long = ToolMessage("x" * 5000, tool_call_id="1")
        >>> short = compact([HumanMessage("sum it up"), long, ToolMessage("42", tool_call_id="2")])
        >>> [len(message.content) for message in short or []]
        [9, 256, 2]
    """
    texts = {
        at: message.text for at, message in enumerate(messages) if isinstance(message, ToolMessage)
    }
    too_many = sum(map(len, texts.values())) / 2
    shorter = list(messages)
    gone = 0
    for at, text in texts.items():
        cut = len(text) - _KEPT_CHARS
        if gone >= too_many:
            break
        if cut > _KEPT_CHARS:
            note = f" [{cut} more characters were left out to fit the context]"
            shorter[at] = messages[at].model_copy(update={"content": text[:_KEPT_CHARS] + note})
            gone += cut
    return shorter if gone else None
