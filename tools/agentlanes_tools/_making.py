"""How the tools of this package are made from plain functions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

from langchain_core.tools import StructuredTool

from agentlanes.speculation.effects import effect

__all__ = ["look_tool"]


def look_tool(
    function: Callable[..., Any], effect_class: Literal["pure", "read"]
) -> StructuredTool:
    """Make a tool of a function that changes nothing.

    The tool is asynchronous as well, so that a window may cancel it; the thread it leaves behind
    is harmless, for it has no effect. A `ToolException` becomes the result that the model reads.

    Args:
        function: Its name, signature and Google docstring become what the model is told.
        effect_class: What the function does to the world.
    """

    async def in_thread(**arguments: Any) -> Any:
        return await asyncio.to_thread(function, **arguments)

    tool = StructuredTool.from_function(
        func=function, coroutine=in_thread, parse_docstring=True, handle_tool_error=True
    )
    return effect(effect_class)(tool)
