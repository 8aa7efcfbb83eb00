"""BFCL's simulated APIs as live tools of one task."""

from __future__ import annotations

import asyncio
import copy
import json
import random
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool

from agentlanes.bench.bfcl_calls import Call, Catalog, ToolSpec
from agentlanes.bench.bfcl_data import Task
from agentlanes.speculation.effects import effect
from agentlanes.testing import Snapshot

__all__ = ["World", "deep_state", "live_tool"]


class World:
    """The live API instances of one task.

    Each World has instances of its own. Nothing is shared between two of them: the task's
    configuration is copied, and so are the mutable defaults of the APIs' methods, which the APIs
    themselves store and change.

    Args:
        catalog: The wheel's tools.
        task: The task, which says what the instances start from.
    """

    def __init__(self, catalog: Catalog, task: Task) -> None:
        self._specs = catalog.tools(task.classes)
        self._instances: dict[str, Any] = {}
        for owner in task.classes:
            instance = catalog.apis[owner]()
            if owner not in catalog.stateless:
                scenario = copy.deepcopy(task.config.get(owner, {}))
                instance._load_scenario(scenario, long_context=task.long_context)
            # A copy: a long context puts the modules' own records into every instance.
            self._instances[owner] = copy.deepcopy(instance) if task.long_context else instance
        self._loaded_at = datetime.now()  # noqa: DTZ005 - naive, as the files' own times are

    @property
    def instances(self) -> Mapping[str, Any]:
        """The live API instances, by class."""
        return self._instances

    def execute(self, call: Call) -> str:
        """Run one call, and give its result as BFCL's own executor words it.

        Never raises: what the API raises becomes the text that BFCL would show.
        """
        spec = self._specs.get(call.tool)
        if spec is None:
            return f"Error during execution: name '{call.tool}' is not defined"
        fresh = {
            name: copy.deepcopy(value)
            for name, value in spec.defaults.items()
            if isinstance(value, list | dict) and name not in call.args
        }
        try:
            # A copy: the APIs keep what they are given, and the caller's arguments are not theirs.
            args = {**copy.deepcopy(dict(call.args)), **fresh}
            given = getattr(self._instances[spec.owner], spec.name)(**args)
            return _worded(given)
        except Exception as error:  # the executor's own rule: every exception becomes text
            return f"Error during execution: {error}"

    def tools(
        self, *, delay_s: float = 0.0, describe: Callable[[str], str] = str
    ) -> list[BaseTool]:
        """Give the task's tools, bound to these instances, with their effect classes.

        Args:
            delay_s: How long a call takes. The simulated APIs answer at once; real ones do not.
            describe: What becomes of each tool's description; it stays as it is by default.
        """
        specs = self._specs.values()
        return [live_tool(spec, self.execute, delay_s, describe) for spec in specs]

    def snapshot(self) -> Snapshot:
        """Take down everything the instances hold, the order of what they hold included.

        Of a time it keeps whether it is later than the loading; see `deep_state`.
        """
        return Snapshot(self._instances, leaf=self._changed)

    def _changed(self, value: Any) -> bool | None:
        return value > self._loaded_at if isinstance(value, datetime) else None

    def state(self) -> dict[str, Any]:
        """Give everything the instances hold, as plain data that compares with `==`."""
        return {
            owner: deep_state(instance, since=self._loaded_at)
            for owner, instance in self._instances.items()
        }


def live_tool(
    spec: ToolSpec,
    execute: Callable[[Call], str],
    delay_s: float = 0.0,
    describe: Callable[[str], str] = str,
) -> BaseTool:
    """Make a tool of a documented function.

    Args:
        spec: The function.
        execute: Runs a call of it.
        delay_s: How long a call takes.
        describe: What becomes of its description.
    """

    # A coroutine, so that it may run ahead of its verdict. What it does it does in one go on
    # the event loop, after the delay: no other call and no cancellation comes between.
    async def run(**args: Any) -> str:
        if delay_s:
            await asyncio.sleep(delay_s)
        return execute(Call(spec.name, args))

    tool = StructuredTool(
        name=spec.name,
        description=describe(spec.description),
        args_schema=dict(spec.schema),
        coroutine=run,
    )
    return effect(spec.effect, trusted=spec.trusted)(tool)


def _worded(given: Any) -> str:
    if isinstance(given, str):
        return given
    if isinstance(given, dict):
        try:
            return json.dumps(given)
        except (TypeError, ValueError):
            return str(given)
    return str(given)


def deep_state(thing: Any, *, since: datetime) -> Any:
    """Turn an object into plain data: every attribute, private ones and generators included.

    A time of last change differs between any two runs, so of a time only this is kept: whether it
    is later than `since`. Things that are met again (a directory's parent) are named by the place
    where they were met first.

    Args:
        thing: The object.
        since: When it was loaded.
    """
    return _deep(thing, since, {})


def _deep(thing: Any, since: datetime, met: dict[int, int]) -> Any:
    if thing is None or isinstance(thing, bool | int | float | str):
        return thing
    if isinstance(thing, random.Random):
        return ("random", thing.getstate())
    if isinstance(thing, datetime):
        return ("changed", thing > since)
    if isinstance(thing, set | frozenset):
        return ("set", sorted(map(repr, thing)))
    if id(thing) in met:
        return ("met", met[id(thing)])
    met[id(thing)] = len(met)
    if isinstance(thing, Mapping):
        # Keys in one order: it is met-again numbers, not equality, that would depend on theirs.
        return {key: _deep(thing[key], since, met) for key in sorted(thing, key=repr)}
    if isinstance(thing, list | tuple):
        return [_deep(value, since, met) for value in thing]
    held = {name: _deep(value, since, met) for name, value in sorted(vars(thing).items())}
    return (type(thing).__name__, held)
