"""How much of a lane's prompt is what the lane was shown last time, and why it stops being so.

An endpoint keeps the KV cache of what it has read, and reads a prompt anew only from the first byte
that differs (prefix caching: Kwon et al., PagedAttention, arXiv:2309.06180; Zheng et al., SGLang,
arXiv:2312.07104). So what a lane is shown should grow at its end and change nowhere else.

A prompt is read when it is compared: a chain of hashes, one a message, tells two prompts apart and
holds no content. Until its window is settled the messages themselves are kept, since a prompt that
goes on from the one before is then read from there. All of it stays in the memory of the process
(`PromptNotes`); a checkpoint holds the key of a prompt at most.
"""

from __future__ import annotations

import functools
import itertools
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import is_
from typing import Any, TypedDict

from langchain_core.messages import BaseMessage

from agentlanes.context.per_message import PerMessage
from agentlanes.context.prompts import ASIDE_PREFIXES
from agentlanes.context.same import Same

__all__ = ["BREAKS", "PromptNotes", "Shared"]

_ASIDES = ("correction", "conclusion", "plan step", "proposal", "work", "draft")
_ASIDE_OF = tuple(zip(ASIDE_PREFIXES, _ASIDES, strict=True))
_KINDS = {"human": "user", "ai": "assistant"}


Part = tuple[str, int, int]
Chain = list[Part]
"""What a lane was shown, without saying it: `(kind, hash, characters)` of each part, in order.

Python salts its hashes, in every process in another way, so a chain means nothing elsewhere.
"""

_KEPT_PARTS = 200_000
_KEPT_OPEN = 256  # prompts whose messages are kept: those of windows that are open


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


@dataclass(slots=True)
class _Noted:
    """A prompt that was noted.

    Attributes:
        messages: Its messages, for as long as its window may be open.
        tools: Its tools, likewise.
        parts: How many parts it is counted as.
        chain: What was read of it.
        chars: Its characters, as far as it was read.
    """

    messages: Sequence[BaseMessage]
    tools: Sequence[Any]
    parts: int
    chain: Chain | None = None
    chars: int = 0


