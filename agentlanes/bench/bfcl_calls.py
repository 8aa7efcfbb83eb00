"""BFCL's tools by name: schemas, and calls in one form that can be compared."""

from __future__ import annotations

import ast
import copy
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from agentlanes.bench.bfcl_data import import_from, read_lines
from agentlanes.bench.bfcl_effects import EFFECTS, OTHERS_WORDS
from agentlanes.errors import BenchDataError
from agentlanes.speculation.effects import EffectClass

__all__ = ["Call", "Catalog", "ToolSpec"]

_JSON_TYPES = {"dict": "object", "float": "number", "tuple": "array"}

_ERRATA: Mapping[tuple[str, str], list[str]] = {
    # One ground-truth call closes ticket 'ticket_001', which the tool answers with "not found".
    ("close_ticket", "ticket_id"): ["integer", "string"],
}
"""Where the ground truth itself does not fit the documented type: the types that are accepted."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call, every argument named."""

    tool: str
    args: Mapping[str, Any]

    def __str__(self) -> str:
        """Write it as BFCL does, so that its checker can evaluate it."""
        return f"{self.tool}({', '.join(f'{key}={value!r}' for key, value in self.args.items())})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """One tool, as the wheel documents and implements it.

    Attributes:
        name: The method's name, which is the tool's.
        owner: The API class it belongs to.
        description: What it does, as the lanes are told.
        schema: JSON schema of its arguments.
        effect: Its effect class, from the audited table.
        names: Its parameters, in order.
        defaults: The defaults of its optional parameters, in a copy that no call can reach.
        trusted: It gives nothing that somebody else wrote.
    """

    name: str
    owner: str
    description: str
    schema: Mapping[str, Any]
    effect: EffectClass
    names: tuple[str, ...]
    defaults: Mapping[str, Any]
    trusted: bool = False

    def accepts(self, args: Mapping[str, Any]) -> bool:
        """Say whether arguments fit the schema, with no argument the tool does not know."""
        return set(args) <= set(self.names) and Draft202012Validator(self.schema).is_valid(args)


class Catalog:
    """Every tool of the multi-turn APIs, read from the wheel.

    Args:
        wheel: The file that `fetch_wheel` gave.

    Raises:
        BenchDataError: The wheel has a tool that the effect table does not name, or lacks one.
        MissingExtra: mpmath is not installed.
    """

    def __init__(self, wheel: Path) -> None:
        backend = import_from(wheel, "constants.executable_backend_config")
        self.stateless: frozenset[str] = frozenset(backend.STATELESS_CLASSES)
        self.apis: dict[str, Callable[[], Any]] = {}
        self._specs: dict[str, dict[str, ToolSpec]] = {}
        for owner, effects in EFFECTS.items():
            path = backend.CLASS_FILE_PATH_MAPPING[owner].partition(".")[2]
            api = getattr(import_from(wheel, path), owner)
            documents = backend.MULTI_TURN_FUNC_DOC_FILE_MAPPING[owner]
            documented = {
                entry["name"]: entry
                for entry in read_lines(wheel, f"multi_turn_func_doc/{documents}")
            }
            if set(documented) != set(effects):
                odd = ", ".join(sorted(set(documented) ^ set(effects)))
                raise BenchDataError(
                    f"the effect table and {wheel.name} differ in {owner}: {odd}; audit them and "
                    "correct agentlanes/bench/bfcl_effects.py",
                    path=wheel,
                )
            self.apis[owner] = api
            self._specs[owner] = {
                name: _spec(owner, api, entry, effects[name]) for name, entry in documented.items()
            }

    def tools(self, owners: Sequence[str]) -> dict[str, ToolSpec]:
        """Give the tools of some API classes, by name, in the wheel's order."""
        return {name: spec for owner in owners for name, spec in self._specs[owner].items()}

    def parse(self, text: str, owners: Sequence[str]) -> Call:
        """Read a call of the ground truth, and name its positional arguments.

        Raises:
            ValueError: It is not a call of a known tool with literal arguments.
        """
        node = ast.parse(text.strip(), mode="eval").body
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            raise ValueError(f"not a plain call: {text}")
        spec = self.tools(owners).get(node.func.id)
        if spec is None:
            raise ValueError(f"no such tool in {', '.join(owners)}: {text}")
        args = dict(zip(spec.names, map(ast.literal_eval, node.args), strict=False))
        for keyword in node.keywords:
            if keyword.arg is None:
                raise ValueError(f"an argument without a name: {text}")
            args[keyword.arg] = ast.literal_eval(keyword.value)
        return Call(spec.name, args)

    def same(self, one: Call, other: Call, owners: Sequence[str]) -> bool:
        """Say whether two calls are the same: tool and arguments, defaults filled in."""
        return one.tool == other.tool and self._form(one, owners) == self._form(other, owners)

    def _form(self, call: Call, owners: Sequence[str]) -> str:
        spec = self.tools(owners).get(call.tool)
        filled = {**(spec.defaults if spec else {}), **call.args}
        return json.dumps(_plain(filled), sort_keys=True)


def _spec(owner: str, api: Any, entry: Mapping[str, Any], effect: EffectClass) -> ToolSpec:
    name = entry["name"]
    parameters = list(inspect.signature(getattr(api, name)).parameters.values())[1:]
    schema = _json_schema(entry["parameters"])
    for (tool, argument), types in _ERRATA.items():
        if tool == name:
            schema["properties"][argument]["type"] = types
    return ToolSpec(
        name=name,
        owner=owner,
        description=entry["description"],
        schema=schema,
        effect=effect,
        names=tuple(parameter.name for parameter in parameters),
        defaults={
            parameter.name: copy.deepcopy(parameter.default)
            for parameter in parameters
            if parameter.default is not inspect.Parameter.empty
        },
        trusted=name not in OTHERS_WORDS,
    )


def _json_schema(documented: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the wheel's schema dialect (`dict`, `float`) into JSON schema."""
    schema: dict[str, Any] = {
        key: documented[key] for key in ("description", "default", "required") if key in documented
    }
    schema["type"] = _JSON_TYPES.get(documented["type"], documented["type"])
    if "properties" in documented:
        schema["properties"] = {
            key: _json_schema(value) for key, value in documented["properties"].items()
        }
    if "items" in documented:
        schema["items"] = _json_schema(documented["items"])
    return schema


def _plain(value: Any) -> Any:
    """Write numbers in one form: 5 and 5.0 are the same argument, 1 and True are not."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
