"""What the baselines written here tell their models. The oracle reads them as a model would."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import SystemMessage
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

__all__ = ["JOINER", "PLANNER", "STEP", "planner_message", "schema_of"]

PLANNER = (
    'Plan the calls that are still needed for the user\'s request, as JSON: {"steps": [{"tool": '
    '..., "args": {...}, "after": [n, ...]}]}. Refer to the result of step n as {"$step": n, '
    '"$path": "field.field"}, in place of an argument or inside it; leave out an argument that can '
    "only be known by reading a result. "
    '"after" names the steps that have to end first. No steps when nothing is left.'
)
JOINER = (
    'Everything planned was done. Reply as JSON: {"action": "finish", "answer": ...} when the '
    'request is fulfilled, {"action": "replan"} when more calls are needed.'
)
STEP = "Make exactly this step of the agreed plan:"
"""The same words in which agentlanes has its act lane carry out a step."""


def planner_message(tools: Sequence[BaseTool]) -> SystemMessage:
    """Tell a planner its task and its tools."""
    listing = "\n".join(json.dumps(convert_to_openai_tool(tool)["function"]) for tool in tools)
    return SystemMessage(f"{PLANNER}\nTools:\n{listing}")


def schema_of(tool: BaseTool) -> Mapping[str, Any]:
    """Give the JSON schema of a tool's arguments."""
    schema: Mapping[str, Any] = convert_to_openai_tool(tool)["function"]["parameters"]
    return schema
