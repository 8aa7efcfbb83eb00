"""Server-sent events, read strictly and with a bound. Pure: bytes in, events out.

Follows https://html.spec.whatwg.org/multipage/server-sent-events.html as far as model endpoints use
it. The official SDK's reader sets no bound: one line of 20 MB costs it four times that in memory.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MAX_EVENT_BYTES", "Event", "EventReader"]

MAX_EVENT_BYTES = 4 * 2**20
"""Longest event that is read: room for 256 KiB of arguments, escaped twice over."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        data: Its data.
        kind: Its `event` field, `""` for none.
    """

    data: str
    kind: str = ""


class EventReader:
    r"""Takes a body piece by piece and gives its events.

    Args:
        max_bytes: Longest event.

    Example:
        >>> reader = EventReader()
        >>> reader.feed(b': ping\n\ndata: {"a"'), reader.feed(b": 1}\r\n\r\n")
        ([], [Event(data='{"a": 1}', kind='')])
    """

    def __init__(self, max_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_bytes = max_bytes
        self._size = 0  # of the event that is coming in
        self._data: list[str] = []
        self._kind = ""
        self._parts: list[bytes] = []  # of a line that is not complete yet
        self._after_cr = False

    def feed(self, piece: bytes) -> list[Event]:
        """Take a piece of the body.

        Raises:
            ValueError: An event is too long, or is no UTF-8.
        """
        if self._after_cr and piece.startswith(b"\n"):
            piece = piece[1:]
        self._after_cr = False
        if not piece:
            return []
        if b"\n" not in piece and b"\r" not in piece:
            self._parts.append(piece)
            self._grow(len(piece))
            return []
        self._after_cr = piece.endswith(b"\r")
        lines = b"".join([*self._parts, piece]).splitlines()
        self._size -= sum(map(len, self._parts))  # they are counted with their line
        self._parts = [] if piece.endswith((b"\n", b"\r")) else [lines.pop()]
        events = [event for line in lines if (event := self._line(line)) is not None]
        self._grow(sum(map(len, self._parts)))
        return events

    def end(self) -> list[Event]:
        """Give what the body ended in the middle of, where that is an event all the same.

        Raises:
            ValueError: It is no UTF-8.
        """
        parts, self._parts = self._parts, []
        events = [self._line(line) for line in (b"".join(parts), b"")]
        return [event for event in events if event is not None]

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self._max_bytes:
            raise ValueError(f"an event is longer than {self._max_bytes // 2**20} MiB")

    def _line(self, line: bytes) -> Event | None:
        if not line:
            event = Event("\n".join(self._data), self._kind) if self._data else None
            self._data, self._kind, self._size = [], "", 0
            return event
        self._grow(len(line))
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" ").decode())
        elif name == b"event":
            self._kind = value.removeprefix(b" ").decode()
        return None
