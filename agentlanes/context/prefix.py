"""How much of a lane's prompt is what the lane was shown last time, and why it stops being so.

An endpoint keeps the KV cache of what it has read, and reads a prompt anew only from the first byte
that differs (prefix caching: Kwon et al., PagedAttention, arXiv:2309.06180; Zheng et al., SGLang,
arXiv:2312.07104). So what a lane is shown should grow at its end and change nowhere else.

Until its window is settled a prompt's messages are kept, since of one that goes on from the one
before only what is new has to be read. After that a chain of hashes, one a message, tells it from
others and holds no content. All of it stays in the memory of the process (`PromptNotes`); a
checkpoint holds the key of a prompt at most.
"""

from __future__ import annotations

import functools
import itertools
import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypedDict

from langchain_core.messages import BaseMessage

from agentlanes.context.per_message import PerMessage
from agentlanes.context.prompts import ASIDE_PREFIXES
from agentlanes.context.same import Same

__all__ = ["BREAKS", "PromptNotes", "Shared"]

_ASIDES = ("proposal", "plan step", "correction", "conclusion", "work", "draft")
_ASIDE_OF = tuple(zip(ASIDE_PREFIXES, _ASIDES, strict=True))
_KINDS = {"human": "user", "ai": "assistant"}


Part = tuple[str, int, int]
Chain = list[Part]
"""What a lane was shown, without saying it: `(kind, hash, characters)` of each part, in order.

Python salts its hashes, in every process in another way, so a chain means nothing elsewhere.
"""

_SIZE = itemgetter(2)

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


class _Noted:
    """A prompt that was noted.

    Attributes:
        messages: Its messages, for as long as its window may be open.
        tools: Its tools, likewise.
        parts: How many messages it is counted as.
        last: Its last part; `None` until it is read, as what follows is unset until then.
        trunk: Its parts but the last, and then those that prompts which go on from it have added.
        upto: How many of these are its own.
        chars: Its characters.
    """

    __slots__ = ("chars", "last", "messages", "parts", "tools", "trunk", "upto")

    trunk: Chain
    upto: int
    chars: int

    def __init__(self, messages: Sequence[BaseMessage], tools: Sequence[Any]) -> None:
        self.messages, self.tools, self.parts = messages, tools, len(messages)
        self.last: Part | None = None


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
        self._noted[key] = noted = _Noted(messages, tools)
        self._open[key] = None
        self._kept += noted.parts
        if self._kept > self._keeps:
            self._forget_oldest()
        if len(self._open) > _KEPT_OPEN:
            self.close([next(iter(self._open))])
        return key

    def compare(self, before: object, now: str) -> Shared | None:
        """Say how much of a noted prompt is the beginning of another.

        Args:
            before: Key of the earlier one; `None` where there was none.
            now: Key of the later one.

        Returns:
            `None` where that is unknown: another process noted one of them, or it is forgotten.
        """
        return self.comparing()(before, now)

    def comparing(self) -> Callable[[object, str], Shared | None]:
        """Give what compares as `compare` does, and reads a message of several prompts once.

        It is for those of one window, before any is forgotten.
        """
        return functools.partial(self._compare, {})

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
            if noted is not None:
                self._kept -= noted.parts

    def __len__(self) -> int:
        return len(self._noted)

    def _forget_oldest(self) -> None:
        while self._kept > self._keeps and len(self._noted) > 1:
            self.forget([next(iter(self._noted))])

    def _compare(self, read: dict[int, Part], before: object, now: str) -> Shared | None:
        later = self._noted.get(now)
        if later is None:
            return None
        if before is None:
            self._read(later)
            return {"shared_chars": 0, "total_chars": later.chars, "broke": "first"}
        # An older release's checkpoint holds a chain in the place of a key.
        earlier = self._noted.get(before) if isinstance(before, str) else None
        if earlier is None:
            return None
        on = _going_on(earlier, later, read)
        return on or _compared(self._read(earlier), self._read(later))

    def _read(self, noted: _Noted) -> Chain:
        """Give all parts of a prompt; they are read once."""
        if noted.last is not None:
            return [*noted.trunk[: noted.upto], noted.last]
        shown = noted.messages
        chain = [_tools_part(Same(noted.tools))] if noted.tools else []
        # The first and the last are made for this prompt alone; the rest is the transcript.
        chain += [*map(_part, shown[:-1][:1]), *self._parts.of(shown[1:-1])]
        chain += [_as_last(_part(message), message) for message in shown[-1:]]
        noted.trunk, noted.upto, noted.chars = chain[:-1], len(chain) - 1, _chars(chain)
        noted.last = chain[-1] if chain else None
        return chain


def _going_on(before: _Noted, now: _Noted, read: dict[int, Part]) -> Shared | None:
    """Compare a prompt with one that it goes on from, by what is new in it.

    Args:
        before: The earlier prompt.
        now: The later one.
        read: Parts that were read, by the id of their message. The messages are still noted.

    Returns:
        `None` where it does not go on from it, or where both have to be read to know.
    """
    old, new, was = before.messages, now.messages, before.last
    end = len(old) - 1
    if was is None or before.tools is not now.tools or not 0 < end < len(new):
        return None
    if old[:end] != new[:end]:  # quick, since these are mostly the same messages
        return None
    came: Chain = []
    for message in new[end:]:
        part = read.get(id(message))
        if part is None:
            part = read[id(message)] = _part(message)
        came.append(part)
    came[-1] = now.last = _as_last(came[-1], new[-1])
    trunk, shared = before.trunk, before.chars
    if len(trunk) > before.upto:  # another prompt has gone on from there
        trunk = trunk[: before.upto]
    trunk += came[:-1]
    now.trunk, now.upto = trunk, len(trunk)
    now.chars = chars = shared - was[2] + _chars(came)
    if came[0] == was:
        return {"shared_chars": shared, "total_chars": chars, "broke": None}
    broke = _cause(was[0], came[0][0])
    return {"shared_chars": shared - was[2], "total_chars": chars, "broke": broke}


def _compared(old: Chain, new: Chain) -> Shared:
    at, ends = 0, min(len(old), len(new))
    while at < ends and old[at] == new[at]:
        at += 1
    return {
        "shared_chars": _chars(new[:at]),
        "total_chars": _chars(new),
        "broke": None if at == ends else _cause(old[at][0], new[at][0]),
    }


def _chars(parts: Chain) -> int:
    return sum(map(_SIZE, parts))


def _part(message: BaseMessage) -> Part:
    content, kind = message.content, message.type
    text = content if isinstance(content, str) else _json(content)
    said, size = hash(text), len(text)
    if kind == "ai":
        for call in message.tool_calls:  # type: ignore[attr-defined]
            asked = f"{call['id']}{call['name']}{call['args']}"
            said, size = hash((said, asked)), size + len(asked)
    return _KINDS.get(kind, kind), said, size


def _as_last(part: Part, message: BaseMessage) -> Part:
    """Give the part of a message that a prompt ends with, which may be an aside."""
    return (_aside(message), *part[1:]) if part[0] == "user" else part


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
