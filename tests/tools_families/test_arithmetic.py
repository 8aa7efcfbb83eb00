import math
import operator

import pytest
from agentlanes_tools import calculate, evaluate
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import ToolMessage
from langchain_core.tools import ToolException

from agentlanes.speculation.effects import effect_of


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("7 // 2 - 7 % 4", "0"),
        ("-2 ** 2", "-4"),
        ("2 ** 64 % 1000", "616"),
        ("10 / 4", "2.5"),
        ("sqrt(16) + abs(-2)", "6.0"),
        ("min(3, 1, 2) + max(4, 5)", "6"),
        ("round(2.675, 2)", "2.67"),  # the double below 2.675
        ("round(2.567, 2)", "2.57"),
        ("1 < 2 <= 2", "true"),
        ("3 * 7 == 20", "false"),
        ("  2 + 2\n", "4"),
        ("2 ** 8191 > 10 ** 2465", "true"),
        ("+".join("1" * 99), "99"),
    ],
)
def test_values(expression, value):
    assert calculate.invoke({"expression": expression}) == value


@pytest.mark.parametrize(
    "expression",
    [
        "9 ** 9 ** 9",
        "2 ** 99999999999",
        "(-2) ** -9000",
        "(2 ** 8000) * (2 ** 8000)",
        "1e308 * 10",
        "1e999",
        "10.0 ** 400",
        "10 ** 400 * 1.0",
        "sqrt(-1)",
        "(-8) ** 0.5",
        "1 / 0",
        "5 % 0",
        "0 ** -1",
        "round(1, 10 ** 9)",
        "max(1)",
        "(" * 300 + "1" + ")" * 300,
        "-" * 1500 + "1",
        "+".join("1" * 900),
        "1" * 100_000,
        "1,000",
        "",
        "\0",
        "\ud800",
        "x",
        "True",
        "1j",
        "'a' * 3",
        "(1 < 2) + 1",
        "1 if 2 else 3",
        "__import__('os').system('true')",
        "(1).__class__",
        "sqrt.__globals__",
        "[i for i in (1, 2)]",
        "lambda: 1",
        "min(*[1, 2])",
        "(x := 1)",
        "f'{1}'",
        "1; 2",
        "1 in (1, 2)",
    ],
)
def test_what_it_refuses(expression):
    with pytest.raises(ToolException):
        evaluate(expression)


def test_a_refusal_is_a_result_the_model_can_read():
    call = {"name": "calculate", "args": {"expression": "1 / 0"}, "id": "c", "type": "tool_call"}
    message = calculate.invoke(call)
    assert isinstance(message, ToolMessage)
    assert (message.status, message.content) == ("error", "division by zero")


async def test_it_is_pure_and_may_run_ahead():
    assert effect_of(calculate).effect_class == "pure"
    assert effect_of(calculate).run_ahead
    assert calculate.coroutine is not None
    assert await calculate.ainvoke({"expression": "6 * 7"}) == "42"


numbers = st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6, allow_nan=False)


@given(numbers, numbers, st.sampled_from(["+", "-", "*", "/", "//", "%"]))
def test_it_agrees_with_the_operators(a, b, sign):
    function = {
        "+": operator.add,
        "-": operator.sub,
        "*": operator.mul,
        "/": operator.truediv,
        "//": operator.floordiv,
        "%": operator.mod,
    }[sign]
    try:
        expected = function(a, b)
    except ZeroDivisionError:
        with pytest.raises(ToolException, match="division by zero"):
            evaluate(f"({a!r}) {sign} ({b!r})")
        return
    if math.isfinite(expected):
        assert evaluate(f"({a!r}) {sign} ({b!r})") == expected


@given(st.text(alphabet="0123456789+-*/%().eE,<>= sqrtminaxbound_[]'", max_size=60))
def test_any_text_gives_a_number_or_a_refusal(expression):
    try:
        value = evaluate(expression)
    except ToolException:
        return
    assert isinstance(value, int | float)
    assert math.isfinite(value)
