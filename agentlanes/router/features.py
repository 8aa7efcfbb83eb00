"""What the gate sees of a text and of a step: counts that cost microseconds.

A text is cut into words once; every word is looked up in `agentlanes.router.lexicon`. What the
words cannot say (formulas, options of a multiple-choice question, the shape of code) comes from a
few patterns, each linear in the text's length. All counts are damped, so that the hundredth
number in a text says hardly more than the tenth.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from math import log2

from agentlanes.router.lexicon import LEXICON, NOT_SUPERLATIVE, PHRASES, expand
from agentlanes.router.router import StepFeatures

__all__ = ["TextReader", "clip", "option_marks", "step_features"]

_HEAD_CHARS, _TAIL_CHARS = 6_000, 2_000
_CAP = 15  # past this, more of a sign says no more
_CAP_WORDS = 255

_TOKEN = re.compile(r"[a-z]+(?:['-][a-z]+)*(?:\+\+)?|\d+(?:[.,/:]\d+)*|[^\sa-z\d]")
_OPTION = re.compile(r"^[ \t]*\(?([A-Ja-j])[.):](?=\s)", re.MULTILINE)
_NUMERIC = re.compile(r"[ \t]*\(?[A-Ja-j][.):]\s{1,3}[-$(~]{0,2}\d")
_FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_CODE_LINE = re.compile(
    r"^([ \t]*)(?:(def|class|async|function|public|private|static|void|int|import|from|#include)\b"
    r"|(for|while|if|elif|else|try|except|with|case|switch|match|catch)\b[^\n]*[:{)]\s*$"
    r"|(return|yield|raise|break|continue|print|throw)\b"
    r"|[\w.\[\]]+(?:, ?[\w.\[\]]+)* ?[-+*/|&]?= ?\S)",
    re.MULTILINE,
)
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]+")
_SYMBOLS = frozenset("=<>≤≥∀∃∧∨¬→↔⊕^√∑∫∏∈⊂∪∩≡\\|+*")  # noqa: RUF001


def clip(text: str) -> str:
    """Cut the middle out of a text over 8,000 characters, so that scoring stays quick."""
    if len(text) <= _HEAD_CHARS + _TAIL_CHARS:
        return text
    return text[: _HEAD_CHARS - 1] + "\n" + text[-_TAIL_CHARS:]


def _damp(count: float, cap: int = _CAP) -> float:
    return log2(1 + min(count, cap))


class TextReader:
    """Reads the features of a text. Make one and keep it: it holds the lexicon, ready to use."""

    __slots__ = ("_lists", "_names", "_phrases")

    def __init__(self) -> None:
        self._lists = expand()
        self._names = tuple(LEXICON)
        self._phrases = tuple((n, tuple(p.split("|"))) for n, p in PHRASES.items())

    def read(self, text: str) -> dict[str, float]:
        """Give every feature of a text, by name. All are 0 or more.

        Of a text over 8,000 characters only the first 6,000 and the last 2,000 are read.

        Example:
            >>> TextReader().read("Which shop sells the most but not the cheapest?")["set"]
            1.0
        """
        text = clip(text)
        prose = _FENCED.sub("\n", text) if "```" in text else text
        code = _code(text)
        stem, options = _options(prose)
        lower = stem.lower()
        tokens = _TOKEN.findall(lower)
        counts = Counter(tokens)
        found = self._words(counts)
        found |= self._phrases_in(lower)
        found |= _shape(stem, tokens, counts)
        found |= code
        found |= options
        return found

    def _words(self, counts: Mapping[str, int]) -> dict[str, float]:
        lists = self._lists
        sums = [0] * len(self._names)
        est = 0
        for word, n in counts.items():
            if word in lists:
                for number in lists[word]:
                    sums[number] += n
            elif word.endswith("est") and len(word) > 4 and word not in NOT_SUPERLATIVE:
                est += n
        found = {name: _damp(n) for name, n in zip(self._names, sums, strict=True)}
        found["superlative"] = _damp(sums[self._names.index("superlative")] + est)
        return found

    def _phrases_in(self, lower: str) -> dict[str, float]:
        return {
            f"phrase {name}": _damp(sum(lower.count(phrase) for phrase in phrases))
            for name, phrases in self._phrases
        }


def _shape(stem: str, tokens: list[str], counts: Mapping[str, int]) -> dict[str, float]:
    words = numbers = formulas = depth = deepest = letters = 0
    distinct: set[str] = set()
    for token in tokens:
        first = token[0]
        if first.isalpha():
            words += 1
            letters += len(token)
        elif first.isdigit():
            numbers += 1
            distinct.add(token)
        elif first in _SYMBOLS:
            formulas += 1
        elif first in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif first in ")]}":
            depth = max(0, depth - 1)
    sentences = counts.get(".", 0) + counts.get("?", 0) + counts.get("!", 0) + counts.get(";", 0)
    names = _NAME.findall(stem)
    return {
        "words": _damp(words, _CAP_WORDS),
        "word length": letters / words if words else 0.0,
        "numbers": _damp(numbers),
        "distinct numbers": _damp(len(distinct)),
        "formulas": _damp(formulas, 31),
        "latex": _damp(counts.get("\\", 0) + counts.get("$", 0) / 2),
        "percent": _damp(counts.get("%", 0)),
        "money": _damp(counts.get("$", 0) if not counts.get("\\", 0) else 0),
        "brackets": _damp(deepest),
        "sentences": _damp(sentences, 31),
        "questions": _damp(counts.get("?", 0)),
        "commas": _damp(counts.get(",", 0)),
        "quotes": _damp(counts.get('"', 0) + counts.get("'", 0)),
        "lines": _damp(stem.count("\n"), 63),
        "names": _damp(len(set(names))),
        "repeats": 1 - len(counts) / len(tokens) if tokens else 0.0,
    }


def _code(text: str) -> dict[str, float]:
    lines = branches = deepest = exits = 0
    for match in _CODE_LINE.finditer(text):
        lines += 1
        indent = match.group(1)
        deepest = max(deepest, len(indent.expandtabs(4)) // 4)
        branches += match.group(3) is not None
        exits += match.group(4) is not None
    if lines < 2:
        lines = branches = deepest = exits = 0
    return {
        "code lines": _damp(lines, 63),
        "code branches": _damp(branches, 31),
        "code depth": _damp(deepest),
        "code exits": _damp(exits),
    }


def _options(text: str) -> tuple[str, dict[str, float]]:
    """Part the options of a multiple-choice question from what is asked."""
    marks = option_marks(text)
    if not marks:
        return text, {"options": 0.0, "option words": 0.0, "option numbers": 0.0}
    start = marks[0]
    body = text[start:]
    n = len(marks)
    words = len(body.split()) - n
    numeric = sum(_NUMERIC.match(text, mark) is not None for mark in marks)
    return text[:start], {
        "options": 1.0,
        "option words": _damp(words / n),
        "option numbers": numeric / n,
    }


def option_marks(text: str) -> list[int]:
    r"""Give where the options of a multiple-choice question begin; none if it has fewer than two.

    Example:
        >>> option_marks("Which one?\\nA. this\nB. that")
        [11, 19]
    """
    marks = list(_OPTION.finditer(text))
    if len(marks) < 2 or marks[0].group(1) not in "Aa":
        return []
    return [mark.start() for mark in marks]


def step_features(step: StepFeatures) -> dict[str, float]:
    """Give a step's features on the same damped scale as the text's."""
    return {
        "tool loop": float(not step.new_user_turn),
        "tools": log2(1 + max(0, step.n_tools)),
        "required params": log2(1 + max(0, step.n_required_params)),
        "plan steps left": log2(1 + max(0, step.pending_plan_steps)),
        "context": log2(1 + max(0, step.context_tokens) / 4096),
        "irreversible": float(step.irreversible_reachable),
        "tool errors": log2(1 + max(0, step.recent_tool_errors)),
        "repeated calls": log2(1 + max(0, step.repeated_calls)),
        "refused proposals": log2(1 + max(0, step.failed_validations)),
    }
