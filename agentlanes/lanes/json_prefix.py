"""Whether a text can still become one strict JSON object, as it comes in. Pure.

What cannot is given up at its first wrong character. What can is shown only up to a place where
closing its open brackets would make it valid: langchain-core runs `parse_partial_json` on what a
stream has given so far, and that takes quadratic time on anything else (8,000 characters: two
seconds, in which the event loop stands still).
"""

from __future__ import annotations

import re
from typing import Literal

from agentlanes.lanes.strict_json import MAX_DEPTH

__all__ = ["JsonPrefix"]

_State = Literal["value", "first", "key", "colon", "more", "string", "name", "scalar", "end"]

_SPACE = re.compile(r"[ \t\r\n]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_SCALAR = re.compile(r"[-+.0-9A-Za-z]*")
_COMPLETE = re.compile(
    r"(?:true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)\Z"
)
_HEX = re.compile(r"[0-9a-fA-F]{0,4}")


class JsonPrefix:
    """Follows one JSON object, piece by piece.

    Example:
        >>> prefix = JsonPrefix()
        >>> [prefix.feed(piece) for piece in ('{"ci', 'ty": "Zü', 'rich"', "}")]
        ['{', '"city": "Zü', 'rich"', '}']
        >>> prefix.feed(" again")
        Traceback (most recent call last):
        ...
        ValueError: 'a' cannot stand here
    """

    def __init__(self) -> None:
        self._state: _State = "value"
        self._open: list[str] = []
        self._escape = ""  # of a string: what has come of an escape sequence
        self._scalar = ""
        self._held = ""

    @property
    def held(self) -> str:
        """What has been taken but not given."""
        return self._held

    def feed(self, text: str) -> str:
        """Take further text; give what can be shown now, what was held back before included.

        Raises:
            ValueError: It can no longer become a JSON object.
        """
        at = safe = 0
        while at < len(text):
            at = self._step(text, at)
            if self._safe():
                safe = at
        if not safe:
            self._held += text
            return ""
        shown, self._held = self._held + text[:safe], text[safe:]
        return shown

    def _safe(self) -> bool:
        if self._state == "string":
            return not self._escape
        return self._state in ("first", "more", "end")

    def _step(self, text: str, at: int) -> int:
        if self._state in ("string", "name"):
            return self._in_string(text, at)
        if self._state == "scalar":
            found = _SCALAR.match(text, at)
            end = found.end() if found else at
            self._scalar += text[at:end]
            if end < len(text):
                self._end_scalar()
            return end
        start = _SPACE.match(text, at)
        at = start.end() if start else at
        if at == len(text):
            return at
        return at + self._symbol(text[at])

    def _symbol(self, char: str) -> int:
        """Take what is no part of a string or a scalar; says how many characters that were."""
        state, inner = self._state, self._open[-1] if self._open else ""
        if state == "first" and char == inner:
            self._close()
        elif state == "more" and char in (inner, ","):
            if char == ",":
                self._state = "key" if inner == "}" else "value"
            else:
                self._close()
        elif state in ("key", "first") and inner == "}" and char == '"':
            self._state = "name"
        elif state == "colon" and char == ":":
            self._state = "value"
        elif state == "value" or (state == "first" and inner == "]"):
            return self._value(char)
        else:
            raise ValueError(f"{char!r} cannot stand here")
        return 1

    def _value(self, char: str) -> int:
        if not self._open and char != "{":
            raise ValueError("the JSON is no object")
        if char in "{[":
            self._open.append("}" if char == "{" else "]")
            if len(self._open) > MAX_DEPTH:
                raise ValueError(f"the JSON is nested deeper than {MAX_DEPTH} levels")
            self._state = "first"
        elif char == '"':
            self._state = "string"
        elif char in "-0123456789tfn":
            self._state, self._scalar = "scalar", ""
            return 0
        else:
            raise ValueError(f"{char!r} begins no JSON value")
        return 1

    def _in_string(self, text: str, at: int) -> int:
        if self._escape:
            return self._in_escape(text, at)
        plain = _PLAIN.match(text, at)
        at = plain.end() if plain else at
        if at == len(text):
            return at
        if text[at] == "\\":
            self._escape = "\\"
        elif text[at] == '"':
            self._state = "colon" if self._state == "name" else "more"
        else:
            raise ValueError(f"{text[at]!r} cannot stand in a JSON string as it is")
        return at + 1

    def _in_escape(self, text: str, at: int) -> int:
        if self._escape == "\\":
            if text[at] not in '"\\/bfnrtu':
                raise ValueError(f"\\{text[at]} is no escape sequence")
            self._escape = "u" if text[at] == "u" else ""
            return at + 1
        digits = _HEX.match(text, at, at + 5 - len(self._escape))
        found = digits.group() if digits else ""
        if not found:
            raise ValueError(f"{text[at]!r} is no hexadecimal digit")
        self._escape += found
        if len(self._escape) == 5:
            self._escape = ""
        return at + len(found)

    def _end_scalar(self) -> None:
        if not _COMPLETE.match(self._scalar):
            raise ValueError(f"{self._scalar[:20]!r} is no JSON value")
        self._state = "more"

    def _close(self) -> None:
        self._open.pop()
        self._state = "more" if self._open else "end"
