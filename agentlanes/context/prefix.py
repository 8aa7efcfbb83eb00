"""How much of a lane's prompt is what the lane was shown last time, and why it stops being so.

An endpoint keeps the KV cache of what it has read, and reads a prompt anew only from the first byte
that differs (prefix caching: Kwon et al., PagedAttention, arXiv:2309.06180; Zheng et al., SGLang,
arXiv:2312.07104). So what a lane is shown should grow at its end and change nowhere else. A prompt
is noted as a chain of hashes, one a message, which tells two prompts apart and holds no content.
Chains stay in the memory of the process (`PromptNotes`); a checkpoint holds the key of one at most.
"""

from __future__ import annotations

import functools
import itertools
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict, cast

from langchain_core.messages import AIMessage, BaseMessage

from agentlanes.context.per_message import PerMessage
from agentlanes.context.prompts import ASIDE_PREFIXES
from agentlanes.context.same import Same

__all__ = ["BREAKS", "PromptNotes", "Shared"]

_ASIDES = ("correction", "conclusion", "plan step", "proposal", "work", "draft")
_KINDS = {"human": "user", "ai": "assistant"}


Part = tuple[str, int, int]
Chain = list[Part]
"""What a lane was shown, without saying it: `(kind, hash, characters)` of each part, in order.

Python salts its hashes, in every process in another way, so a chain means nothing elsewhere.
"""

_KEPT_PARTS = 200_000


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


class PromptNotes:
    """What the lanes of one agent were shown, for as long as this process remembers.

    Costs about 0.1 microseconds a message that was shown before, and one for a new one.

    Args:
        keeps: Messages of all noted prompts together; the oldest prompts are forgotten first.

    Example:
        >>> from langchain_core.messages import HumanMessage
        >>> notes = PromptNotes()
        >>> first = notes.note([HumanMessage("Hello.")])
        >>> second = notes.note([HumanMessage("Hello."), HumanMessage("Well?")])
        >>> notes.compare(first, second)
        {'shared_chars': 6, 'total_chars': 11, 'broke': None}
        >>> notes.compare("of another process", second) is None
        True
    """

    def __init__(self, *, keeps: int = _KEPT_PARTS) -> None:
        self._parts = PerMessage(_part)
        self._chains: dict[str, Chain] = {}
        self._kept, self._keeps = 0, keeps
        self._name, self._numbers = uuid.uuid4().hex[:12], itertools.count()

    def note(self, messages: Sequence[BaseMessage], tools: Sequence[Any] = ()) -> str:
        """Note what a lane is shown, and give the key of the note: short, and good for a state.

        Args:
            messages: The prompt's messages. Their ids do not count, since they are not sent.
            tools: The tools as they are bound to the model. The same list is read once.
        """
        key = f"{self._name}.{next(self._numbers)}"
        # The first and the last are made for this prompt alone; the rest is the transcript.
        parts = [*map(_part, messages[:1]), *self._parts.of(messages[1:-1])]
        parts += map(_part, messages[1:][-1:])
        chain = self._chains[key] = _chain(messages, parts, tools)
        self._kept += len(chain)
        while self._kept > self._keeps and len(self._chains) > 1:
            self.forget([next(iter(self._chains))])
        return key

    def compare(self, before: object, now: object) -> Shared | None:
        """Say how much of a noted prompt is the beginning of another.

        Args:
            before: Key of the earlier one; `None` where there was none.
            now: Key of the later one.

        Returns:
            `None` where that is unknown: another process noted one of them, or it is forgotten.
        """
        earlier, later = self._get(before), self._get(now)
        if later is None or (earlier is None and before is not None):
            return None
        return _compare(earlier, later)

    def forget(self, keys: Iterable[str]) -> None:
        """Forget prompts that nothing will be compared with."""
        for key in keys:
            self._kept -= len(self._chains.pop(key, ()))

    def __len__(self) -> int:
        return len(self._chains)

    def _get(self, key: object) -> Chain | None:
        # An older release's checkpoint holds a chain in the place of its key.
        return self._chains.get(key) if isinstance(key, str) else None


def _compare(before: Chain | None, now: Chain) -> Shared:
    total = sum([size for _, _, size in now])
    if before is None:
        return Shared(shared_chars=0, total_chars=total, broke="first")
    at = min(len(before), len(now))
    ended = before[:at] == now[:at]
    if not ended:
        pairs = zip(before, now, strict=False)
        at = next(place for place, (old, new) in enumerate(pairs) if old != new)
    shared = total - sum([size for _, _, size in now[at:]])
    broke = None if ended else _cause(before[at][0], now[at][0])
    return Shared(shared_chars=shared, total_chars=total, broke=broke)


def _chain(messages: Sequence[BaseMessage], parts: Chain, tools: Sequence[Any]) -> Chain:
    if messages and messages[-1].type == "human":
        _, said, size = parts[-1]
        parts[-1] = (_aside(messages[-1]), said, size)
    return [_tools_part(Same(tools)), *parts] if tools else parts


def _part(message: BaseMessage) -> Part:
    content, kind = message.content, message.type
    text = content if isinstance(content, str) else _json(content)
    said, size = hash(text), len(text)
    if kind == "ai":
        for call in cast("AIMessage", message).tool_calls:
            asked = f"{call['id']}{call['name']}{call['args']}"
            said, size = hash((said, asked)), size + len(asked)
    return _KINDS.get(kind, kind), said, size


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


@functools.lru_cache(maxsize=64)
def _tools_part(tools: Same[Sequence[Any]]) -> Part:
    said = _json(tools.value)
    return "tools", hash(said), len(said)


_json = json.JSONEncoder(ensure_ascii=False, default=str).encode  # made once: it takes a while
