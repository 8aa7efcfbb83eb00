"""Equivalence: whether two expressions are equal for all values, decided by an SMT solver."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Mapping
from typing import Any, TypedDict

from langchain_core.tools import ToolException

from agentlanes.errors import MissingExtra
from agentlanes_tools._expressions import parse
from agentlanes_tools._making import look_tool
from agentlanes_tools._terms import SORTS, Reader

__all__ = ["Equivalence", "check_equivalence", "prove_equal"]

_MAX_VARIABLES, _MAX_TIMEOUT_S = 32, 60.0


class Equivalence(TypedDict):
    """What was found out.

    Attributes:
        verdict: `proved` for all values, `refuted` by the counterexample, or `unknown` when the
            solver ran out of time or ability.
        counterexample: The value of each variable; empty unless refuted. Integers, booleans, and
            for fractions and irrational numbers text such as `"1/3"`.
        left: The left side's value there, or `"undefined"`; `None` unless refuted.
        right: The right side's.
    """

    verdict: str
    counterexample: dict[str, Any]
    left: Any
    right: Any


def prove_equal(
    left: str, right: str, variables: Mapping[str, str], *, timeout_s: float = 10.0
) -> Equivalence:
    """Prove two expressions equal for all values, or find values for which they differ.

    See `check_equivalence` for the language. A division by zero makes an expression undefined;
    equal means defined for the same values and equal there.

    Args:
        left: One expression.
        right: The other, of the same type (`int` and `real` mix).
        variables: The type of each variable.
        timeout_s: Seconds until the verdict is `unknown`, at most 60.

    Raises:
        ToolException: An expression or a variable is not in the language.
        MissingExtra: z3 is not installed.

    Example:
        >>> prove_equal("(a + b) * 2", "2 * a + 2 * b", {"a": "int", "b": "int"})["verdict"]
        'proved'
    """
    if not 0.0 < timeout_s <= _MAX_TIMEOUT_S:
        raise ToolException(f"timeout_s must be over 0 and at most {_MAX_TIMEOUT_S:g}")
    _check_variables(variables)
    trees = parse(left, "the left side"), parse(right, "the right side")
    try:
        z3: Any = importlib.import_module("z3")
    except ImportError:
        raise MissingExtra("check_equivalence", "tools") from None
    context = z3.Context()  # one each: a context must not be shared between threads
    reader = Reader(z3, context, variables)
    one, other = reader.alike(*map(reader.read, trees))
    solver = z3.Solver(ctx=context)
    solver.set("timeout", max(1, int(timeout_s * 1_000)))
    both = z3.And(one.defined, other.defined)
    solver.add(z3.Or(one.defined != other.defined, z3.And(both, one.term != other.term)))
    # The solver does not look at its own timeout in every phase, so a timer interrupts it as well.
    alarm = threading.Timer(timeout_s + 0.5, context.interrupt)
    alarm.daemon = True
    alarm.start()
    try:
        answer = solver.check()
    except z3.Z3Exception:
        answer = z3.unknown
    finally:
        alarm.cancel()
    if answer == z3.unsat:
        return Equivalence(verdict="proved", counterexample={}, left=None, right=None)
    if answer != z3.sat:
        return Equivalence(verdict="unknown", counterexample={}, left=None, right=None)
    model = solver.model()

    def at(term: Any) -> Any:
        return _plain(z3, model.eval(term, model_completion=True))

    return Equivalence(
        verdict="refuted",
        counterexample={name: at(term) for name, term in reader.names.items()},
        left=at(one.term) if at(one.defined) else "undefined",
        right=at(other.term) if at(other.defined) else "undefined",
    )


def _check_variables(variables: Mapping[str, str]) -> None:
    if len(variables) > _MAX_VARIABLES:
        raise ToolException(f"{len(variables)} variables; {_MAX_VARIABLES} is the limit")
    for name, sort in variables.items():
        if not name.isidentifier() or not name.isascii() or len(name) > 60:
            raise ToolException(f"{name[:60]!r} is no variable name; use letters, digits and _")
        if sort not in SORTS:
            raise ToolException(f"{name} has type {sort[:60]!r}; use one of {', '.join(SORTS)}")


def _plain(z3: Any, value: Any) -> Any:
    if z3.is_true(value) or z3.is_false(value):
        return z3.is_true(value)
    if z3.is_int_value(value) or z3.is_bv_value(value):
        return value.as_long()
    if z3.is_rational_value(value) and value.denominator_as_long() == 1:
        return value.numerator_as_long()
    return str(value)  # a fraction "1/3", or an irrational number cut short "1.4142135623?"


def _check_equivalence(
    left: str, right: str, variables: dict[str, str], timeout_s: float = 10.0
) -> Equivalence:
    """Prove that two expressions are equal for all values of their variables, or refute it.

    Gives {"verdict": "proved" | "refuted" | "unknown", "counterexample": {variable: value}, ...}.
    Types: int (unbounded), real (exact), bool, and unsigned wrap-around integers bv8, bv16, bv32,
    bv64. Syntax as in Python: + - * / // % **, comparisons, and or not, `a if c else b`, abs, min,
    max, implies(p, q); & | ^ ~ << >> on bv types (& | ^ on bool). ** needs a constant exponent
    from 0 to 8. / gives a real and is not for bv types. To check that one statement always holds,
    compare it with True.

    Args:
        left: For example "(a + b) * (a - b)".
        right: For example "a * a - b * b".
        variables: The type of each variable, for example {"a": "int", "b": "int"}.
        timeout_s: Seconds to try, at most 60; after that the verdict is "unknown".
    """
    return prove_equal(left, right, variables, timeout_s=timeout_s)


_check_equivalence.__name__ = "check_equivalence"
check_equivalence = look_tool(_check_equivalence, "pure")
"""Tool of class `pure`: `check_equivalence(left, right, variables, timeout_s=10.0) -> dict`."""
