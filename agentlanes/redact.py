"""Credentials taken out of what is shown, written or sent elsewhere. Pure, standard library only.

Two things are recognised: the keys and passwords of this process's lanes, by value, and the
formats that credentials are known to have. A format is a guess: what looks like a key is hidden
although it is none, and a credential without a format of its own (a plain password in a sentence)
is not seen.

The formats are those that the issuers document (OpenAI, Anthropic, AWS, GitHub, GitLab, Google,
Slack, Stripe, Hugging Face, LangSmith), RFC 7519 tokens, RFC 7617 and RFC 6750 headers, RFC 3986
user information, and RFC 7468 private keys.
"""

from __future__ import annotations

import functools
import json
import re
import threading
import weakref
from collections.abc import Iterator, Set
from dataclasses import dataclass
from urllib.parse import quote

from agentlanes.config import Secret

__all__ = ["is_clean", "mask", "redact", "remember"]

_LEAST_CHARS = 6  # a shorter "secret" is a word, and hiding every such word would hide the text
_HIDDEN = b"***"
_KEPT_CLEAN = 1000  # texts that are remembered to hold nothing
_LONGEST_KEPT = 4000  # characters of all that are new at once
_ALONE = r"(?<![A-Za-z0-9])"  # a prefix in the middle of a word is none


@dataclass(frozen=True, slots=True)
class _Format:
    """How a credential looks.

    Attributes:
        marks: Literals, one of which it has at its beginning. They are searched for first, all in
            one go; no mark begins with another.
        pattern: Matches at a mark. Its group, or all of it, is what is hidden; that never begins
            or ends inside a JSON string's escape, so that JSON stays JSON.
        any_case: Whether the marks are in lower case and stand for any case.
    """

    marks: tuple[bytes, ...]
    pattern: re.Pattern[bytes]
    any_case: bool = False


def _format(marks: str, pattern: str, *, any_case: bool = False) -> _Format:
    flags = re.IGNORECASE if any_case else 0
    return _Format(tuple(marks.encode().split()), re.compile(pattern.encode(), flags), any_case)


_QUOTE = r"(?:\\{0,3}[\"'])?"
_SEPARATED = _QUOTE + r"\s{0,2}[:=]\s{0,2}" + _QUOTE
_ESCAPE = r"\\u[0-9A-Fa-f]{4}|\\[^\"'\\u]"  # of JSON, taken whole or not at all

_FORMATS = (
    _format("sk-", _ALONE + r"sk-(?=[A-Za-z0-9_-]*\d)[A-Za-z0-9_-]{16,}"),
    _format("k_live_ k_test_", r"k_(?:live|test)_([A-Za-z0-9]{10,})"),
    _format("AKIA ASIA AROA AIDA", r"(?<![A-Z0-9])A(?:KI|SI|RO|ID)A[A-Z0-9]{16}(?![A-Z0-9])"),
    _format("ghp_ gho_ ghu_ ghs_ ghr_", _ALONE + r"gh[pousr]_[A-Za-z0-9]{20,}"),
    _format("github_pat_", _ALONE + r"github_pat_[A-Za-z0-9_]{20,}"),
    _format("glpat-", _ALONE + r"glpat-[A-Za-z0-9_-]{16,}"),
    _format("AIza", _ALONE + r"AIza[A-Za-z0-9_-]{30,}"),
    _format("ya29.", _ALONE + r"ya29\.[A-Za-z0-9_-]{20,}"),
    _format("xoxa- xoxb- xoxe- xoxo- xoxp- xoxr- xoxs-", _ALONE + r"xox.-[A-Za-z0-9-]{10,}"),
    _format("hf_ gsk_ npm_", _ALONE + r"(?:hf|gsk|npm)_[A-Za-z0-9]{20,}"),
    _format("lsv2_", _ALONE + r"lsv2_[a-z]{2}_[A-Za-z0-9_]{20,}"),
    _format("eyJ", _ALONE + r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
    _format(
        "-----BEGIN",
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\s\S]{1,16000}?-----END [A-Z ]{0,30}KEY-----",
    ),
    _format(
        "authorization",
        r"authorization" + _SEPARATED + r"(?:(?:bearer|basic|token)\s+)?([A-Za-z0-9._~+/=-]{6,})",
        any_case=True,
    ),
    _format("bearer", r"bearer\s+([A-Za-z0-9._~+/=-]{12,})", any_case=True),
    _format(
        "api access secret client",
        r"(?:api[-_ ]?key|access[-_]?token|secret[-_]?(?:access[-_]?)?key|client[-_]?secret)"
        + _SEPARATED
        + r"([A-Za-z0-9._~+/=-]{8,})",
        any_case=True,
    ),
    _format(
        "passw pwd",
        r"(?:password|passwd|pwd)" + _SEPARATED + rf"((?:{_ESCAPE}|[^\s\"'\\&,;*]){{3,}})",
        any_case=True,
    ),
    _format(
        "?key= &key= ?token= &token= ?sig= &sig= signature=",
        r"[?&]?[a-z]+=([^\s\"'\\&#]{6,})",
        any_case=True,
    ),
    # up to the last @, since a password may hold one, and a slash
    _format("://", rf"://([^\s\"'<>\\:@/]{{0,100}}:(?:{_ESCAPE}|[^\s\"'<>\\]){{1,300}})(?=@)"),
)


