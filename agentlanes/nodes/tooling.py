"""Tools as the nodes use them: schema check, one way to run them, bounded results."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator
from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_core.utils.pydantic import get_fields
from langgraph.errors import GraphBubbleUp

from agentlanes.context.quick_schema import Fits, quick_check
from agentlanes.errors import InvalidTool, NotApplied
from agentlanes.speculation.effects import Effect, EffectClass, effect_of

__all__ = ["KEY_ARGUMENT", "RUNS_AHEAD", "BoundTool", "ToolResult", "bind_tools", "ended"]

RUNS_AHEAD: frozenset[EffectClass] = frozenset({"pure", "read", "session"})
"""Classes that run ahead unless the agent says otherwise."""

KEY_ARGUMENT = "idempotency_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What a tool gave.

    Attributes:
        text: The result, as the transcript holds it; an error's text when it failed.
        failed: Whether the tool raised.
        error: What it raised.
        command: A LangGraph `Command` the tool returned, for the graph to carry out.
        ran: Loop times of its start and end; `None` when nothing was run.
        kept_s: Seconds that an earlier call took whose result this is; 0 where there is none.
    """

    text: str
    failed: bool = False
    error: BaseException | None = None
    command: Any = None
    ran: tuple[float, float] | None = None
    kept_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundTool:
    """A tool with its declared effect and its argument schema.

    Attributes:
        tool: The tool.
        effect: What it does to the world.
        schema: JSON schema of its arguments, as the lanes see it.
        validator: Checks arguments against it.
        fits: Says yes at once where they surely fit, if the schema is plain enough.
        description: What it is for, as the lanes see it.
        is_async: Whether a call can be cancelled.
        takes_key: Whether it has an injected argument `idempotency_key`.
        opted_in: Whether the agent lets its class run ahead.
        timeout_s: Bound on a call.
        max_chars: Bound on the result's text.
    """

    tool: BaseTool
    effect: Effect
    schema: dict[str, Any]
    validator: Draft202012Validator
    fits: Fits | None
    description: str
    is_async: bool
    takes_key: bool
    opted_in: bool
    timeout_s: float | None
    max_chars: int

    @property
    def name(self) -> str:
        """The tool's name."""
        return self.tool.name

    @property
    def runs_ahead(self) -> bool:
        """Whether a call may start before its verdict: a call nobody can stop may not."""
        may = self.effect.run_ahead and self.opted_in
        return may and (self.is_async or self.timeout_s is not None)

    def listing(self) -> dict[str, Any]:
        """Describe the tool for a prompt."""
        return {"tool": self.name, "description": self.description, "args": self.schema}

    def refuse(self, args: Mapping[str, Any]) -> str | None:
        """Say what is wrong with arguments, or `None`.

        An argument the lanes are not shown is refused too: it is the library's to fill in.
        """
        hidden = [name for name in args if name not in (self.schema.get("properties") or {})]
        if hidden and not self.schema.get("additionalProperties"):
            return f"{hidden[0]}: the tool has no such argument"
        if self.fits is not None and self.fits(args):
            return None
        for error in self.validator.iter_errors(args):
            where = "/".join(map(str, error.absolute_path)) or "arguments"
            return f"{where}: {error.message[:300]}"
        return None

    async def run(
        self,
        args: Mapping[str, Any],
        config: RunnableConfig,
        call_id: str,
        *,
        key: str | None = None,
    ) -> ToolResult:
        """Run the tool once and never raise for what the tool raises.

        A synchronous or reversible call that has started is waited for even when the caller is
        cancelled: it is never left running behind the window's back.

        Args:
            args: The arguments.
            config: The node's config.
            call_id: The call's id in the transcript.
            key: Idempotency key, for a tool that takes one.
        """
        given_args = {**args, KEY_ARGUMENT: key} if self.takes_key and key else dict(args)
        call = {"name": self.name, "args": given_args, "id": call_id, "type": "tool_call"}
        work = asyncio.ensure_future(self.tool.ainvoke(call, config))
        stops = self.is_async and self.effect.effect_class != "reversible"
        try:
            async with asyncio.timeout(self.timeout_s):
                given = await (work if stops else asyncio.shield(work))
        except asyncio.CancelledError:
            if not stops:
                await ended(work, timeout_s=self.timeout_s)
                if self.is_async and not work.done():
                    work.cancel()
                    await ended(work)
                _ = work.cancelled() or not work.done() or work.exception()
            raise
        except GraphBubbleUp:
            raise
        except TimeoutError as error:
            if self.is_async:
                work.cancel()
            if self.is_async or self.effect.effect_class == "reversible":
                await ended(work)
            return self._failure(error, f"no result within {self.timeout_s} s")
        except NotApplied as error:
            return self._failure(error, str(error) or "not applied")
        except Exception as error:
            return self._failure(error, f"{type(error).__name__}: {error}")
        if not isinstance(given, ToolMessage):
            return ToolResult(text="", command=given)
        return ToolResult(text=self._bounded(_text(given.content)), failed=given.status == "error")

    def _failure(self, error: BaseException, text: str) -> ToolResult:
        return ToolResult(text=self._bounded(f"Error: {text}"), failed=True, error=error)

    def _bounded(self, text: str) -> str:
        if len(text) <= self.max_chars:
            return text
        return f"{text[: self.max_chars]}\n[cut: {len(text):,} characters in all]"


