"""What an object holds, facet by facet: how to read it without running its code, and write it back.

An object has one facet for each place it keeps things in: its attributes, its slots, its items.
Reading gives names or positions and the values there; writing puts such contents back into the
same object.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import functools
import io
import itertools
import pathlib
import random
import re
import sys
import types
import uuid
import zlib
import zoneinfo
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from agentlanes.testing._facets_code import (
    class_data,
    module_data,
    read_function,
    read_generator,
    read_method,
    read_partial,
    write_class,
    write_function,
    write_module,
)

__all__ = ["PLAIN", "Facet", "State", "facets_of", "is_opaque", "is_value", "name_of", "scrambled"]

PLAIN = frozenset({str, int, bytes, type(None)})
"""Types that are compared as they are."""

Contents = Mapping[Any, Any] | Sequence[Any]

_MACHINERY = frozenset(
    {"asyncio", "concurrent", "contextvars", "_contextvars", "logging", "ssl", "socket", "typing"}
    | {"threading", "_thread", "weakref", "_weakref", "selectors", "subprocess"}
)
_VALUES = (
    *(bool, float, complex, str, int, bytes, range, slice, enum.Enum, decimal.Decimal),
    *(fractions.Fraction, uuid.UUID, pathlib.PurePath, re.Pattern, zoneinfo.ZoneInfo),
    *(datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo, itertools.count),
    *(types.EllipsisType, types.NotImplementedType),
)


@dataclass(frozen=True, slots=True)
class State:
    """The inner state of a generator or a buffer, compared as a whole.

    Attributes:
        value: What it is compared by.
        held: What is put back.
        other: What it is scrambled to; `None` where it is left alone.
    """

    value: Hashable
    held: Any = field(compare=False)
    other: Any = field(default=None, compare=False)

    def __repr__(self) -> str:
        return f"state {zlib.crc32(repr(self.value).encode()):08x}"


@dataclass(frozen=True, slots=True)
class Facet:
    """One place where an object keeps things.

    Attributes:
        read: Gives the contents by name or by position, in a copy.
        write: Puts contents back; `None` where nothing can be put back.
        step: Writes a name or position as a path does.
        data: Whether it holds the object's own data, which may be scrambled.
    """

    read: Callable[[Any], Contents]
    write: Callable[[Any, Any], None] | None
    step: Callable[[Any], str]
    data: bool = True


def name_of(kind: Any) -> str:
    """Name a type or a function, with its module."""
    name = getattr(kind, "__qualname__", None) or type(kind).__qualname__
    home = getattr(kind, "__module__", None)
    return str(name) if home in (None, "builtins") else f"{home}.{name}"


def is_value(thing: Any) -> bool:
    """Say whether a thing is what its `repr` says, and cannot change."""
    numpy = sys.modules.get("numpy")
    return isinstance(thing, _VALUES) or (numpy is not None and isinstance(thing, numpy.generic))


def is_opaque(thing: Any) -> bool:
    """Say whether a thing belongs to the machinery around programs: locks, loops, loggers."""
    return type(thing).__module__.partition(".")[0] in _MACHINERY


def scrambled(contents: Contents) -> Contents:
    """Change every plain value to another one."""
    if isinstance(contents, Mapping):
        return {key: _other(value) for key, value in contents.items()}
    return [_other(value) for value in contents]


def _other(value: Any) -> Any:
    kind = type(value)
    if kind is bool:
        return not value
    if kind is int or kind is float:
        return value * 2 + 1
    if kind is str:
        return f"{value}~"
    if kind is bytes:
        return value + b"~"
    if kind is datetime.datetime:
        return value.replace(year=value.year % 1000 + 1000)
    if kind is State:
        return value if value.other is None else State("scrambled", value.other)
    return "~" if value is None else value


def facets_of(thing: Any, *, root: bool = False) -> tuple[Facet, ...]:
    """Give the facets of an object; none when it keeps what it holds to itself.

    Args:
        thing: The object.
        root: Whether the snapshot begins here: only then a module is looked into.
    """
    if isinstance(thing, types.ModuleType):
        return (_MODULE,) if root else ()
    if isinstance(thing, type):
        return (_CLASS,) if class_data(thing) else ()
    kind = type(thing)
    return (*_of_kind(kind), _KIND) if class_data(kind) else _of_kind(kind)


def _of_kind(kind: type) -> tuple[Facet, ...]:
    found = [facet for base, facet in _BUILT_IN if issubclass(kind, base)]
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy_kinds = (numpy.ndarray, numpy.random.Generator, numpy.random.RandomState)
        found += [
            facet
            for base, facet in zip(numpy_kinds, (_ARRAY, _BITS, _NUMPY_RANDOM), strict=True)
            if issubclass(kind, base)
        ]
    if kind.__dictoffset__ and not issubclass(kind, types.FunctionType):
        found.append(_ATTRIBUTES)
    # Private slots are listed under their mangled names.
    slots = {
        name: member
        for base in reversed(kind.__mro__)
        for name, member in vars(base).items()
        if isinstance(member, types.MemberDescriptorType) and "__slots__" in vars(base)
    }
    if slots:
        found.append(_slots(slots))
    return tuple(found)


def _slots(slots: Mapping[str, Any]) -> Facet:
    def read(thing: Any) -> dict[str, Any]:
        held = {}
        for name, member in slots.items():
            with suppress(AttributeError):  # not set
                held[name] = member.__get__(thing)
        return held

    def write(thing: Any, contents: Mapping[str, Any]) -> None:
        for name, member in slots.items():
            if name in contents:
                member.__set__(thing, contents[name])
            else:
                with suppress(AttributeError):
                    member.__delete__(thing)

    return Facet(read, write, _attribute)


def _read_attributes(thing: Any) -> dict[str, Any]:
    return dict(object.__getattribute__(thing, "__dict__"))


def _write_attributes(thing: Any, contents: Mapping[str, Any]) -> None:
    held = object.__getattribute__(thing, "__dict__")
    dict.clear(held)
    dict.update(held, contents)


def _read_dict(thing: dict[Any, Any]) -> dict[Any, Any]:
    # An ordered one keeps its order in a place of its own.
    kind = OrderedDict if isinstance(thing, OrderedDict) else dict
    return dict(kind.items(thing))


def _write_dict(thing: Any, contents: Mapping[Any, Any]) -> None:
    kind = OrderedDict if isinstance(thing, OrderedDict) else dict
    kind.clear(thing)
    for key, value in contents.items():
        kind.__setitem__(thing, key, value)


def _write_list(thing: Any, contents: Sequence[Any]) -> None:
    list.__setitem__(thing, slice(None), contents)


def _write_deque(thing: Any, contents: Sequence[Any]) -> None:
    deque.clear(thing)
    deque.extend(thing, contents)


def _write_set(thing: Any, contents: Sequence[Any]) -> None:
    set.clear(thing)
    set.update(thing, contents)


def _read_random(thing: random.Random) -> dict[str, Any]:
    if isinstance(thing, random.SystemRandom):
        return {}
    state = thing.getstate()
    return {"": State(state, state, random.Random(0).getstate())}


def _write_random(thing: random.Random, contents: Mapping[str, State]) -> None:
    if contents:
        thing.setstate(contents[""].held)


_CONTEXT = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")


def _read_context(thing: decimal.Context) -> dict[str, Any]:
    # Its flags are left out: every inexact sum raises them, and nobody looks.
    traps = State(str(sorted(map(str, thing.traps.items()))), dict(thing.traps))
    return {**{name: getattr(thing, name) for name in _CONTEXT}, "traps": traps}


def _write_context(thing: decimal.Context, contents: Mapping[str, Any]) -> None:
    for name in _CONTEXT:
        setattr(thing, name, contents[name])
    thing.traps = contents["traps"].held


def _read_buffer(thing: io.StringIO | io.BytesIO) -> dict[str, Any]:
    if thing.closed:
        return {}
    held = (thing.getvalue(), thing.tell())
    return {"": State(held, held)}


def _write_buffer(thing: Any, contents: Mapping[str, State]) -> None:
    if contents and not thing.closed:
        value, position = contents[""].held
        thing.seek(0)
        thing.truncate()
        thing.write(value)
        thing.seek(position)


def _read_bytes(thing: bytearray) -> dict[str, Any]:
    return {"": State(bytes(thing), bytes(thing), b"~")}


def _write_bytes(thing: Any, contents: Mapping[str, State]) -> None:
    thing[:] = contents[""].held


def _read_array(thing: Any) -> Contents:
    if thing.dtype.hasobject:
        return list(thing.flat)
    return {"": State((str(thing.dtype), thing.shape, thing.tobytes()), thing.copy())}


def _write_array(thing: Any, contents: Any) -> None:
    if thing.flags.writeable:
        thing[...] = contents[""].held if isinstance(contents, Mapping) else contents


def _read_bits(thing: Any) -> dict[str, Any]:
    state = thing.bit_generator.state
    return {"": State(_text(state), state)}


def _write_bits(thing: Any, contents: Mapping[str, State]) -> None:
    thing.bit_generator.state = contents[""].held


def _read_numpy_random(thing: Any) -> dict[str, Any]:
    state = thing.get_state(legacy=False)
    return {"": State(_text(state), state)}


def _write_numpy_random(thing: Any, contents: Mapping[str, State]) -> None:
    thing.set_state(contents[""].held)


def _text(state: Any) -> str:
    if isinstance(state, Mapping):
        return str({key: _text(value) for key, value in state.items()})
    return str(state.tolist() if hasattr(state, "tolist") else state)


def _members(thing: Any) -> list[Any]:
    return list(frozenset.__iter__(thing) if isinstance(thing, frozenset) else set.__iter__(thing))


def _attribute(name: Any) -> str:
    return f".{name}"


def _key(key: Any) -> str:
    return f"[{key!r}]"


def _member(step: Any) -> str:
    return f"{{{step!r}}}"


def _nothing(step: Any) -> str:
    return ""


def _named(step: Any) -> str:
    return f"<{step}>"


_ATTRIBUTES = Facet(_read_attributes, _write_attributes, _attribute)
_CLASS = Facet(class_data, write_class, _attribute, data=False)
_KIND = Facet(lambda t: {"__class__": type(t)}, None, _attribute, data=False)
_MODULE = Facet(module_data, write_module, _attribute)
_ARRAY = Facet(_read_array, _write_array, _nothing)
_BITS = Facet(_read_bits, _write_bits, _nothing)
_NUMPY_RANDOM = Facet(_read_numpy_random, _write_numpy_random, _nothing)

_BUILT_IN: tuple[tuple[type, Facet], ...] = (
    (dict, Facet(_read_dict, _write_dict, _key)),
    (types.MappingProxyType, Facet(dict, None, _key)),
    (list, Facet(lambda t: list(list.__iter__(t)), _write_list, _key)),
    (tuple, Facet(lambda t: list(tuple.__iter__(t)), None, _key)),
    (deque, Facet(lambda t: list(deque.__iter__(t)), _write_deque, _key)),
    (set, Facet(_members, _write_set, _member)),
    (frozenset, Facet(_members, None, _member)),
    (random.Random, Facet(_read_random, _write_random, _nothing)),
    (decimal.Context, Facet(_read_context, _write_context, _attribute, data=False)),
    (bytearray, Facet(_read_bytes, _write_bytes, _nothing)),
    (io.StringIO, Facet(_read_buffer, _write_buffer, _nothing)),
    (io.BytesIO, Facet(_read_buffer, _write_buffer, _nothing)),
    (types.FunctionType, Facet(read_function, write_function, _named, data=False)),
    (types.MethodType, Facet(read_method, None, _attribute, data=False)),
    (functools.partial, Facet(read_partial, None, _attribute, data=False)),
    (types.GeneratorType, Facet(read_generator, None, _attribute, data=False)),
)
