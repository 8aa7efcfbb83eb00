"""Where an argument's value comes from: the conversation, the tool's own schema, or nowhere.

A small model that lacks a value makes one up, and a made-up value is well-formed. What can be seen
without another model is whether a value was said: in the request, in an earlier result, or by the
tool itself as a default or a choice. Pure, standard library only, tens of microseconds a call.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

__all__ = ["Grounds", "default_of", "leaves"]

_WORD = re.compile(r"[^\W_]+")
_MONTHS = _WORD.findall(
    "january february march april may june july august september october november december"
)
_UNITS = _WORD.findall(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_TENS = _WORD.findall("twenty thirty forty fifty sixty seventy eighty ninety")
_WORDS: Mapping[str, float] = {
    **{word: float(n) for n, word in enumerate(_UNITS)},
    **{word: 10.0 * n for n, word in enumerate(_TENS, start=2)},
    **{"first": 1.0, "second": 2.0, "third": 3.0, "fourth": 4.0, "fifth": 5.0},
    **{"half": 0.5, "quarter": 0.25, "dozen": 12.0, "once": 1.0, "twice": 2.0, "couple": 2.0},
    **{month: float(n) for n, month in enumerate(_MONTHS, start=1)},
    **{month[:3]: float(n) for n, month in enumerate(_MONTHS, start=1)},
}
_SCALES: Mapping[str, float] = {
    "hundred": 100.0,
    "thousand": 1e3,
    "k": 1e3,
    "million": 1e6,
    "m": 1e6,
    "billion": 1e9,
}
_NUMBER = re.compile(r"(?<![\w.])(-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|-?\.\d+)(%|[a-z]+)?", re.I)
_TOLD = r"(?:'([^']*)'|\"([^\"]*)\"|`([^`]*)`|([^\s'\"`,;()]+))"
_DEFAULT = re.compile(
    rf"\bdefaults?(?:\s+(?:value|is|to|of|=)|\s*[:=])*\s*{_TOLD}"
    rf"|{_TOLD}\s+(?:as|by)\s+(?:the\s+|a\s+)?default\b",
    re.IGNORECASE,
)
_DERIVED = (0.01, 0.001, 1e-6, 1 / 60, 1 / 3600, 60.0, 100.0, 1000.0, 3600.0, 86400.0)
_CONVERTED = 0.4
"""How made up a number looks that is a said one in another unit."""
_ABBREVIATED = 0.2
"""How made up `EUR` looks where `euros` were said."""


class Grounds:
    """What a call's arguments can come from.

    Args:
        texts: What was said before the call: the user's words, earlier results.

    Example:
        >>> said = Grounds(["Book a table for two at Luigi's on 5 March 2024"])
        >>> said.made_up("Luigi's"), said.made_up(2), said.made_up("2024-03-05")
        (0.0, 0.0, 0.0)
        >>> said.made_up("Mario's")
        1.0
    """

    def __init__(self, texts: Iterable[str]) -> None:
        text = "\n".join(texts)
        self._squashed = _squash(text)
        self._order = _words(text)
        self._words = frozenset(self._order)
        self._stems = frozenset(map(_stem, self._words))
        self._numbers = frozenset(_numbers(text))
        self.text = text

    def made_up(self, value: Any) -> float:
        """Say how little of a value was said: 0 all of it, 1 nothing.

        Texts count by their words, dates by their parts, lists and objects by their worst member;
        truth values and `None` say nothing and count as said.
        """
        if value is None or isinstance(value, bool):
            return 0.0
        if isinstance(value, int | float):
            return self._number(value)
        if isinstance(value, str):
            return self._text(value)
        return max((self.made_up(leaf) for leaf in leaves(value)), default=0.0)

    def mentions(self, name: str) -> bool:
        """Say whether a word of an identifier, such as a parameter's name, was said."""
        return any(_stem(word) in self._stems for word in _words(_apart(name)) if len(word) > 2)

    def share(self, text: str) -> float:
        """Give the share of a description's words that were said, 0 to 1."""
        words = {_stem(word) for word in _words(_apart(text)) if len(word) > 2}
        return len(words & self._stems) / len(words) if words else 0.0

    def unused(self, args: Mapping[str, Any]) -> int:
        """Count the numbers and the quoted or capitalised names said that no argument has."""
        used = Grounds(str(leaf) for leaf in leaves(args))
        numbers = {n for n in _said_numbers(self.text) if used._number(n) > _CONVERTED}
        names = {name for name in _names(self.text) if used._text(name) > 0.5}
        return len(numbers) + len(names)

    def _number(self, given: float) -> float:
        try:
            value = float(given)
        except OverflowError:  # an integer beyond every float
            return 1.0
        if value in self._numbers or -value in self._numbers:
            return 0.0
        near = (n * factor for n in self._numbers for factor in _DERIVED)
        return _CONVERTED if any(math.isclose(value, n, rel_tol=1e-6) for n in near) else 1.0

    def _text(self, value: str) -> float:
        squashed = _squash(value)
        if not squashed:
            return 1.0
        if squashed in self._squashed and (len(squashed) > 3 or squashed in self._words):
            return 0.0
        if value.isupper() and _abbreviates(squashed, self._order):
            return _ABBREVIATED
        words = [w for w in _words(_apart(value)) if len(w) > 1 or w.isdecimal()]
        if not words:
            return 0.0 if squashed in self._words else 1.0
        return sum(not self._said(word) for word in words) / len(words)

    def _said(self, word: str) -> bool:
        if word.isdecimal():
            return float(word) in self._numbers
        if word in self._words or _stem(word) in self._stems:
            return True
        return _WORDS.get(word) in self._numbers if word in _WORDS else False


