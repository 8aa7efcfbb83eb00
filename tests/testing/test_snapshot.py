from __future__ import annotations

import copy
import datetime
import io
import math
import random
import threading
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlanes.testing import Snapshot


class Shelf:
    made = 0

    def __init__(self) -> None:
        self.books = ["a", "b"]
        self._index = {"a": 1}
        self.__secret = {"deep": [{"x": 1}]}

    def bury(self) -> None:
        self.__secret["deep"][0]["x"] = 2


class Slim:
    __slots__ = ("__hidden", "left", "right")

    def __init__(self) -> None:
        self.left, self.__hidden = 1, [1]

    def hide(self) -> None:
        self.__hidden.append(2)


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    marks: list[int] = field(default_factory=list)


class Colour(Enum):
    RED = 1


class Loud:
    """Whose code must not be run by looking at it."""

    def __init__(self) -> None:
        self.value = 1

    def __eq__(self, other: object) -> bool:
        raise AssertionError("asked whether it equals something")

    def __hash__(self) -> int:
        raise AssertionError("hashed")

    def __repr__(self) -> str:
        raise AssertionError("shown")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"asked for {name}")

    @property
    def loaded(self) -> int:
        raise AssertionError("loaded")


def _closure() -> Any:
    seen: list[int] = []
    count = 0

    def tool() -> int:
        nonlocal count
        count += 1
        seen.append(count)
        return count

    return tool


def _default(value: int, *, kept: list[int] = []) -> None:  # noqa: B006 - what is to be seen
    kept.append(value)


_CACHE: dict[str, int] = {}
_calls = 0


def _global() -> None:
    global _calls
    _calls += 1
    _helper()


def _helper() -> None:
    _CACHE["x"] = _calls


def _changes(thing: Any, change: Any, name: str = "it") -> list[str]:
    """Change a thing, put it back, and give what was seen; both must be seen."""
    before = Snapshot({name: thing})
    assert before == Snapshot({name: thing})
    change()
    seen = before.differences(Snapshot({name: thing}))
    before.restore()
    assert before.differences(Snapshot({name: thing})) == []
    assert before == Snapshot({name: thing})
    return [str(difference) for difference in seen]


def test_names_what_changed_and_puts_it_back() -> None:
    shelf = Shelf()
    assert _changes(shelf, lambda: shelf.books.append("c")) == ["it.books[2]: nothing -> 'c'"]
    assert _changes(shelf, lambda: shelf.books.clear()) == [
        "it.books[0]: 'a' -> nothing",
        "it.books[1]: 'b' -> nothing",
    ]
    assert _changes(shelf, lambda: shelf._index.update(b=2)) == ["it._index['b']: nothing -> 2"]
    assert _changes(shelf, shelf.bury) == ["it._Shelf__secret['deep'][0]['x']: 1 -> 2"]
    assert _changes(shelf, lambda: setattr(shelf, "new", 1)) == ["it.new: nothing -> 1"]
    assert not hasattr(shelf, "new")
    assert _changes(shelf, lambda: delattr(shelf, "books")) == ["it.books: list of 2 -> nothing"]
    assert shelf.books == ["a", "b"]


def test_what_a_class_holds_belongs_to_its_objects() -> None:
    shelf = Shelf()
    assert _changes(shelf, lambda: setattr(Shelf, "made", 1)) == ["it.__class__.made: 0 -> 1"]
    assert Shelf.made == 0


def test_slots_private_ones_too() -> None:
    slim = Slim()
    assert _changes(slim, slim.hide) == ["it._Slim__hidden[1]: nothing -> 2"]
    assert _changes(slim, lambda: setattr(slim, "right", 3)) == ["it.right: nothing -> 3"]
    assert not hasattr(slim, "right")
    point = Point(1)
    assert _changes(point, lambda: point.marks.append(1)) == ["it.marks[0]: nothing -> 1"]
    assert _changes(point, lambda: object.__setattr__(point, "x", 5)) == ["it.x: 1 -> 5"]


