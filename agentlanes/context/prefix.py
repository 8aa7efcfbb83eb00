"""How much of a lane's prompt is what the lane was shown last time, and why it stops being so.

An endpoint keeps the KV cache of what it has read, and reads a prompt anew only from the first byte
that differs (prefix caching: Kwon et al., PagedAttention, arXiv:2309.06180; Zheng et al., SGLang,
arXiv:2312.07104). So what a lane is shown should grow at its end and change nowhere else. A prompt
is noted as a chain of checksums, one a message, which tells two prompts apart and holds no content.
"""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from langchain_core.messages import AIMessage, BaseMessage

from agentlanes.context.prompts import ASIDE_PREFIXES

__all__ = ["BREAKS", "Chain", "Shared", "compare", "prompt_chain"]

Chain = list[list[Any]]
"""A prompt's parts in order, each `[kind, checksum, bytes]`: lists, as checkpoints return them."""

_ASIDES = ("correction", "conclusion", "plan step", "proposal", "work", "draft")
_KINDS = {"human": "user", "ai": "assistant"}

BREAKS: Mapping[str, str] = {
    "first": "nothing came before it",
    "tools": "the tools changed",
    "system": "the system prompt changed: the lane was asked for something else",
    "message": "an earlier message changed or went",
    "correction": "a correction was put at the end, or the last one went",
    "conclusion": "the reason lane's conclusion was put at the end, or went",
    "plan step": "another step of the plan was asked for",
    "proposal": "another proposal was judged",
    "work": "the work to be told of changed",
    "draft": "the draft of the answer changed",
}
"""What `Shared.broke` may say, with what it means."""


class Shared(TypedDict):
    """How much of a prompt is byte for byte the beginning of the one before it.

    Attributes:
        shared_bytes: Bytes of the leading messages that are the same.
        total_bytes: Bytes of the whole prompt, tools included.
        broke: What the first difference is, a key of `BREAKS`; `None` where the prompt only grew
            or was cut off at its end.
    """

    shared_bytes: int
    total_bytes: int
    broke: str | None


def prompt_chain(messages: Sequence[BaseMessage], tools: Sequence[Any] = ()) -> Chain:
    """Note what a lane is shown.

    Checksums are CRC-32 beside the length: enough to tell one's own messages apart, and quick
    (about a microsecond a message). They are no protection against somebody who looks for two
    messages of one sum.

    Args:
        messages: The prompt's messages. Their ids do not count, since they are not sent.
        tools: The tools as they are bound to the model. The same list is read once.

    Example:
        >>> from langchain_core.messages import HumanMessage, SystemMessage
        >>> chain = prompt_chain([SystemMessage("Be brief."), HumanMessage("Hello.")])
        >>> [(kind, size) for kind, _, size in chain]
        [('system', 9), ('user', 6)]
    """
    chain = [list(_tools_part(_Same(tools)))] if tools else []
    chain += [_part(message) for message in messages]
    if messages and messages[-1].type == "human":
        chain[-1][0] = _aside(messages[-1])
    return chain


def compare(before: Chain | None, now: Chain) -> Shared:
    """Say how much of a prompt is the beginning of the one before it.

    Example:
        >>> old, new = [["system", 1, 90], ["user", 2, 10]], [["system", 1, 90], ["user", 3, 60]]
        >>> compare(old, new)
        {'shared_bytes': 90, 'total_bytes': 150, 'broke': 'message'}
    """
    total = sum(size for _, _, size in now)
    if before is None:
        return Shared(shared_bytes=0, total_bytes=total, broke="first")
    at = 0
    for old, new in zip(before, now, strict=False):
        if old[1] != new[1] or old[2] != new[2]:
            break
        at += 1
    shared = sum(size for _, _, size in now[:at])
    ended = at == len(before) or at == len(now)
    broke = None if ended else _cause(before[at][0], now[at][0])
    return Shared(shared_bytes=shared, total_bytes=total, broke=broke)


def _cause(old: str, new: str) -> str:
    for kind in ("tools", "system"):
        if kind in (old, new):
            return kind
    # What comes now is the news; what was at the end last time is gone in any case.
    return next((kind for kind in (new, old) if kind in _ASIDES), "message")


def _part(message: BaseMessage) -> list[Any]:
    content = message.content
    text = content if isinstance(content, str) else _json(content)
    if isinstance(message, AIMessage) and message.tool_calls:
        text += "".join([f"{c['id']}{c['name']}{_json(c['args'])}" for c in message.tool_calls])
    said = text.encode("utf-8", "surrogatepass")
    kind = _KINDS.get(message.type, message.type)
    return [kind, zlib.crc32(said, zlib.crc32(kind.encode())), len(said)]


def _aside(message: BaseMessage) -> str:
    content = message.content
    if isinstance(content, str):
        for prefix, kind in zip(ASIDE_PREFIXES, _ASIDES, strict=True):
            if content.startswith(prefix):
                return kind
    return "user"


class _Same:
    """A value that equals itself alone, so that it can be looked up without being read."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


@functools.lru_cache(maxsize=64)
def _tools_part(tools: _Same) -> tuple[str, int, int]:
    said = _json(tools.value).encode("utf-8", "surrogatepass")
    return "tools", zlib.crc32(said), len(said)


_json = json.JSONEncoder(ensure_ascii=False, default=str).encode  # made once: it takes a while