class PromptNotes:
    """What the lanes of one agent were shown, for as long as this process remembers.

    To note a prompt costs the same however long it is. To compare it with one that it goes on from
    costs what is new in it, and with another about 0.1 microseconds a message.

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
        self._noted: dict[str, _Noted] = {}
        self._open: dict[str, None] = {}
        self._kept, self._keeps = 0, keeps
        self._name, self._numbers = uuid.uuid4().hex[:12], itertools.count()

    def note(self, messages: Sequence[BaseMessage], tools: Sequence[Any] = ()) -> str:
        """Note what a lane is shown, and give the key of the note: short, and good for a state.

        Args:
            messages: The prompt's messages, which must not change afterwards. Their ids do not
                count, since they are not sent.
            tools: The tools as they are bound to the model. The same list is read once.
        """
        key = f"{self._name}.{next(self._numbers)}"
        parts = len(messages) + (1 if tools else 0)
        self._noted[key] = _Noted(messages, tools, parts)
        self._open[key] = None
        self._kept += parts
        while self._kept > self._keeps and len(self._noted) > 1:
            self.forget([next(iter(self._noted))])
        if len(self._open) > _KEPT_OPEN:
            self.close([next(iter(self._open))])
        return key

    def compare(self, before: object, now: object) -> Shared | None:
        """Say how much of a noted prompt is the beginning of another.

        Args:
            before: Key of the earlier one; `None` where there was none.
            now: Key of the later one.

        Returns:
            `None` where that is unknown: another process noted one of them, or it is forgotten.
        """
        # An older release's checkpoint holds a chain in the place of a key.
        earlier = self._noted.get(before) if isinstance(before, str) else None
        later = self._noted.get(now) if isinstance(now, str) else None
        if later is None or (earlier is None and before is not None):
            return None
        if earlier is None:
            self._read(later)
            return Shared(shared_chars=0, total_chars=later.chars, broke="first")
        old = self._read(earlier)
        at = 0 if later.chain is not None else _go_on(earlier, old, later)
        new = self._read(later)
        ends = min(len(old), len(new))
        while at < ends and old[at] == new[at]:
            at += 1
        return {
            "shared_chars": later.chars - _chars(new[at:]),
            "total_chars": later.chars,
            "broke": None if at == ends else _cause(old[at][0], new[at][0]),
        }

    def close(self, keys: Iterable[str]) -> None:
        """Keep no messages of prompts, which can still be compared: their windows are settled."""
        for key in keys:
            self._open.pop(key, None)
            noted = self._noted.get(key)
            if noted is not None:
                self._read(noted)
                noted.messages = noted.tools = ()

    def forget(self, keys: Iterable[str]) -> None:
        """Forget prompts that nothing will be compared with."""
        for key in keys:
            self._open.pop(key, None)
            noted = self._noted.pop(key, None)
            self._kept -= noted.parts if noted is not None else 0

    def __len__(self) -> int:
        return len(self._noted)

    def _read(self, noted: _Noted) -> Chain:
        """Read all of a prompt, unless it was read before."""
        if noted.chain is None:
            shown = noted.messages
            # The first and the last are made for this prompt alone; the rest is the transcript.
            chain = [*map(_part, shown[:1]), *self._parts.of(shown[1:-1])]
            chain += map(_part, shown[1:][-1:])
            _name_last(chain, shown)
            noted.chain = [_tools_part(Same(noted.tools)), *chain] if noted.tools else chain
            noted.chars = _chars(noted.chain)
        return noted.chain


def _go_on(before: _Noted, old: Chain, now: _Noted) -> int:
    """Read a prompt from where it goes on from another, if it does.

    Returns:
        How many parts of the two are the same: all of the earlier one's but its last, or none.
    """
    shown, first = before.messages, 1 if now.tools else 0
    least = len(shown) - 1
    if least < 1 or least >= len(now.messages) or before.tools is not now.tools:
        return 0
    # The system prompt is a new message each time, and the transcript the same messages.
    same = old[first] == _part(now.messages[0])
    if not same or not all(map(is_, shown[1:least], now.messages[1:least])):
        return 0
    read = [_part(message) for message in now.messages[least:]]
    _name_last(read, now.messages)
    now.chain = old[: first + least] + read
    now.chars = before.chars - old[-1][2] + _chars(read)
    return first + least


def _name_last(parts: Chain, messages: Sequence[BaseMessage]) -> None:
    """Say of what a prompt ends with whether it is the user's or an aside."""
    if messages and messages[-1].type == "human":
        parts[-1] = (_aside(messages[-1]), *parts[-1][1:])


def _chars(parts: Chain) -> int:
    return sum([size for _, _, size in parts])


def _part(message: BaseMessage) -> Part:
    content, kind = message.content, message.type
    text = content if isinstance(content, str) else _json(content)
    said, size = hash(text), len(text)
    if kind == "ai":
        for call in message.tool_calls:  # type: ignore[attr-defined]
            asked = f"{call['id']}{call['name']}{call['args']}"
            said, size = hash((said, asked)), size + len(asked)
    return _KINDS.get(kind, kind), said, size


def _cause(old: str, new: str) -> str:
    for kind in ("tools", "system"):
        if kind in (old, new):
            return kind
    # What comes now is the news; what was at the end last time is gone in any case.
    for kind in (new, old):
        if kind in _ASIDES:
            return kind
    return "message"


def _aside(message: BaseMessage) -> str:
    content = message.content
    if isinstance(content, str):
        for prefix, kind in _ASIDE_OF:
            if content.startswith(prefix):
                return kind
    return "user"


@functools.lru_cache(maxsize=64)
def _tools_part(tools: Same[Sequence[Any]]) -> Part:
    said = _json(tools.value)
    return "tools", hash(said), len(said)


_json = json.JSONEncoder(ensure_ascii=False, default=str).encode  # made once: it takes a while