@pytest.mark.parametrize(
    ("thing", "change", "seen"),
    [
        ({1, 2}, lambda s: s.add(3), "it{3}"),
        ({"a": {1}}, lambda d: d["a"].discard(1), "it['a']{1}"),
        (deque([1, 2], maxlen=2), lambda d: d.append(3), "it[0]"),
        (defaultdict(list), lambda d: d["looked up"], "it['looked up']"),
        (Counter("ab"), lambda c: c.update("a"), "it['a']"),
        (OrderedDict(a=1, b=2), lambda d: d.move_to_end("a"), "it"),
        ({"a": 1, "b": 2}, lambda d: d.update(a=d.pop("a")), "it"),
        (random.Random(1), lambda r: r.random(), "it"),
        (random.Random(1), lambda r: r.gauss(0, 1), "it"),
        (bytearray(b"ab"), lambda b: b.append(1), "it"),
        (io.StringIO("ab"), lambda s: s.read(1), "it"),
        (io.BytesIO(b"ab"), lambda s: s.seek(1), "it"),
        ([1], lambda x: x.__setitem__(0, True), "it[0]"),
        ([1], lambda x: x.__setitem__(0, 1.0), "it[0]"),
        ([0.0], lambda x: x.__setitem__(0, -0.0), "it[0]"),
        ([(1, [2])], lambda x: x[0][1].append(3), "it[0][1][1]"),
        ({(1, 2): []}, lambda d: d[(1, 2)].append(3), "it[tuple of 2][0]"),
        (partial(list.append, [1]), lambda p: p(2), "it.args[0][1]"),
        ([Colour.RED], lambda x: x.__setitem__(0, Colour), "it[0]"),
    ],
)
def test_sees_into_containers_and_generators(thing: Any, change: Any, seen: str) -> None:
    found = _changes(thing, lambda: change(thing))
    assert found[0].startswith(f"{seen}: "), found


def test_arrays_and_their_generators() -> None:
    np = pytest.importorskip("numpy")
    thing = {"array": np.zeros(3), "rng": np.random.default_rng(1), "old": np.random.RandomState(1)}
    assert "it['array']" in _changes(thing, lambda: thing["array"].__setitem__(1, 2.0))[0]
    assert "it['rng']" in _changes(thing, lambda: thing["rng"].random())[0]
    assert "it['old']" in _changes(thing, lambda: thing["old"].rand())[0]
    twin = {"array": np.zeros(3), "rng": np.random.default_rng(1), "old": np.random.RandomState(1)}
    assert Snapshot({"": thing}) == Snapshot({"": twin})
    assert Snapshot({"": np.zeros(3)}) != Snapshot({"": np.zeros(3, dtype="int8")})


def test_functions_keep_things_in_closures_defaults_and_globals() -> None:
    tool = _closure()
    found = _changes(tool, tool)
    assert "it<closure count>: 0 -> 1" in found
    assert "it<closure seen>[0]: nothing -> 1" in found
    assert tool() == 1
    assert _changes(_default, lambda: _default(1)) == ["it<default kept>[0]: nothing -> 1"]
    found = _changes(_global, _global)
    assert "it<global _calls>: 0 -> 1" in found
    assert "it<global _helper><global _CACHE>['x']: nothing -> 1" in found
    assert _calls == 0


def test_runs_no_code_of_what_it_looks_at() -> None:
    loud = Loud()
    assert _changes([loud], lambda: loud.__dict__.update(value=2)) == ["it[0].value: 1 -> 2"]


def test_a_pointer_that_moves_is_one_difference() -> None:
    class Node:
        def __init__(self, name: str, parent: Node | None) -> None:
            self.name, self.parent, self.children = name, parent, dict[str, Node]()

    root = Node("/", None)
    for name in "ab":
        root.children[name] = Node(name, root)
    place = {"root": root, "here": root.children["a"]}
    found = _changes(place, lambda: place.update(here=root.children["b"]))
    assert found == ["it['here']: Node of 3 -> another Node of 3"]
    # What comes in the place of something is compared by what it holds.
    found = _changes(root, lambda: setattr(root, "children", dict(root.children, c=None)))
    assert found == ["it.children['c']: nothing -> None"]