async def ended(task: asyncio.Future[Any], *, timeout_s: float | None = None) -> None:
    """Wait until a task has ended, also when the waiting itself is cancelled, again and again.

    For a caller that is being cancelled already and raises in the end.

    Args:
        task: The task.
        timeout_s: How long at most; `None` waits for its end.
    """
    clock = asyncio.get_running_loop().time
    ends = None if timeout_s is None else clock() + timeout_s
    while not task.done() and (ends is None or clock() < ends):
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task}, timeout=None if ends is None else max(0.0, ends - clock()))


def _text(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def bind_tools(
    tools: Sequence[BaseTool | Callable[..., Any]],
    *,
    timeout_s: float | None,
    max_chars: int,
    runs_ahead: Collection[str] = RUNS_AHEAD,
) -> dict[str, BoundTool]:
    """Make the tools ready for the nodes.

    Args:
        tools: The tools.
        timeout_s: Bound on a call.
        max_chars: Bound on a result's text.
        runs_ahead: Effect classes that may run ahead.

    Raises:
        InvalidTool: A function has no docstring or type hints to make a schema from, or two
            tools share a name.
    """
    bound: dict[str, BoundTool] = {}
    for given in tools:
        declared = effect_of(given)
        tool = _as_tool(given)
        if tool.name in bound:
            raise InvalidTool(f"two tools are named {tool.name!r}; rename one")
        function = convert_to_openai_tool(tool)["function"]
        schema = function.get("parameters") or {"type": "object", "properties": {}}
        bound[tool.name] = BoundTool(
            tool=tool,
            effect=declared,
            schema=schema,
            validator=Draft202012Validator(schema),
            fits=quick_check(schema),
            description=function.get("description") or "",
            is_async=_is_async(tool),
            takes_key=_has_argument(tool, KEY_ARGUMENT)
            and KEY_ARGUMENT not in schema.get("properties", {}),
            opted_in=declared.effect_class in runs_ahead,
            timeout_s=timeout_s,
            max_chars=max_chars,
        )
    return bound


def _as_tool(given: BaseTool | Callable[..., Any]) -> BaseTool:
    if isinstance(given, BaseTool):
        return given
    if not callable(given):
        raise InvalidTool(f"{given!r} is neither a tool nor a function")
    try:
        if asyncio.iscoroutinefunction(given):
            return StructuredTool.from_function(coroutine=given)
        return StructuredTool.from_function(given)
    except Exception as error:
        name = getattr(given, "__name__", repr(given))
        raise InvalidTool(
            f"no schema can be made of {name!r} ({error}); give it type hints and a docstring"
        ) from error


def _has_argument(tool: BaseTool, name: str) -> bool:
    """Say whether a tool takes an argument, shown to the lanes or not."""
    if isinstance(tool.args_schema, dict):
        return name in (tool.args_schema.get("properties") or {})
    return name in get_fields(tool.get_input_schema())


def _is_async(tool: BaseTool) -> bool:
    if isinstance(tool, StructuredTool):
        return tool.coroutine is not None
    return type(tool)._arun is not BaseTool._arun
