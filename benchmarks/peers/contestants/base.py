"""What every contestant is: something that answers a user turn with the tools it is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.tools import BaseTool

from agentlanes.bench.bfcl_calls import Call
from benchmarks.peers.stage import Stage

__all__ = ["Contestant", "Runner", "Turn", "calls_in"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a turn came to.

    Attributes:
        messages: The conversation, this turn included.
        calls: The calls that count.
    """

    messages: list[BaseMessage]
    calls: list[Call]


class Runner(Protocol):
    """An agent over a set of tools; it keeps nothing from one turn to the next."""

    async def turn(self, messages: Sequence[BaseMessage]) -> Turn:
        """Carry out the last user message."""
        ...


Contestant = Callable[[Stage, list[BaseTool]], Runner]
"""Builds a runner: from the stage's models, over these tools."""


def calls_in(messages: Sequence[Any]) -> list[Call]:
    """Read the calls of a conversation."""
    return [
        Call(call["name"], call["args"])
        for message in messages
        if isinstance(message, AIMessage)
        for call in message.tool_calls
    ]