_Marks = tuple[re.Pattern[bytes], dict[bytes, re.Pattern[bytes]]]
"""Finds any mark, and the pattern that belongs to each."""


def _marks(*, any_case: bool) -> _Marks:
    forms = [form for form in _FORMATS if form.any_case == any_case]
    patterns = {mark: form.pattern for form in forms for mark in form.marks}
    return re.compile(b"|".join(map(re.escape, patterns))), patterns


_IN_CASE, _ANY_CASE = _marks(any_case=False), _marks(any_case=True)


def redact(text: str) -> str:
    """Give a text without the credentials that can be recognised in it.

    Example:
        >>> redact("Authorization: Bearer abc.def for postgres://me:pa/ss@host/db")
        'Authorization: Bearer *** for postgres://***@host/db'
        >>> redact("sk-proj-0123456789abcdef0123 is not known")
        '*** is not known'
    """
    data = text.encode("utf-8", "surrogatepass")
    spans = _spans(data)
    if not spans:
        return text
    pieces, done = [], 0
    for start, end in spans:
        pieces += [data[done:start], _HIDDEN]
        done = end
    return b"".join([*pieces, data[done:]]).decode("utf-8", "surrogatepass")


def mask(data: bytes) -> bytes:
    """Hide the credentials in encoded text, JSON or not, and keep its length.

    For bodies whose length is announced elsewhere, such as the parts of a multipart request.

    Example:
        >>> mask(b'{"key": "sk-proj-0123456789abcdef0123"}')
        b'{"key": "****************************"}'
    """
    spans = _spans(data)
    if not spans:
        return data
    hidden = bytearray(data)
    for start, end in spans:
        hidden[start:end] = b"*" * (end - start)
    return bytes(hidden)


def remember(secret: Secret) -> None:
    """Have a secret hidden by its value, whatever its format, for as long as it is in use."""
    if len(secret.reveal()) >= _LEAST_CHARS:
        _REMEMBERED.add(secret)


def is_clean(texts: Set[str]) -> bool:
    """Say whether `redact` finds nothing in texts.

    For short texts that come again and again, such as names: they are looked through once, and
    anew when there is another secret to hide.
    """
    clean = _REMEMBERED.clean
    new = "\n".join(texts - clean)  # together: a short text takes as long as a long one
    if new and redact(new) != new:
        return False
    if len(clean) > _KEPT_CLEAN:
        clean.clear()
    if len(new) <= _LONGEST_KEPT:
        clean |= texts
    return True


class _Remembered:
    """Secrets, for as long as somebody else holds them.

    Attributes:
        clean: Texts that hold none of them, nor anything else to hide. A secret that comes takes
            a new set; for one that goes they stay right.
    """

    def __init__(self) -> None:
        self.clean: set[str] = set()
        # By identity: equal secrets of two lanes are not gone before both are.
        self._secrets: weakref.WeakValueDictionary[int, Secret] = weakref.WeakValueDictionary()
        self._lock = threading.Lock()

    def add(self, secret: Secret) -> None:
        with self._lock:
            self._secrets[id(secret)] = secret
            self.clean = set()

    def values(self) -> frozenset[str]:
        with self._lock:
            return frozenset(secret.reveal() for secret in self._secrets.values())


# What the lanes of this process authenticate with. Weak, so that it holds nothing longer than the
# lanes do; one for all, since a trace or a log line mixes what belongs to several agents.
_REMEMBERED = _Remembered()


def _spans(data: bytes) -> list[tuple[int, int]]:
    """Find what is to be hidden, in order and without overlaps."""
    found: list[tuple[int, int]] = []
    for spelling in _spellings(_REMEMBERED.values()):
        found += [(at, at + len(spelling)) for at in _places(data, spelling)]
    # Lower case is of ASCII only, so places stay the same.
    for text, (marks, patterns) in ((data, _IN_CASE), (data.lower(), _ANY_CASE)):
        mark = marks.search(text)
        while mark is not None:
            hit = patterns[mark[0]].match(data, mark.start())
            if hit is not None:
                found.append(hit.span(hit.re.groups))
            mark = marks.search(text, mark.start() + 1)  # formats may overlap
    found.sort()
    merged: list[tuple[int, int]] = []
    for start, end in found:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _places(data: bytes, mark: bytes) -> Iterator[int]:
    at = data.find(mark)
    while at >= 0:
        yield at
        at = data.find(mark, at + 1)


@functools.lru_cache(maxsize=8)
def _spellings(values: frozenset[str]) -> tuple[bytes, ...]:
    """Give the ways values are written: as they are, in JSON and in URLs."""
    ways: set[str] = set()
    for value in values:
        ways |= {value, quote(value, safe=""), quote(value)}
        ways |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    return tuple(sorted(way.encode("utf-8", "surrogatepass") for way in ways))
