"""Snapshots of live objects by structure: compare them, name the differences, put all back."""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agentlanes.testing._facets import (
    PLAIN,
    Facet,
    State,
    facets_of,
    is_opaque,
    is_value,
    name_of,
    scrambled,
)

__all__ = ["Difference", "Snapshot"]

_SHOWN = 60
_AT = "@"
_NOTHING = "nothing"
_NAMED = (
    *(type, types.ModuleType, types.BuiltinFunctionType, types.GenericAlias, types.UnionType),
    *(types.MethodDescriptorType, types.WrapperDescriptorType, types.MethodWrapperType),
)

_Part = tuple[tuple[Any, ...] | None, tuple[Any, ...]]
_Node = tuple[str, tuple[_Part, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Where two snapshots differ.

    Attributes:
        path: The place, such as `TravelAPI._flight_cost_lookup['a|b']`.
        before: What the first one has there, shortened.
        after: What the other one has there, shortened.
    """

    path: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.path}: {self.before} -> {self.after}"


class Snapshot:
    """What some objects hold at this moment, as deep as it goes.

    It sees instance attributes (private and name-mangled ones too), slots, data on classes,
    containers and the order of their items, sets, random generators, NumPy arrays, and what
    functions keep in closures, defaults and the globals they name; shared references and cycles
    too. It runs no code of theirs: no property, no `__eq__`, no `__getattr__`. Two snapshots of
    different objects of the same structure are equal.

    Objects of C code that keep what they hold to themselves (sockets, database connections) are
    compared by their type; `opaque` names those types. Locks, loggers and event loops are
    machinery and not looked into. Caches of `functools` do not count as state.

    Args:
        roots: The objects, by the name that paths begin with. A module is looked into only here.
        leaf: Gives a stand-in by which a value is compared, or `None` for the value itself: for
            times, say, which differ between any two runs.

    Attributes:
        opaque: Types that could not be looked into.

    Example:
        >>> shelf = {"books": ["a"]}
        >>> before = Snapshot({"shelf": shelf})
        >>> shelf["books"].append("b")
        >>> [str(difference) for difference in before.differences(Snapshot({"shelf": shelf}))]
        ["shelf['books'][1]: nothing -> 'b'"]
        >>> before.restore()
        >>> shelf
        {'books': ['a']}
    """

    def __init__(
        self, roots: Mapping[str, Any], *, leaf: Callable[[Any], Hashable | None] | None = None
    ) -> None:
        self.opaque: set[str] = set()
        self._leaf = leaf
        self._tokens: dict[int, tuple[str, int]] = {}
        self._things: list[tuple[Any, tuple[Facet, ...]]] = []
        self._kinds: dict[type, tuple[Facet, ...]] = {}
        self._held: list[tuple[Any, ...]] = []
        self._nodes: list[_Node] = []
        self._roots = {name: self._token(value, root=True) for name, value in roots.items()}
        while len(self._nodes) < len(self._things):
            self._look(*self._things[len(self._nodes)])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Snapshot):
            return NotImplemented
        return self._roots == other._roots and self._nodes == other._nodes

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self._nodes)

    def differences(self, other: Snapshot, limit: int = 10) -> list[Difference]:
        """Name the first places where another snapshot differs, nearest to the roots first.

        Args:
            other: What to compare with, taken from the same names.
            limit: How many to name.
        """
        if self == other:
            return []
        found: list[Difference] = []
        for difference in _compare(self, other):
            found.append(difference)
            if len(found) == limit:
                break
        return found

    def restore(self) -> None:
        """Put everything back, into the same objects.

        Generators and iterators stay where they are, and what is opaque stays what it is.
        """
        for (thing, facets), held in zip(self._things, self._held, strict=True):
            for facet, contents in zip(facets, held, strict=True):
                if facet.write is not None:
                    facet.write(thing, contents)

    def scramble(self) -> None:
        """Change every plain value that the objects' data hold; `restore` puts them back."""
        for (thing, facets), held in zip(self._things, self._held, strict=True):
            for facet, contents in zip(facets, held, strict=True):
                if facet.write is not None and facet.data:
                    facet.write(thing, scrambled(contents))

    def _token(self, value: Any, *, root: bool = False) -> Any:
        """Give what stands for a value in a node: itself, its text, or another node's number."""
        kind = type(value)
        if kind in PLAIN or kind is State:
            return value
        if kind is bool or kind is float:
            return (kind.__name__, repr(value))
        known = self._tokens.get(id(value))
        if known is not None:
            return known
        if self._leaf is not None and (given := self._leaf(value)) is not None:
            return ("stand-in", given)
        if is_value(value):
            return (name_of(kind), repr(value))
        facets = self._facets(value, root)
        if not facets:
            return self._closed(value)
        token = (_AT, len(self._things))
        self._things.append((value, facets))
        if kind is not tuple and kind is not frozenset:
            # Of two equal tuples nobody can tell whether they are one: they are never shared.
            self._tokens[id(value)] = token
        return token

    def _facets(self, value: Any, root: bool) -> tuple[Facet, ...]:
        if root or isinstance(value, type):
            return facets_of(value, root=root)
        known = self._kinds.get(type(value))
        if known is None:
            known = () if is_opaque(value) else facets_of(value)
            self._kinds[type(value)] = known
        return known

    def _closed(self, value: Any) -> Any:
        """Stand for something that has no parts to look at."""
        kind = type(value)
        if kind is object or isinstance(value, _NAMED):
            return ("named", name_of(value))
        if not is_opaque(value):
            self.opaque.add(name_of(kind))
        return ("opaque", name_of(kind))

    def _look(self, thing: Any, facets: tuple[Facet, ...]) -> None:
        held: list[Any] = []
        parts: list[_Part] = []
        for facet in facets:
            contents = facet.read(thing)
            held.append(contents)
            if isinstance(contents, Mapping):
                parts.append((self._all(contents), self._all(contents.values())))
            elif isinstance(thing, set | frozenset):
                members = self._in_order(contents)
                parts.append((None if any(map(_is_node, members)) else members, members))
            else:
                parts.append((None, self._all(contents)))
        self._held.append(tuple(held))
        name = name_of(thing) if isinstance(thing, type) else name_of(type(thing))
        self._nodes.append((name, tuple(parts)))

    def _all(self, values: Any) -> tuple[Any, ...]:
        if set(map(type, values)) <= PLAIN:
            return tuple(values)
        return tuple(map(self._token, values))

    def _in_order(self, members: Any) -> tuple[Any, ...]:
        """Order a set's members by what they are made of, never by where they lie in memory."""

        def made_of(member: Any) -> str:
            if type(member) in PLAIN or is_value(member):
                return f"{name_of(type(member))} {member!r}"
            alone = Snapshot({"": member}, leaf=self._leaf)
            return repr((alone._roots, alone._nodes))

        return tuple(map(self._token, sorted(members, key=made_of)))


def _compare(one: Snapshot, other: Snapshot) -> Iterator[Difference]:
    """Walk both along the same steps, and say where they part."""
    queue: deque[tuple[str, Any, Any]] = deque()
    matched: dict[int, int] = {}
    taken: dict[int, int] = {}
    for name in {**one._roots, **other._roots}:
        queue.append((name, one._roots.get(name), other._roots.get(name)))
    while queue:
        path, mine, theirs = queue.popleft()
        if not (_is_node(mine) and _is_node(theirs)):
            if mine != theirs:
                yield Difference(path=path, before=_shown(one, mine), after=_shown(other, theirs))
            continue
        here, there = mine[1], theirs[1]
        if _points_elsewhere(one, here, other._things[there][0]):
            after = f"another {_shown(other, theirs)}"
            yield Difference(path=path, before=_shown(one, mine), after=after)
            continue
        if matched.get(here, there) != there or taken.get(there, here) != here:
            yield Difference(
                path=path, before=_shown(one, mine), after="another object of its kind"
            )
            continue
        if here in matched:
            continue
        matched[here], taken[there] = there, here
        (kind, parts), (other_kind, other_parts) = one._nodes[here], other._nodes[there]
        if kind != other_kind or len(parts) != len(other_parts):
            yield Difference(path=path, before=_shown(one, mine), after=_shown(other, theirs))
            continue
        for facet, part, other_part in zip(one._things[here][1], parts, other_parts, strict=True):
            yield from _compare_parts((one, other), path, facet, (part, other_part), queue)


def _points_elsewhere(one: Snapshot, here: int, now: Any) -> bool:
    """Say whether a place holds another object that was there before, in another place.

    An object that was not there before is compared by what it holds with the one it replaces.
    """
    known = one._tokens.get(id(now))
    return known is not None and known[1] != here and one._things[known[1]][0] is now


def _compare_parts(
    snapshots: tuple[Snapshot, Snapshot],
    path: str,
    facet: Facet,
    parts: tuple[_Part, _Part],
    queue: deque[tuple[str, Any, Any]],
) -> Iterator[Difference]:
    (steps, tokens), (other_steps, other_tokens) = parts
    mine = dict(zip(range(len(tokens)) if steps is None else steps, tokens, strict=True))
    theirs = dict(
        zip(
            range(len(other_tokens)) if other_steps is None else other_steps,
            other_tokens,
            strict=True,
        )
    )
    for step, token in mine.items():
        place = path + facet.step(_step(snapshots[0], step))
        if step not in theirs:
            yield Difference(path=place, before=_shown(snapshots[0], token), after=_NOTHING)
        elif _is_node(token) or token != theirs[step]:
            queue.append((place, token, theirs[step]))
    for step, token in theirs.items():
        if step not in mine:
            place = path + facet.step(_step(snapshots[1], step))
            yield Difference(path=place, before=_NOTHING, after=_shown(snapshots[1], token))
    if steps != other_steps and mine.keys() == theirs.keys():
        yield Difference(path=path, before="an order of keys", after="another order")


def _is_node(token: Any) -> bool:
    return type(token) is tuple and token[0] == _AT


def _step(snapshot: Snapshot, step: Any) -> Any:
    return _Text(_shown(snapshot, step)) if type(step) is tuple else step


class _Text(str):
    """A text that is shown as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _shown(snapshot: Snapshot, token: Any) -> str:
    if _is_node(token):
        kind, parts = snapshot._nodes[token[1]]
        held = sum(len(tokens) for _, tokens in parts)
        return f"{kind.rpartition('.')[2]} of {held}"
    text = str(token[1]) if type(token) is tuple else repr(token)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
