"""How much of a lane's prompt is what the lane was shown last time, and why it stops being so.

An endpoint keeps the KV cache of what it has read, and reads a prompt anew only from the first byte
that differs (prefix caching: Kwon et al., PagedAttention, arXiv:2309.06180; Zheng et al., SGLang,
arXiv:2312.07104). So what a lane is shown should grow at its end and change nowhere else. A prompt
is noted as a chain of hashes, one a message, which tells two prompts apart and holds no content.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, cast

from langchain_core.messages import AIMessage, BaseMessage

from agentlanes.context.prompts import ASIDE_PREFIXES

__all__ = ["BREAKS", "Chain", "Shared", "compare", "prompt_chain"]

_ASIDES = ("correction", "conclusion", "plan step", "proposal", "work", "draft")
_KINDS = {"human": "user", "ai": "assistant"}


class Chain(TypedDict):
    """What a lane was shown, without saying it.

    Attributes:
        seed: Hash of a fixed text. Python salts its hashes, in every process in another way, so
            chains of two processes can be told and are not compared.
        parts: The parts in order, each `[kind, hash, characters]`: lists, as checkpoints return.
    """

    seed: int
    parts: list[list[Any]]


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
    """How much of a prompt is, letter for letter, the beginning of the one before it.

    Attributes:
        shared_chars: Characters of the leading messages that are the same.
        total_chars: Characters of the whole prompt, tools included.
        broke: What the first difference is, a key of `BREAKS`; `None` where the prompt only grew
            or was cut off at its end.
    """

    shared_chars: int
    total_chars: int
    broke: str | None


def prompt_chain(messages: Sequence[BaseMessage], tools: Sequence[Any] = ()) -> Chain:
    """Note what a lane is shown.

    Costs about a microsecond a message, however long it is: Python keeps the hash of a text
    with it.

    Args:
        messages: The prompt's messages. Their ids do not count, since they are not sent.
        tools: The tools as they are bound to the model. The same list is read once.

    Example:
        >>> from langchain_core.messages import HumanMessage, SystemMessage
        >>> chain = prompt_chain([SystemMessage("Be brief."), HumanMessage("Hello.")])
        >>> [(kind, size) for kind, _, size in chain["parts"]]
        [('system', 9), ('user', 6)]
    """
    parts = [list(_tools_part(_Same(tools)))] if tools else []
    for message in messages:  # written out: it is done for every message of every call
        content, kind = message.content, message.type
        text = content if isinstance(content, str) else _json(content)
        said, size = hash(text), len(text)
        if kind == "ai":
            for call in cast("AIMessage", message).tool_calls:
                asked = f"{call['id']}{call['name']}{call['args']}"
                said, size = hash((said, asked)), size + len(asked)
        parts.append([_KINDS.get(kind, kind), said, size])
    if messages and messages[-1].type == "human":
        parts[-1][0] = _aside(messages[-1])
    return Chain(seed=hash(_SEED), parts=parts)


def compare(before: Chain | None, now: Chain) -> Shared | None:
    """Say how much of a prompt is the beginning of the one before it.

    Returns:
        `None` where that is unknown, since another process noted the one before.

    Example:
        >>> old: Chain = {"seed": 1, "parts": [["system", 1, 90], ["user", 2, 10]]}
        >>> new: Chain = {"seed": 1, "parts": [["system", 1, 90], ["user", 3, 60]]}
        >>> compare(old, new)
        {'shared_chars': 90, 'total_chars': 150, 'broke': 'message'}
    """
    parts = now["parts"]
    total = sum([part[2] for part in parts])
    if before is None:
        return Shared(shared_chars=0, total_chars=total, broke="first")
    if before["seed"] != now["seed"]:
        return None
    last = before["parts"]
    at = min(len(last), len(parts))
    ended = last[:at] == parts[:at]
    if not ended:
        pairs = zip(last, parts, strict=False)
        at = next(place for place, (old, new) in enumerate(pairs) if old != new)
    shared = sum([part[2] for part in parts[:at]])
    broke = None if ended else _cause(last[at][0], parts[at][0])
    return Shared(shared_chars=shared, total_chars=total, broke=broke)


def _cause(old: str, new: str) -> str:
    for kind in ("tools", "system"):
        if kind in (old, new):
            return kind
    # What comes now is the news; what was at the end last time is gone in any case.
    return next((kind for kind in (new, old) if kind in _ASIDES), "message")


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
    said = _json(tools.value)
    return "tools", hash(said), len(said)


_SEED = "agentlanes"
_json = json.JSONEncoder(ensure_ascii=False, default=str).encode  # made once: it takes a while