def test_equal_twins_whatever_they_are_called_in_memory() -> None:
    one, other = Shelf(), Shelf()
    assert Snapshot({"": one}) == Snapshot({"": other})
    other.bury()
    assert Snapshot({"": one}) != Snapshot({"": other})
    shared = [1]
    assert Snapshot({"": [shared, shared]}) != Snapshot({"": [[1], [1]]})
    found = Snapshot({"it": [[1], [1]]}).differences(Snapshot({"it": [shared, shared]}))
    assert [difference.path for difference in found] == ["it[1]"]
    ring: list[Any] = [1]
    ring.append(ring)
    other_ring: list[Any] = [1]
    other_ring.append(other_ring)
    assert Snapshot({"": ring}) == Snapshot({"": other_ring})
    assert Snapshot({"": {Point(1).x, 2}}) == Snapshot({"": {2, 1}})
    assert Snapshot({"": math.nan}) == Snapshot({"": float("nan")})


def test_a_long_chain_is_no_deep_recursion() -> None:
    chain: Any = None
    for number in range(5000):
        chain = [number, chain]
    before = Snapshot({"it": chain})
    chain[1][1][0] = "changed"
    (found,) = before.differences(Snapshot({"it": chain}))
    assert found.path == "it[1][1][0]"
    before.restore()
    assert chain[1][1][0] == 4997


def test_stand_ins_make_times_comparable() -> None:
    start = datetime.date(2026, 1, 1)

    def later(value: Any) -> Any:
        return value > start if isinstance(value, datetime.date) else None

    one, other = [start], [datetime.date(2025, 1, 1)]
    assert Snapshot({"": one}) != Snapshot({"": other})
    assert Snapshot({"": one}, leaf=later) == Snapshot({"": other}, leaf=later)
    other[0] = datetime.date(2027, 1, 1)
    assert Snapshot({"": one}, leaf=later) != Snapshot({"": other}, leaf=later)


def test_says_what_it_could_not_look_into() -> None:
    sqlite3 = pytest.importorskip("sqlite3")
    with_store = {"store": (store := sqlite3.connect(":memory:")), "lock": threading.Lock()}
    snapshot = Snapshot({"it": with_store})
    store.close()
    assert snapshot.opaque == {"sqlite3.Connection"}


def test_scrambling_changes_the_data_and_restoring_brings_it_back() -> None:
    thing = {"a": 1, "b": ["x", None, True, 2.5], "shelf": Shelf(), "draw": random.Random(3)}
    before = Snapshot({"it": thing})
    number = copy.deepcopy(thing["draw"]).random()  # type: ignore[attr-defined]
    before.scramble()
    places = {difference.path for difference in before.differences(Snapshot({"it": thing}), 100)}
    assert {"it['a']", "it['b'][1]", "it['b'][2]", "it['draw']", "it['shelf'].books[0]"} <= places
    before.restore()
    assert before == Snapshot({"it": thing})
    assert thing["draw"].random() == number  # type: ignore[attr-defined]


LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3))
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=2), inner, max_size=4),
        st.tuples(inner, inner),
        st.sets(st.integers(), max_size=3),
    ),
    max_leaves=20,
)


@given(TREES)
def test_a_copy_is_equal_and_every_scramble_is_undone(tree: Any) -> None:
    holder = [tree]
    before, twin = Snapshot({"it": holder}), Snapshot({"it": copy.deepcopy(holder)})
    assert before.differences(twin) == []
    before.scramble()
    before.restore()
    assert before == Snapshot({"it": holder})


@given(TREES, TREES)
def test_unequal_means_that_a_difference_is_named(one: Any, other: Any) -> None:
    first, second = Snapshot({"it": one}), Snapshot({"it": copy.deepcopy(other)})
    assert (first == second) == (not first.differences(second))