def leaves(value: Any) -> Iterator[Any]:
    """Give the single values in an argument, in order."""
    if isinstance(value, Mapping):
        for member in value.values():
            yield from leaves(member)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from leaves(member)
    else:
        yield value


def default_of(schema: Mapping[str, Any]) -> Any:
    """Give a parameter's default: the schema's, or the one its description tells, else `None`.

    Example:
        >>> default_of({"type": "integer", "description": "Number of results. Default is 5."})
        5
    """
    if "default" in schema:
        return schema["default"]
    found = _DEFAULT.search(str(schema.get("description") or ""))
    if found is None:
        return None
    told = next(group for group in found.groups() if group is not None).rstrip(".")
    kind = schema.get("type")
    if kind in ("integer", "number"):
        try:
            number = float(told)
        except ValueError:
            return None
        return int(number) if number.is_integer() else number
    if kind == "boolean":
        return {"true": True, "false": False}.get(told.lower())
    return told if kind == "string" else None


def _abbreviates(short: str, words: Sequence[str]) -> bool:
    """Say whether letters are the beginnings of words in a row: `cad` of `canadian dollars`."""

    def fits(rest: str, at: int) -> bool:
        if not rest:
            return True
        if at == len(words) or words[at][0] != rest[0]:
            return False
        shared = 0
        while shared < min(len(rest), len(words[at])) and rest[shared] == words[at][shared]:
            shared += 1
        return any(fits(rest[taken:], at + 1) for taken in range(shared, 0, -1))

    return 2 <= len(short) <= 5 and any(fits(short, at) for at in range(len(words)))


def _squash(text: str) -> str:
    return "".join(_WORD.findall(text.lower()))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _apart(name: str) -> str:
    """Put the words of an identifier apart: `sortBy`, `sort_by` and `sort.by` read `sort by`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[_.]", " ", name)


def _stem(word: str) -> str:
    """Cut endings, so that `booking` and `books` are `book`."""
    if len(word) < 4:
        return word
    for ending in ("ations", "ation", "ings", "ing", "ies", "es", "ed", "ly", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _numbers(text: str) -> Iterator[float]:
    """Give every number a text says, in digits or words, and what it may stand for."""
    lower = text.lower()
    for found in _NUMBER.finditer(lower):
        value = float(found[1].replace(",", ""))
        yield value
        unit = found[2] or ""
        if unit == "%":
            yield round(value / 100, 12)
        scale = unit or (re.match(r"\s*([a-z%]+)", lower[found.end() :]) or ["", ""])[1]
        if scale in ("percent", "%"):
            yield round(value / 100, 12)
        elif scale in _SCALES:
            yield value * _SCALES[scale]
    for run in re.findall(r"\d+", lower):  # parts of dates, versions, codes
        yield float(run)
    before = 0.0
    for word in re.findall(r"[a-z]+", lower):
        value = _WORDS.get(word, 0.0)
        if word in _SCALES and before:
            yield before * _SCALES[word]
        elif word in _WORDS:
            yield value
            if before >= 20 and value < 10:
                yield before + value
        before = value


def _said_numbers(text: str) -> Iterator[float]:
    for found in _NUMBER.finditer(text):
        yield float(found[1].replace(",", ""))


def _names(text: str) -> Iterator[str]:
    """Give quoted texts, and capitalised words that do not begin a sentence."""
    for found in re.finditer(r"\"([^\"\n]{1,60})\"|(?<!\w)'([^'\n]{1,60})'(?!\w)", text):
        yield found[1] or found[2]
    for found in re.finditer(r"(?<=[a-z,;] )[A-Z][\w-]+(?: [A-Z][\w-]+)*", text):
        if found[0] not in ("I",) and found[0].lower() not in _WORDS:
            yield found[0]
