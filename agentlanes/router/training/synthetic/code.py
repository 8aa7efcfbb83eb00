"""Requests about source code, with Python's own parser to say how much there is to understand.

The functions are those of the standard library that read the same from Python 3.11 to 3.13; they
are looked up where training runs, so none of their text is in this package. Reading off a name is
easy whatever the function; following it is hard from six branches on, and easy up to one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from random import Random

from agentlanes.router.training.rows import Row

__all__ = ["MODULES", "branches", "code", "functions"]

MODULES = (
    "bisect", "calendar", "cmd", "colorsys", "configparser", "copy", "csv", "difflib", "fnmatch",
    "fractions", "gettext", "graphlib", "heapq", "imaplib", "json.decoder", "json.encoder",
    "mimetypes", "numbers", "nturl2path", "pprint", "quopri", "random", "sched", "shlex", "smtplib",
    "statistics", "string", "tabnanny", "textwrap", "tokenize", "wave", "zipapp",
)  # fmt: skip
"""Modules whose functions are read."""

_READ_OFF = (
    "What is the name of the function below?",
    "Which parameters does this function take?",
    "Does this function have a return statement?",
    "Copy the first line of this function.",
    "Format this code with four spaces.",
    "Which names does the first assignment bind?",
)
_FOLLOW = (
    "Explain step by step what this function does.",
    "Go through all paths of this function and say what each one returns.",
    "Find the inputs for which this code fails.",
    "Parse this function and describe its control flow.",
    "What does this return for an empty argument, and why?",
    "Rewrite this without changing what it does, and argue that it is the same.",
    "Is there a bug in this code?",
    "Summarise this code.",
)
_BRANCHES = (ast.If, ast.For, ast.While, ast.ExceptHandler, ast.IfExp, ast.comprehension, ast.And,
             ast.Or, ast.Assert, ast.match_case)  # fmt: skip


def branches(tree: ast.AST) -> int:
    """Count where control can part: McCabe's complexity (1976) less one."""
    return sum(isinstance(node, _BRANCHES) for node in ast.walk(tree))


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Give the functions of `MODULES` by name, without their docstrings."""
    for module in MODULES:
        spec = find_spec(module)
        if spec is None or spec.origin is None:
            continue
        tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                if ast.get_docstring(node, clean=False) is not None and len(node.body) > 1:
                    node.body = node.body[1:]
                yield f"{module}.{node.name}", node


def code(n: int, seed: int) -> list[Row]:
    """Make `n` requests about code; fewer if this Python's library has changed too much.

    Example:
        >>> {row.source for row in code(4, seed=1)}
        {'made code'}
    """
    random = Random(f"code {seed}")
    simple: list[str] = []
    tangled: list[str] = []
    for source, count in known():
        (tangled if count >= 6 else simple).append(source)
    if not simple or not tangled:
        return []
    rows = []
    for i in range(n):
        follow = i % 4 != 3
        hard = i % 2 == 0 if follow else False
        source = random.choice(tangled if i % 2 == 0 else simple)
        asked = random.choice(_FOLLOW if follow else _READ_OFF)
        text = random.choice(["{0}\n\n{1}", "{0}\n```python\n{1}\n```", "{1}\n\n{0}"])
        rows.append(
            Row(
                text=text.format(asked, source), target=float(hard), source="made code", kind="code"
            )
        )
    return rows


def known() -> list[tuple[str, int]]:
    """Give the functions whose text is the one that was chosen, each with its branches."""
    listed = Path(__file__).with_name("functions.txt").read_text(encoding="utf-8").split("\n")
    wanted = {tuple(line.split()) for line in listed if line}
    found = {}
    for name, node in functions():
        source = ast.unparse(node)
        digest = sha256(source.encode()).hexdigest()[:10]
        if (name, digest) in wanted:
            found[name] = (source, branches(node))
    return [found[name] for name in sorted(found)]
