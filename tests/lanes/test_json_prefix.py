from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentlanes.lanes.json_prefix import JsonPrefix
from agentlanes.lanes.strict_json import strict_object
from agentlanes.testing import HOSTILE_ARGUMENTS

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)
objects = st.dictionaries(st.text(), values)


def pieces(text: str, sizes: list[int]) -> list[str]:
    cut: list[str] = []
    while text:
        size = sizes[len(cut) % len(sizes)]
        cut.append(text[:size])
        text = text[size:]
    return cut


def closed(text: str) -> Any:
    """Read a prefix with its open string and brackets closed, as a reader of streams would."""
    ends: list[str] = []
    inside = escaped = False
    for char in text:
        if inside:
            inside = escaped or char != '"'
            escaped = not escaped and char == "\\"
        elif char == '"':
            inside = True
        elif char in "{[":
            ends.append("}" if char == "{" else "]")
        elif char in "}]":
            ends.pop()
    return json.loads(text + ('"' if inside else "") + "".join(reversed(ends)), strict=False)


@settings(max_examples=60)
@given(
    value=objects,
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    ascii_=st.booleans(),
    indent=st.sampled_from([None, 1]),
)
def test_every_object_passes_and_every_shown_part_can_be_closed(
    value: dict[str, Any], sizes: list[int], ascii_: bool, indent: int | None
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_, indent=indent)
    prefix, shown = JsonPrefix(), ""
    for piece in pieces(text, sizes):
        shown += prefix.feed(piece)
        assert text == shown + prefix.held + text[len(shown) + len(prefix.held) :]
        if shown:
            assert isinstance(closed(shown), dict)
    assert shown == text
    assert prefix.held == ""


@given(text=st.text(alphabet='{}[]",:\\u0aetrfalsn1-. \n', max_size=40))
def test_it_refuses_nothing_that_is_an_object_and_lets_nothing_else_through(text: str) -> None:
    try:
        json.loads(text, object_pairs_hook=lambda pairs: pairs or [("", None)])
        whole = text.strip(" \t\r\n").startswith("{")
    except ValueError:
        whole = False
    prefix = JsonPrefix()
    try:
        prefix.feed(text)
    except ValueError:
        assert not whole
    else:
        assert not whole or prefix.held.strip() == ""


@pytest.mark.parametrize("args", HOSTILE_ARGUMENTS)
def test_what_is_shown_of_hostile_arguments_can_be_closed(args: str) -> None:
    prefix, shown = JsonPrefix(), ""
    try:
        for piece in pieces(args, [4]):
            shown += prefix.feed(piece)
    except ValueError:
        with pytest.raises(ValueError, match=r"JSON|key"):
            strict_object(args)
    if shown:
        closed(shown)


def test_nesting_ends_early() -> None:
    prefix = JsonPrefix()
    with pytest.raises(ValueError, match="deeper"):
        prefix.feed('{"a": ' + "[" * 100_000)
