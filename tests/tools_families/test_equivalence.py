import json
from fractions import Fraction

import pytest
from agentlanes_tools import check_equivalence, prove_equal
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.tools import ToolException

from agentlanes.speculation.effects import effect_of

pytest.importorskip("z3")

INTS = {"a": "int", "b": "int"}


@pytest.mark.parametrize(
    ("left", "right", "variables"),
    [
        ("(a + b) * (a - b)", "a * a - b * b", INTS),
        ("a // b * b + a % b if b != 0 else a", "a", INTS),
        ("b != 0 and a / b == 1", "b != 0 and a == b", INTS),
        ("a ** 3 + b ** 3", "(a + b) * (a * a - a * b + b * b)", INTS),
        ("x & -x", "x & (~x + 1)", {"x": "bv32"}),
        ("x * 2", "x << 1", {"x": "bv64"}),
        ("x + (3 + 4)", "x + 7 + 256", {"x": "bv8"}),
        ("x // 4", "x >> 2", {"x": "bv16"}),
        ("p and q", "not (not p or not q)", {"p": "bool", "q": "bool"}),
        ("p ^ q", "p != q", {"p": "bool", "q": "bool"}),
        ("implies(p, q)", "not p or q", {"p": "bool", "q": "bool"}),
        ("abs(x)", "max(x, -x)", {"x": "real"}),
        ("0.1 + 0.2", "0.3", {}),
        ("a ** 2 >= 0", "True", INTS),
        ("max(a, b) + min(a, b)", "a + b", INTS),
    ],
)
def test_proved(left, right, variables):
    found = prove_equal(left, right, variables)
    assert found == {"verdict": "proved", "counterexample": {}, "left": None, "right": None}


@pytest.mark.parametrize(
    ("left", "right", "variables"),
    [
        ("a - b", "b - a", INTS),
        ("a / 2", "a // 2", INTS),
        ("a // b * b + a % b", "a", INTS),  # undefined for b = 0, where a is not
        ("x // 1", "x", {"x": "real"}),
        ("abs(x)", "max(x, -x)", {"x": "bv8"}),  # unsigned: -x is not negative
        ("x + 1 > x", "True", {"x": "bv8"}),  # wraps
        ("p or q", "p ^ q", {"p": "bool", "q": "bool"}),
        ("-1", "255", {}),
    ],
)
def test_refuted_with_values_that_differ(left, right, variables):
    found = prove_equal(left, right, variables)
    assert found["verdict"] == "refuted"
    assert set(found["counterexample"]) == set(variables)
    assert found["left"] != found["right"]
    assert json.loads(json.dumps(found)) == found


def test_a_fraction_and_an_irrational_number_come_as_text():
    assert prove_equal("3 * x != 1", "True", {"x": "real"})["counterexample"] == {"x": "1/3"}
    root = prove_equal("x * x == 2 and x > 0", "False", {"x": "real"})["counterexample"]["x"]
    assert root.startswith("1.41421")


def test_what_takes_too_long_is_unknown():
    cubes = "a > 0 and b > 0 and c > 0 and a ** 3 + b ** 3 == c ** 3"
    found = prove_equal(cubes, "False", {**INTS, "c": "int"}, timeout_s=0.3)
    assert found["verdict"] == "unknown"


@pytest.mark.parametrize(
    ("left", "right", "variables"),
    [
        ("a", "c", INTS),
        ("a + 1", "p", {**INTS, "p": "bool"}),
        ("p + 1", "p", {"p": "bool"}),
        ("a & 1", "a", INTS),
        ("x", "a", {**INTS, "x": "bv8"}),
        ("x", "y", {"x": "bv8", "y": "bv16"}),
        ("x / 2", "x", {"x": "bv8"}),
        ("a if a else b", "a", INTS),
        ("a ** b", "a", INTS),
        ("a ** 9", "a", INTS),
        ("a ** -1", "a", INTS),
        ("a ** True", "a", INTS),
        ("((a + b + 1) ** 8) ** 8", "a", INTS),
        ("1e999", "a", INTS),
        ("9" * 200, "a", INTS),
        ("a @ b", "a", INTS),
        ("a in b", "a", INTS),
        ("a is b", "a", INTS),
        ("'x'", "a", INTS),
        ("abs(a, b)", "a", INTS),
        ("abs(x=a)", "a", INTS),
        ("__import__('os')", "a", INTS),
        ("a.real", "a", INTS),
        ("[a]", "a", INTS),
        ("(a := 1)", "a", INTS),
        ("a +", "a", INTS),
        ("(" * 300, "a", INTS),
        ("a", "a", {"a": "str"}),
        ("a", "a", {"a b": "int"}),
        ("a", "a", {f"v{n}": "int" for n in range(33)}),
    ],
)
def test_what_it_refuses(left, right, variables):
    with pytest.raises(ToolException):
        prove_equal(left, right, variables)


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, 61.0, float("nan"), float("inf")])
def test_the_timeout_is_bounded(timeout_s):
    with pytest.raises(ToolException, match="timeout_s"):
        prove_equal("1", "1", {}, timeout_s=timeout_s)


async def test_the_tool():
    assert effect_of(check_equivalence).run_ahead
    assert set(check_equivalence.args) == {"left", "right", "variables", "timeout_s"}
    args = {"left": "a + a", "right": "2 * a", "variables": {"a": "int"}}
    assert (await check_equivalence.ainvoke(args))["verdict"] == "proved"
    assert "no type" in check_equivalence.invoke({**args, "right": "2 * c"})


def grow(inner):
    return st.builds(
        "({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "//", "%"]), inner
    ) | (
        st.builds(
            "({} if {} {} {} else {})".format,
            inner,
            inner,
            st.sampled_from(["<", "=="]),
            inner,
            inner,
        )
    )


terms = st.recursive(st.sampled_from(["a", "b", "1", "2", "3"]), grow, max_leaves=5)
points = st.tuples(st.integers(-9, 9), st.integers(-9, 9))


def value(expression, names):
    try:
        return Fraction(eval(expression, {}, names))  # the reference: Python itself
    except ZeroDivisionError:
        return "undefined"


@settings(max_examples=60, deadline=None)
@given(terms, terms, st.lists(points, min_size=8, max_size=8))
def test_verdicts_agree_with_python(left, right, sample):
    found = prove_equal(left, right, INTS, timeout_s=1.0)
    if found["verdict"] == "refuted":
        at = found["counterexample"]
        assert value(left, at) == found["left"]
        assert value(right, at) == found["right"]
        assert found["left"] != found["right"]
    if found["verdict"] == "proved":
        for a, b in sample:
            assert value(left, {"a": a, "b": b}) == value(right, {"a": a, "b": b})
