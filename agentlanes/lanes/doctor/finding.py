"""What an examination found, one thing at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Level"]

Level = Literal["ok", "note", "problem", "skipped"]
"""`note` works, but could be better or is to be known; `problem` does not work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: What was looked at.
        level: How it stands with it.
        found: What was found, in a few words.
        advice: What to change; empty where nothing is.
    """

    check: str
    level: Level
    found: str
    advice: str = ""
