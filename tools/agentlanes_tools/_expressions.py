"""Reading an expression without running it."""

from __future__ import annotations

import ast

from langchain_core.tools import ToolException

__all__ = ["parse", "shown"]

_MAX_CHARS, _MAX_DEPTH, _MAX_NODES = 2_000, 100, 1_000


def parse(expression: str, what: str = "the expression") -> ast.expr:
    """Parse one expression, bounded in length, depth and size.

    Only the grammar is checked here; which nodes mean anything is the caller's allow-list.

    Args:
        expression: Python expression syntax, at most 2,000 characters.
        what: What error messages call it.

    Raises:
        ToolException: It is too long, too deep, too large or not an expression.
    """
    if len(expression) > _MAX_CHARS:
        raise ToolException(
            f"{what} has {len(expression):,} characters; {_MAX_CHARS:,} is the limit. Split it."
        )
    try:
        root = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        said = error.msg if isinstance(error, SyntaxError) else "it is nested too deeply or broken"
        raise ToolException(f"{what} cannot be read: {said}") from None
    level: list[ast.AST] = [root]
    depth = nodes = 0
    while level:
        depth, nodes = depth + 1, nodes + len(level)
        if depth > _MAX_DEPTH or nodes > _MAX_NODES:
            raise ToolException(f"{what} is nested too deeply or too large; split it into parts")
        level = [
            child
            for node in level
            for child in ast.iter_child_nodes(node)
            if not isinstance(child, ast.operator | ast.unaryop | ast.cmpop | ast.expr_context)
        ]
    return root


def shown(node: ast.AST) -> str:
    """Give a node's source, short enough for an error message."""
    try:
        return repr(ast.unparse(node)[:60])
    except RecursionError:
        return f"a deep {type(node).__name__}"
