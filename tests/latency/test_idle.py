"""Idle time is charged once, however verdicts overlap."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from agentlanes.nodes.records import _take, _union

spans = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 12)).map(lambda s: (float(s[0]), float(sum(s)))),
    max_size=8,
)


@settings(derandomize=True, database=None, max_examples=200)
@given(spans, spans)
def test_what_is_free_is_taken_once(
    busy: list[tuple[float, float]], asked: list[tuple[float, float]]
) -> None:
    taken = _union(busy)
    cells = {n for low, high in taken for n in range(int(low), int(high))}
    for low, high in asked:
        wanted = set(range(int(low), int(high)))
        assert _take(taken, low, high) == len(wanted - cells)
        cells |= wanted
    assert taken == sorted(taken)
    assert cells == {n for low, high in taken for n in range(int(low), int(high))}
