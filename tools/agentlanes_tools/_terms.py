"""Expressions as solver terms, each with the condition under which it is defined."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from langchain_core.tools import ToolException

from agentlanes_tools._expressions import shown

__all__ = ["SORTS", "Reader", "Term"]

SORTS = ("int", "real", "bool", "bv8", "bv16", "bv32", "bv64")
_MAX_EXPONENT = 8
_MAX_MONOMIALS = 10_000  # the solver multiplies out before it looks at its clock
_RING: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}
_BIT_OPERATORS = (ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift, ast.RShift)


@dataclass(frozen=True, slots=True)
class Term:
    """A solver term.

    Attributes:
        sort: One of `SORTS`.
        term: Its value, which means nothing where it is not defined.
        defined: Where it is defined; evaluation is lazy as in Python, so that
            `a / b if b != 0 else 0` is defined everywhere.
        literal: The number written down, if it is one; it takes the type of what it meets.
        monomials: How many products it holds when multiplied out, at most.
    """

    sort: str
    term: Any
    defined: Any
    literal: int | None = None
    monomials: int = 1


class Reader:
    """Turn syntax trees into terms of one solver context.

    Args:
        z3: The module.
        context: The context that all terms belong to.
        variables: The type of each variable, from `SORTS`.
    """

    def __init__(self, z3: Any, context: Any, variables: Mapping[str, str]) -> None:
        self._z3, self._context = z3, context
        self._true = z3.BoolVal(True, context)
        self._sorts = dict(variables)
        self.names = {name: self._variable(name, sort) for name, sort in variables.items()}

    def _variable(self, name: str, sort: str) -> Any:
        if sort.startswith("bv"):
            return self._z3.BitVec(name, int(sort[2:]), self._context)
        maker = {"int": self._z3.Int, "real": self._z3.Real, "bool": self._z3.Bool}[sort]
        return maker(name, self._context)

    def read(self, node: ast.expr) -> Term:
        """Turn a tree into a term.

        Raises:
            ToolException: Something in it is not in the language, or types do not fit.
        """
        match node:
            case ast.Constant(value=bool() as truth):
                return Term("bool", self._z3.BoolVal(truth, self._context), self._true)
            case ast.Constant(value=int() | float() as number):
                return self._constant(number)
            case ast.Name(id=name):
                if name not in self.names:
                    raise ToolException(f"{name!r} has no type; add it to variables")
                return Term(self._sorts[name], self.names[name], self._true)
            case ast.UnaryOp(op=op, operand=inner):
                return self._unary(op, self.read(inner))
            case ast.BoolOp(op=op, values=values):
                return self._lazy([self.read(value) for value in values], isinstance(op, ast.And))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self._choice(self.read(test), self.read(body), self.read(orelse))
            case ast.Compare(left=left, ops=ops, comparators=others):
                sides = [self.read(side) for side in (left, *others)]
                pairs = zip(ops, sides, sides[1:], strict=False)
                return self._lazy([self._compare(op, a, b) for op, a, b in pairs], True)
            case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int() as exponent)):
                return self._power(self.read(left), exponent)
            case ast.BinOp(left=left, op=op, right=right):
                return self._binary(op, *self.alike(self.read(left), self.read(right)))
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                return self._call(name, [self.read(arg) for arg in args])
        raise ToolException(f"{shown(node)} is not in the language of check_equivalence")

    def alike(self, one: Term, other: Term) -> tuple[Term, Term]:
        """Bring two terms to one type: literals adapt, and `int` becomes `real` beside it.

        Raises:
            ToolException: Their types do not mix.
        """
        if one.sort == other.sort:
            return one, other
        for a, b in ((one, other), (other, one)):
            if a.literal is not None and b.sort.startswith("bv"):
                value = self._z3.BitVecVal(a.literal, int(b.sort[2:]), self._context)
                a = Term(b.sort, value, a.defined)
            elif (a.sort, b.sort) == ("int", "real"):
                a = self._real(a)
            else:
                continue
            return (a, other) if b is other else (one, a)
        raise ToolException(f"{one.sort} and {other.sort} do not mix; check the types of variables")

    def _real(self, it: Term) -> Term:
        if it.sort == "real":
            return it
        return Term("real", self._z3.ToReal(it.term), it.defined, monomials=it.monomials)

    def _constant(self, number: int | float) -> Term:
        if isinstance(number, int):
            if number.bit_length() > 256:
                raise ToolException("a number has over 256 bits")
            return Term("int", self._z3.IntVal(number, self._context), self._true, number)
        if not math.isfinite(number):
            raise ToolException("a number is not finite")
        exact = Fraction(repr(number))  # 0.1 means a tenth, not the nearest double
        return Term("real", self._z3.RealVal(str(exact), self._context), self._true)

    def _unary(self, op: ast.unaryop, it: Term) -> Term:
        if isinstance(op, ast.Not):
            return Term("bool", self._z3.Not(self._truth(it).term), it.defined)
        if isinstance(op, ast.Invert):
            if not it.sort.startswith("bv"):
                raise ToolException(f"~ is for bv types, not {it.sort}")
            return Term(it.sort, ~it.term, it.defined)
        self._numbers(it)
        if isinstance(op, ast.UAdd):
            return it
        literal = None if it.literal is None else -it.literal
        return Term(it.sort, -it.term, it.defined, literal, it.monomials)

    def _binary(self, op: ast.operator, a: Term, b: Term) -> Term:
        defined = self._z3.And(a.defined, b.defined)
        if isinstance(op, _BIT_OPERATORS):
            return Term(a.sort, self._bits(op, a, b), defined)
        self._numbers(a)
        plain = _RING.get(type(op))
        if plain is not None and a.literal is not None and b.literal is not None:
            return self._constant(plain(a.literal, b.literal))  # still adapts to what it meets
        if plain is not None:
            count = operator.mul if isinstance(op, ast.Mult) else operator.add
            monomials = _few(count(a.monomials, b.monomials))
            return Term(a.sort, plain(a.term, b.term), defined, monomials=monomials)
        if isinstance(op, ast.Div | ast.FloorDiv | ast.Mod):
            return self._divide(op, a, b)
        raise ToolException("** needs a constant whole exponent; @ is not in the language")

    def _divide(self, op: ast.operator, a: Term, b: Term) -> Term:
        z3 = self._z3
        defined = z3.And(a.defined, b.defined, b.term != 0)
        if isinstance(op, ast.Div):
            if a.sort.startswith("bv"):
                raise ToolException("/ gives a fraction; use // on bv types")
            term = self._real(a).term / self._real(b).term
            return Term("real", term, defined, monomials=_few(a.monomials * b.monomials))
        if a.sort.startswith("bv"):
            whole = isinstance(op, ast.FloorDiv)
            return Term(a.sort, (z3.UDiv if whole else z3.URem)(a.term, b.term), defined)
        if a.sort == "real":
            quotient = z3.ToReal(z3.ToInt(a.term / b.term))
        else:
            # The solver's remainder is never negative; Python's has the divisor's sign.
            quotient = z3.If(b.term > 0, a.term / b.term, (-a.term) / (-b.term))
        if isinstance(op, ast.FloorDiv):
            return Term(a.sort, quotient, defined, monomials=a.monomials)
        monomials = _few(a.monomials + a.monomials * b.monomials)
        return Term(a.sort, a.term - b.term * quotient, defined, monomials=monomials)

    def _bits(self, op: ast.operator, a: Term, b: Term) -> Any:
        z3 = self._z3
        shift = isinstance(op, ast.LShift | ast.RShift)
        if a.sort == "bool" and not shift:
            name = {ast.BitAnd: "And", ast.BitOr: "Or", ast.BitXor: "Xor"}[type(op)]
            return getattr(z3, name)(a.term, b.term)
        if not a.sort.startswith("bv"):
            raise ToolException(f"& | ^ << >> are for bv types, not {a.sort}; declare bv32")
        match op:
            case ast.BitAnd():
                return a.term & b.term
            case ast.BitOr():
                return a.term | b.term
            case ast.BitXor():
                return a.term ^ b.term
            case ast.LShift():
                return a.term << b.term
        return z3.LShR(a.term, b.term)

    def _power(self, base: Term, exponent: int) -> Term:
        self._numbers(base)
        if isinstance(exponent, bool) or not 0 <= exponent <= _MAX_EXPONENT:
            raise ToolException(f"** needs a constant whole exponent from 0 to {_MAX_EXPONENT}")
        if base.literal is not None:
            return self._constant(base.literal**exponent)
        if exponent == 0:
            return Term(base.sort, base.term - base.term + 1, base.defined)
        monomials, product = _few(base.monomials**exponent), base.term
        for _ in range(exponent - 1):
            product = product * base.term
        return Term(base.sort, product, base.defined, monomials=monomials)

    def _compare(self, op: ast.cmpop, a: Term, b: Term) -> Term:
        z3 = self._z3
        a, b = self.alike(a, b)
        defined = z3.And(a.defined, b.defined)
        if isinstance(op, ast.Eq | ast.NotEq):
            same = a.term == b.term
            return Term("bool", same if isinstance(op, ast.Eq) else z3.Not(same), defined)
        self._numbers(a)
        wraps = a.sort.startswith("bv")
        match op:
            case ast.Lt():
                said = z3.ULT(a.term, b.term) if wraps else a.term < b.term
            case ast.LtE():
                said = z3.ULE(a.term, b.term) if wraps else a.term <= b.term
            case ast.Gt():
                said = z3.UGT(a.term, b.term) if wraps else a.term > b.term
            case ast.GtE():
                said = z3.UGE(a.term, b.term) if wraps else a.term >= b.term
            case _:
                raise ToolException("compare with ==, !=, <, <=, > or >=")
        return Term("bool", said, defined)

    def _lazy(self, parts: list[Term], conjunction: bool) -> Term:
        """Join from the right: a part that is not reached need not be defined."""
        z3 = self._z3
        *firsts, result = [self._truth(part) for part in parts]
        for part in reversed(firsts):
            reached = part.term if conjunction else z3.Not(part.term)
            defined = z3.And(part.defined, z3.Implies(reached, result.defined))
            joined = (z3.And if conjunction else z3.Or)(part.term, result.term)
            result = Term("bool", joined, defined)
        return result

    def _choice(self, test: Term, body: Term, orelse: Term) -> Term:
        z3 = self._z3
        truth = self._truth(test).term
        body, orelse = self.alike(body, orelse)
        defined = z3.And(test.defined, z3.If(truth, body.defined, orelse.defined))
        monomials = max(body.monomials, orelse.monomials)
        return Term(body.sort, z3.If(truth, body.term, orelse.term), defined, monomials=monomials)

    def _call(self, name: str, args: list[Term]) -> Term:
        match name, args:
            case "abs", [it]:
                self._numbers(it)
                below = self._compare(ast.Lt(), it, self._constant(0))
                size = self._z3.If(below.term, -it.term, it.term)
                return Term(it.sort, size, it.defined, monomials=it.monomials)
            case "min" | "max", [first, second, *rest]:
                op = ast.Lt() if name == "min" else ast.Gt()
                first, second = self.alike(first, second)
                better = self._compare(op, first, second)
                defined = better.defined
                best = self._z3.If(better.term, first.term, second.term)
                monomials = max(first.monomials, second.monomials)
                chosen = Term(first.sort, best, defined, monomials=monomials)
                return self._call(name, [chosen, *rest]) if rest else chosen
            case "implies", [given, then]:
                return self._lazy([self._unary(ast.Not(), given), then], False)
        raise ToolException(
            f"{name}() with {len(args)} arguments is not in the language; there are abs(x), "
            "min(a, b, ...), max(a, b, ...) and implies(p, q)"
        )

    def _truth(self, it: Term) -> Term:
        if it.sort != "bool":
            raise ToolException(f"a condition must be bool, not {it.sort}")
        return it

    def _numbers(self, it: Term) -> None:
        if it.sort == "bool":
            raise ToolException("bool is no number; use `1 if p else 0`")


def _few(monomials: int) -> int:
    if monomials > _MAX_MONOMIALS:
        raise ToolException(
            f"over {_MAX_MONOMIALS:,} products when multiplied out; use lower powers or put a "
            "variable in place of a repeated part"
        )
    return monomials
