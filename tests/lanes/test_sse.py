from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlanes.lanes.sse import MAX_EVENT_BYTES, Event, EventReader
from agentlanes.lanes.whole import WholeBody


def read(pieces: list[bytes], **limits: int) -> list[Event]:
    reader = EventReader(**limits)
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events + reader.end()


@given(
    texts=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=30), max_size=6
    ),
    size=st.integers(1, 40),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    noise=st.sampled_from(["", ": ping", "retry: 3", "id: 7"]),
)
def test_however_it_is_cut_it_reads_the_same(
    texts: list[str], size: int, newline: str, noise: str
) -> None:
    lines = []
    for text in texts:
        lines += [*([noise] if noise else []), f"data: {text}", ""]
    body = newline.join([*lines, ""]).encode()
    cut = [body[at : at + size] for at in range(0, len(body), size)]
    assert read(cut) == read([body]) == [Event(text) for text in texts]


def test_kinds_and_many_lines() -> None:
    body = b'event: error\ndata: {"a":\ndata: 1}\n\ndata:x\n\n: ping\n\ndata: [DONE]'
    assert read([body]) == [Event('{"a":\n1}', "error"), Event("x"), Event("[DONE]")]


@pytest.mark.parametrize(
    "pieces",
    [
        [b"data: " + b"x" * 100] * 60,
        [b"data: " + b"x" * 100 + b"\n"] * 60,
        [b"data: " + b"x" * 5000 + b"\n\n"],
        [b": " + b"x" * 5000],
    ],
)
def test_endless_events_are_given_up(pieces: list[bytes]) -> None:
    with pytest.raises(ValueError, match="longer"):
        read(pieces, max_bytes=4096)


def test_pings_for_ever_are_no_long_event() -> None:
    assert read([b": ping\n\n"] * 10_000, max_bytes=64) == []
    assert len(read([b'data: {"n": 1}\n\n'] * 10_000, max_bytes=64)) == 10_000
    assert MAX_EVENT_BYTES > 6 * 256 * 1024


def test_bytes_that_are_no_utf8_are_refused() -> None:
    with pytest.raises(UnicodeDecodeError):
        read([b"data: \xff\xfe\n\n"])


def test_whole_bodies_are_bounded_and_may_begin_with_white_space() -> None:
    body = WholeBody(max_bytes=100)
    for piece in (b" ", b"\n", json.dumps({"a": "ü"}, ensure_ascii=False).encode()):
        body.feed(piece)
    assert body.value() == {"a": "ü"}
    with pytest.raises(ValueError, match="longer"):
        body.feed(b"x" * 100)
