"""Arithmetic: a calculator that reads an expression and runs nothing else."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from langchain_core.tools import ToolException

from agentlanes_tools._expressions import parse, shown
from agentlanes_tools._making import look_tool

__all__ = ["calculate", "evaluate"]

Number = int | float

_MAX_BITS = 8_192  # some 2,466 digits: more is no answer, only work

_CONSTANTS: Mapping[str, float] = {"pi": math.pi, "e": math.e}
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def evaluate(expression: str) -> int | float | bool:
    """Compute an expression; see `calculate` for what it may hold.

    Integers are exact up to 8,192 bits; everything else is double precision. Takes microseconds to
    a few milliseconds, whatever it is given.

    Raises:
        ToolException: It is no such expression, divides by zero, or its result is too large.

    Example:
        >>> evaluate("(2 + 3) * 4 ** 2 / 8")
        10.0
    """
    try:
        return _value(parse(expression))
    except ZeroDivisionError:
        raise ToolException("division by zero") from None
    except OverflowError:
        raise ToolException("a value is too large for a number of double precision") from None
    except ValueError as error:
        raise ToolException(f"no result: {error}") from None


def _value(node: ast.expr) -> int | float | bool:
    if isinstance(node, ast.Compare):
        values = [_number(side) for side in (node.left, *node.comparators)]
        tests = [_COMPARISONS.get(type(op)) for op in node.ops]
        if None in tests:
            raise ToolException("compare with ==, !=, <, <=, > or >=")
        return all(t(a, b) for t, a, b in zip(tests, values, values[1:], strict=False) if t)
    return _number(node)


def _number(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return _bounded(value)
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return _number(inner)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_number(inner)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _bounded(_OPERATORS[type(op)](_number(left), _number(right)))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            return _bounded(_call(name, [_number(arg) for arg in args]))
    raise ToolException(
        f"{shown(node)} is not allowed here; use numbers, + - * / // % **, "
        f"parentheses, one comparison, pi, e, and {', '.join(sorted(_FUNCTIONS))}"
    )


def _bounded(value: Any) -> Number:
    if isinstance(value, int):
        if value.bit_length() > _MAX_BITS:
            raise ToolException(f"a value has over {_MAX_BITS:,} bits; use floating point: 1e300")
        return value
    if not isinstance(value, float) or not math.isfinite(value):
        raise ToolException("a value is not a finite real number")
    return value


def _power(base: Number, exponent: Number) -> Any:
    if isinstance(base, int) and isinstance(exponent, int) and abs(base) > 1:
        # The result has at least this many bits, and must not be begun if that is too many.
        bits = (base.bit_length() - 1) * abs(exponent)
        if bits > _MAX_BITS:
            raise ToolException("a power is too large; use floating point: 10.0 ** 300")
    return base**exponent


def _call(name: str, values: list[Number]) -> Number:
    function, least, most = _FUNCTIONS[name]
    if not least <= len(values) <= most:
        raise ToolException(f"{name} takes {least} to {most} values, not {len(values)}")
    return function(*values)


def _round(value: Number, digits: Number = 0) -> Number:
    if not isinstance(digits, int) or abs(digits) > 300:
        raise ToolException("round takes a whole number of digits from -300 to 300")
    return round(value, digits) if digits else round(value)


_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
_FUNCTIONS: Mapping[str, tuple[Callable[..., Number], int, int]] = {
    "abs": (abs, 1, 1),
    "max": (max, 2, 100),
    "min": (min, 2, 100),
    "round": (_round, 1, 2),
    "sqrt": (math.sqrt, 1, 1),
}


def _calculate(expression: str) -> str:
    """Compute an arithmetic expression exactly as written and give its value.

    Use it for every calculation instead of working it out yourself. Allowed: numbers, + - * / //
    (floor division) % ** (power), parentheses, one comparison such as 3 * 7 >= 20 (gives true or
    false), pi, e, and the functions abs(x), min(a, b, ...), max(a, b, ...), round(x, digits) and
    sqrt(x). No variables, units, thousands separators or other functions.

    Args:
        expression: For example "(19.99 * 3 + 4) * 1.2" or "2 ** 64 % 1000".
    """
    value = evaluate(expression)
    return str(value).lower() if isinstance(value, bool) else str(value)


_calculate.__name__ = "calculate"
calculate = look_tool(_calculate, "pure")
"""Tool of class `pure`: `calculate(expression: str) -> str`."""
