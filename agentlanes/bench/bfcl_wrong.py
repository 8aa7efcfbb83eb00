"""Wrong calls that look right: valid against the schema, and not what was asked for."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agentlanes.bench.bfcl_calls import Call, Catalog

__all__ = ["wrong_call"]

_ENUM = re.compile(r"\[Enum\]:\s*\[?([^\]]+)\]?")


def wrong_call(catalog: Catalog, owners: Sequence[str], call: Call, draw: random.Random) -> Call:
    """Change one argument of a call, or its tool.

    The result is valid against its tool's schema, and differs from the call even when defaults
    are filled in. An argument is changed twice as often as the tool, where there is one.

    Args:
        catalog: The wheel's tools.
        owners: The API classes the task offers.
        call: The right call.
        draw: Where the choice comes from.

    Raises:
        ValueError: No such call exists, which no task of BFCL's has.
    """
    specs = catalog.tools(owners)
    spec = specs[call.tool]
    values: list[Call] = []
    for name in spec.names:
        current = call.args.get(name, spec.defaults.get(name))
        for value in _others(current, spec.schema["properties"][name], draw):
            changed = Call(call.tool, {**call.args, name: value})
            if spec.accepts(changed.args) and not catalog.same(changed, call, owners):
                values.append(changed)
    tools = [
        Call(other.name, call.args)
        for other in specs.values()
        if other.name != call.tool and other.accepts(call.args)
    ]
    if not values and not tools:
        raise ValueError(f"nothing can be changed in {call}")
    kinds = [group for group in (values, values, tools) if group]
    return draw.choice(draw.choice(kinds))


def _others(value: Any, schema: Mapping[str, Any], draw: random.Random) -> Iterator[Any]:
    """Give other values of an argument's kind."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield value + 1
        yield value * 2
    elif isinstance(value, str):
        listed = _ENUM.search(schema.get("description", ""))
        known = [item.strip(" \"'") for item in listed[1].split(",")] if listed else []
        if value in known and len(known) > 1:
            yield draw.choice([item for item in known if item != value])
        else:
            yield f"{value}_2"
            yield value[:-1] or "other"
    elif isinstance(value, list) and value:
        yield value[:-1]
        yield [*value, value[0]]
    elif isinstance(value, dict) and value:
        name = sorted(value)[-1]
        for other in _others(value[name], {}, draw):
            yield {**value, name: other}
