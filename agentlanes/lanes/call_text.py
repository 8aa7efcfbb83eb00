"""A tool call in the making: text that counts as a call only when it is complete and strict."""

from __future__ import annotations

from dataclasses import dataclass, field

from langchain_core.messages import ToolCall

from agentlanes.lanes.strict_json import MAX_BYTES, strict_object

__all__ = ["CallText"]


@dataclass(slots=True)
class CallText:
    """The pieces of one call.

    Attributes:
        id: What the call is called from here on.
        given_id: What the endpoint called it.
        name: The tool.
        size: Characters of arguments so far.
    """

    id: str
    given_id: object = None
    name: str = ""
    size: int = 0
    _args: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The arguments so far."""
        return "".join(self._args)

    def add(self, text: str) -> None:
        """Take further text of the arguments.

        Raises:
            ValueError: They are longer than any call may be.
        """
        self._args.append(text)
        self.size += len(text)
        if self.size > MAX_BYTES:
            raise ValueError(f"the arguments of {self.name!r} are too long")

    def parse(self, no_arguments: frozenset[str]) -> ToolCall:
        """Give the call.

        Args:
            no_arguments: Tools for whose arguments an empty text stands.

        Raises:
            ValueError: It has no name, or arguments that are not one strict JSON object.
        """
        if not self.name:
            raise ValueError("a tool call has no name")
        text = self.text
        if not text.strip() and self.name in no_arguments:
            text = "{}"
        try:
            args = strict_object(text)
        except ValueError as error:
            raise ValueError(f"the arguments of {self.name!r} were refused: {error}") from None
        return ToolCall(name=self.name, args=args, id=self.id, type="tool_call")
