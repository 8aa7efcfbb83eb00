"""Find and load a graph: by its name in `langgraph.json`, or as `file.py:attribute`.

What a graph may be is what LangGraph's own server accepts: a compiled graph, a `StateGraph`, or a
factory of one of them, synchronous or not, with or without a config argument, or a context
manager that gives one.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from agentlanes.errors import AgentLanesError, ConfigError

__all__ = ["GraphSpec", "find_graph", "load_graph", "open_graph"]

CONFIG_FILE = "langgraph.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSpec:
    """Where a graph is.

    Attributes:
        name: What to call it.
        source: A Python file, or the dotted name of a module.
        attribute: The module's attribute.
        search: Folders that the graph's own imports may come from.
    """

    name: str
    source: Path | str
    attribute: str
    search: tuple[Path, ...] = ()


def find_graph(given: str, folder: Path | None = None) -> GraphSpec:
    """Say where a graph is, without loading it.

    Args:
        given: A name from `langgraph.json`, or `file.py:attribute`.
        folder: Where `langgraph.json` and relative paths are; the working directory by default.

    Raises:
        ConfigError: There is no such name (the message lists the known ones) or file.
    """
    folder = folder or Path.cwd()
    known = _known_graphs(folder)
    if given in known:
        return _spec(given, known[given], folder, _dependencies(folder))
    if ":" in given:
        spec = _spec(given, given, folder, ())
        if isinstance(spec.source, Path) and not spec.source.is_file():
            raise ConfigError(f"there is no file {spec.source}; give file.py:factory")
        return spec
    if not known:
        raise ConfigError(
            f"{given!r} is neither file.py:factory nor a name: there is no {CONFIG_FILE} with "
            f"graphs in {folder}"
        )
    raise ConfigError(
        f"there is no graph {given!r} in {CONFIG_FILE}; it names: {', '.join(sorted(known))}. "
        "A graph in a file is given as file.py:factory"
    )


def load_graph(spec: GraphSpec) -> Any:
    """Import the module and give its attribute, be it a graph or a factory.

    Raises:
        ConfigError: The module cannot be imported, or has no such attribute.
    """
    for place in reversed(spec.search):
        if str(place) not in sys.path:
            sys.path.insert(0, str(place))
    try:
        module = _import(spec.source)
    except AgentLanesError:
        raise
    except Exception as error:
        raise ConfigError(
            f"{spec.source} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    try:
        return getattr(module, spec.attribute)
    except AttributeError as error:
        own = [name for name, value in vars(module).items() if _offered(value, module)]
        public = ", ".join(name for name in own if not name.startswith("_"))
        raise ConfigError(
            f"{spec.source} has no {spec.attribute!r}; it has: {public or 'no graph'}"
        ) from error


@asynccontextmanager
async def open_graph(value: Any, config: Mapping[str, Any]) -> AsyncIterator[Any]:
    """Give the compiled graph that a loaded value is or makes, and close what it opened.

    Args:
        value: A compiled graph, a `StateGraph` or a factory.
        config: For factories that take one.

    Raises:
        ConfigError: It is nothing of the kind, or the factory wants other arguments.
    """
    made = value
    if not _is_graph(value):
        if not callable(value):
            raise ConfigError(f"{value!r:.60} is no graph and no factory of one")
        made = _call(value, config)
        if inspect.isawaitable(made):
            made = await made
    if isinstance(made, AbstractAsyncContextManager):
        async with made as opened:
            yield _compiled(opened)
    elif isinstance(made, AbstractContextManager):
        with made as opened:
            yield _compiled(opened)
    else:
        yield _compiled(made)


def _known_graphs(folder: Path) -> dict[str, str]:
    graphs = _config(folder).get("graphs") or {}
    # The long form is {"path": ..., "description": ...}.
    return {
        name: place["path"] if isinstance(place, Mapping) else place
        for name, place in graphs.items()
    }


def _dependencies(folder: Path) -> tuple[Path, ...]:
    """Give the local folders of `dependencies`, which the server puts on the path as well."""
    listed = _config(folder).get("dependencies") or []
    return tuple((folder / place).resolve() for place in listed if place.startswith("."))


def _config(folder: Path) -> dict[str, Any]:
    file = folder / CONFIG_FILE
    if not file.is_file():
        return {}
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{file} is not valid JSON: {error}") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{file} must hold an object with `graphs`")
    return config


def _spec(name: str, place: str, folder: Path, search: tuple[Path, ...]) -> GraphSpec:
    source, _, attribute = place.rpartition(":")
    if not source or not attribute.isidentifier():
        raise ConfigError(f"{place!r} does not say where the graph is; give file.py:factory")
    if not source.endswith(".py") and "/" not in source:
        return GraphSpec(name=name, source=source, attribute=attribute, search=(folder, *search))
    file = (folder / source).resolve()
    return GraphSpec(name=name, source=file, attribute=attribute, search=(file.parent, *search))


def _import(source: Path | str) -> ModuleType:
    if isinstance(source, str):
        return importlib.import_module(source)
    # A name of its own: a graph file called `types.py` must not stand in for the library's.
    name = f"_agentlanes_graph_{source.stem}"
    spec = importlib.util.spec_from_file_location(name, source)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{source} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # type hints of its functions are looked up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _offered(value: Any, module: ModuleType) -> bool:
    """Say whether a module's value may be meant as a graph: it is one, or a function of its own."""
    if inspect.isclass(value) or inspect.ismodule(value):
        return False
    return _is_graph(value) or getattr(value, "__module__", None) == module.__name__


def _is_graph(value: Any) -> bool:
    return hasattr(value, "astream") or hasattr(value, "compile")


def _compiled(made: Any) -> Any:
    if hasattr(made, "astream"):
        return made
    if hasattr(made, "compile"):
        return made.compile()
    raise ConfigError(f"the factory gave {made!r:.60}, which is no graph")


def _call(factory: Callable[..., Any], config: Mapping[str, Any]) -> Any:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return factory()
    # As LangGraph's server has it: a lone parameter is the config, whatever its name.
    wanted = [p for p in parameters if p.default is p.empty and p.kind not in _VARIADIC]
    if not wanted:
        return factory()
    if len(wanted) == 1:
        return factory(**{wanted[0].name: dict(config)})
    names = ", ".join(p.name for p in wanted)
    raise ConfigError(f"the factory takes ({names}); it may take a config, or nothing")


_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
