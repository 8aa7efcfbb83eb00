"""The draft check over an agent's own tools and messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from agentlanes.nodes.tooling import BoundTool
from agentlanes.router.draft import Draft, DraftCheck, DraftScore

__all__ = ["CallCheck"]

_LAST = 20
"""Messages that are looked at besides the user's, so that a long run's calls cost no more each."""


class CallCheck:
    """Scores drafted calls of one agent. Pure.

    Args:
        tools: The agent's tools, by name.
        check: The check; the package's own by default.
    """

    def __init__(self, tools: Mapping[str, BoundTool], check: DraftCheck | None = None) -> None:
        self._check = check or DraftCheck()
        self._tools = [
            {"name": name, "description": tool.description, "parameters": tool.schema}
            for name, tool in tools.items()
        ]

    def score(
        self,
        tool: str,
        args: Mapping[str, Any],
        transcript: Sequence[BaseMessage],
        second: Draft | None = None,
    ) -> DraftScore:
        """Score a call by what the user said, and by the last messages before it.

        Args:
            tool: The tool's name.
            args: The arguments.
            transcript: The conversation before it, earlier results included.
            second: What a second endpoint would call.
        """
        late = len(transcript) - _LAST
        said = [
            str(m.text)
            for at, m in enumerate(transcript)
            if isinstance(m, HumanMessage) or (at >= late and not isinstance(m, SystemMessage))
        ]
        return self._check.score(Draft(tool=tool, args=args), self._tools, said, second=second)
