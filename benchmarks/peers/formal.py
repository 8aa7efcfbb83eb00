"""Formal verification: chains of rewrites over 8-bit words, each proved or refuted by z3.

The calls take an expression from its first form to its last, one rewrite at a time. The check has
z3 decide, for every rewrite that was made, whether both sides are equal for all values, and that
the chain leads from the given expression to the wanted one.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

from agentlanes.bench.bfcl_calls import Call
from benchmarks.peers.made import Made, MadeItems, spec

__all__ = ["equal_words", "formal_verification"]


@cache
def equal_words(one: str, other: str) -> bool:
    """Say whether two expressions over the 8-bit words x and y are equal for all values."""
    import z3

    names = {"x": z3.BitVec("x", 8), "y": z3.BitVec("y", 8)}
    left, right = (eval(text, {"__builtins__": {}}, names) for text in (one, other))
    solver = z3.Solver()
    solver.add(left != right)
    return bool(solver.check() == z3.unsat)


def _rewrites(draw: random.Random) -> list[tuple[str, str]]:
    a, b, k = draw.randint(1, 50), draw.randint(1, 50), draw.randint(1, 3)
    chains = [
        [f"(x + {a}) + {b} + y - y", f"(x + {a}) + {b}", f"x + {a + b}", f"{a + b} + x"],
        [f"x * {2**k} + y ^ y ^ y", f"(x << {k}) + y ^ y ^ y", f"(x << {k}) + y ^ 0",
         f"(x << {k}) + y"],
        [f"(x & y) + (x | y) + {a}", f"x + y + {a}", f"y + x + {a}", f"y + (x + {a})"],
        [f"(x ^ y) + 2 * (x & y) - {b}", f"x + y - {b}", f"x + (y - {b})", f"(y - {b}) + x"],
        [f"~(~x & ~y) - (x & y) + {a}", f"(x | y) - (x & y) + {a}", f"(x ^ y) + {a}",
         f"{a} + (x ^ y)"],
    ]  # fmt: skip
    forms = draw.choice(chains)[: draw.randint(3, 4)]
    return list(itertools.pairwise(forms))


def _prove(state: Any, before: str, after: str) -> Any:
    return {"equal": equal_words(before, after)}


def _rewrite(state: Any, before: str, after: str) -> Any:
    state.append((before, after))
    return {"now": after}


def _altered(call: Call, draw: random.Random) -> Call:
    after = f"{call.args['after']} + {draw.randint(1, 3)}"
    return Call(call.tool, {**call.args, "after": after})


def _fault(first: str, last: str, state: Any, calls: Sequence[Call]) -> str:
    if not state or state[0][0] != first or state[-1][1] != last:
        return "the chain does not lead from the given expression to the wanted one"
    for n, (before, after) in enumerate(state):
        if n and state[n - 1][1] != before:
            return f"rewrite {n + 1} does not begin where the one before it ended"
        if not equal_words(before, after):
            return f"z3 refutes {before} = {after}"
    return ""


def formal_verification(tasks: int = 100) -> MadeItems:
    """Generate the workload.

    Raises:
        ModuleNotFoundError: z3 is not installed.
    """
    import z3  # noqa: F401 - said at the beginning, not at the first check

    draw, made = random.Random(17), []
    for _ in range(tasks):
        steps = _rewrites(draw)
        calls = []
        for before, after in steps:
            calls.append(Call("prove", {"before": before, "after": after}))
            calls.append(Call("rewrite", {"before": before, "after": after}))
        first, last = steps[0][0], steps[-1][1]
        told = ", then ".join(after for _, after in steps)
        text = f"Rewrite {first} into {told}; prove each rewrite before it is made."
        right = partial(_fault, first, last)
        made.append(Made(text=text, calls=tuple(calls), state=list, right=right))
    two = {"before": "string", "after": "string"}
    return MadeItems(
        "formal-verification",
        {"prove": _prove, "rewrite": _rewrite},
        {
            "prove": spec(
                "prove",
                "Prove or refute that two expressions are equal.",
                two,
                "pure",
                trusted=True,
            ),
            "rewrite": spec("rewrite", "Rewrite the expression.", two, "write", trusted=True),
        },
        made,
        _altered,
    )
