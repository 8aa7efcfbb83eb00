"""What classes, modules and functions hold: data on classes, closures, defaults, named globals."""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

__all__ = [
    "class_data",
    "module_data",
    "read_function",
    "read_generator",
    "read_method",
    "read_partial",
    "write_class",
    "write_function",
    "write_module",
]

_PLAIN = frozenset({str, int, bytes, type(None)})


def class_data(kind: type) -> dict[str, Any]:
    """Give what a class made in Python holds itself: no methods, no descriptors, no dunders."""
    if kind.__module__.partition(".")[0] in sys.stdlib_module_names:
        return {}
    return {
        name: value
        for base in reversed(kind.__mro__)
        if base.__module__.partition(".")[0] not in sys.stdlib_module_names
        for name, value in vars(base).items()
        if not name.startswith("__") and name != "_abc_impl" and _is_data(value)
    }


def _is_data(value: Any) -> bool:
    kind = type(value)
    if kind in _PLAIN:
        return True
    return not (callable(value) or hasattr(kind, "__get__") or isinstance(value, types.ModuleType))


def write_class(kind: type, contents: Mapping[str, Any]) -> None:
    for name in class_data(kind).keys() - contents.keys():
        type.__delattr__(kind, name)
    for name, value in contents.items():
        if getattr(kind, name, None) is not value:
            type.__setattr__(kind, name, value)


def module_data(module: types.ModuleType) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("__") and _is_data(value)
    }


def write_module(module: types.ModuleType, contents: Mapping[str, Any]) -> None:
    for name in module_data(module).keys() - contents.keys():
        delattr(module, name)
    vars(module).update(contents)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def read_function(function: types.FunctionType) -> dict[str, Any]:
    """Give what a function may keep something in: closure, defaults, attributes, globals."""
    held: dict[str, Any] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # not filled yet
            held[f"closure {name}"] = cell.cell_contents
    for index, value in enumerate(function.__defaults__ or ()):
        held[f"default {index}"] = value
    held |= {f"default {name}": value for name, value in (function.__kwdefaults__ or {}).items()}
    held |= {f"attribute {name}": value for name, value in vars(function).items()}
    around = function.__globals__
    if str(around.get("__name__")).partition(".")[0] not in sys.stdlib_module_names:
        for name in sorted({n for code in _codes(function.__code__) for n in code.co_names}):
            value = around.get(name)
            if _is_data(value) or getattr(value, "__globals__", None) is around:
                held[f"global {name}"] = value
    return held


def write_function(function: types.FunctionType, contents: Mapping[str, Any]) -> None:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        if f"closure {name}" in contents:
            cell.cell_contents = contents[f"closure {name}"]
    for name in [name for name in vars(function) if f"attribute {name}" not in contents]:
        delattr(function, name)
    for step, value in contents.items():
        kind, _, name = step.partition(" ")
        if kind == "attribute":
            vars(function)[name] = value
        elif kind == "global" and function.__globals__.get(name) is not value:
            function.__globals__[name] = value


def read_generator(thing: types.GeneratorType[Any, Any, Any]) -> dict[str, Any]:
    frame = thing.gi_frame
    return {"at": None} if frame is None else {"at": frame.f_lasti, **frame.f_locals}


def read_method(thing: types.MethodType) -> dict[str, Any]:
    return {"__self__": thing.__self__, "__func__": thing.__func__}


def read_partial(thing: functools.partial[Any]) -> dict[str, Any]:
    return {"func": thing.func, "args": thing.args, "keywords": thing.keywords}
