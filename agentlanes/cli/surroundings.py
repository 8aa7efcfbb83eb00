"""What surrounds the lanes: tracing, tokenizer, checkpointers, ledger. Looked at, never changed."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from agentlanes.config import Settings
from agentlanes.context.tokens import count_tokens
from agentlanes.errors import AgentLanesError
from agentlanes.lanes.doctor import Finding
from agentlanes.lanes.lane import Lane
from agentlanes.lanes.urls import safe_url

__all__ = ["look_around"]

_THREAD = "agentlanes doctor"
_INFO_S = 5.0
_LEDGER_S = 10.0
_SAVERS = {
    "SQLite": ("langgraph.checkpoint.sqlite", "sqlite"),
    "PostgreSQL": ("langgraph.checkpoint.postgres", None),
}


async def look_around(settings: Settings, lanes: tuple[Lane, ...]) -> list[Finding]:
    """Look at everything, one thing after the other; each is bounded in time."""
    looks: tuple[tuple[str, Callable[[], Awaitable[Finding]]], ...] = (
        ("LangSmith", lambda: _langsmith(settings)),
        ("tokenizer", lambda: _tokenizer(lanes)),
        ("checkpointers", _checkpointers),
        ("ledger", lambda: _ledger(settings)),
    )
    found: list[Finding] = []
    for name, look in looks:
        try:
            found.append(await look())
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            found.append(Finding(check=name, level="problem", found=said[:200]))
    return found


async def _langsmith(settings: Settings) -> Finding:
    from langsmith import utils

    name, on = "LangSmith", bool(utils.tracing_is_enabled())
    if not on:
        odd = settings.langsmith_tracing
        return Finding(
            check=name,
            level="note" if odd else "ok",
            found="tracing is off"
            + ("; LANGSMITH_TRACING is set, but not to `true`" if odd else ""),
            advice="write LANGSMITH_TRACING=true: LangSmith reads nothing else as on"
            if odd
            else "",
        )
    url = utils.get_api_url(None)
    if utils.get_api_key(None) is None:
        return Finding(
            check=name,
            level="problem",
            found=f"tracing to {safe_url(url)} is on, but there is no key",
            advice="set LANGSMITH_API_KEY, or turn tracing off",
        )
    problem = await _no_info(url)
    if problem:
        return Finding(
            check=name,
            level="problem",
            found=f"{safe_url(url)} does not answer: {problem}",
            advice="check LANGSMITH_ENDPOINT and the network; runs go on without traces",
        )
    project = utils.get_tracer_project()
    return Finding(check=name, level="ok", found=f"traces go to {safe_url(url)}, {project!r}")


async def _no_info(url: str) -> str:
    """Ask the service for `/info`, which needs no key; give what is wrong, or nothing."""
    import httpx2

    try:
        async with asyncio.timeout(_INFO_S), httpx2.AsyncClient(timeout=_INFO_S) as client:
            response = await client.get(f"{url}/info")
    except TimeoutError:
        return f"nothing within {_INFO_S:g} s"
    except httpx2.HTTPError as error:
        return f"{type(error).__name__}"
    return "" if response.is_success else f"status {response.status_code}"


async def _tokenizer(lanes: tuple[Lane, ...]) -> Finding:
    how = {
        lane.model: count_tokens("How many tokens is this?", lane.model).method for lane in lanes
    }
    shown = ", ".join(
        f"{model}: {'its vocabulary' if method == 'tiktoken' else 'an estimate'}"
        for model, method in how.items()
    )
    estimated = [model for model, method in how.items() if method == "estimate"]
    known = [model for model in estimated if _has_vocabulary(model)]
    return Finding(
        check="tokenizer",
        level="note" if known else "ok",
        found=shown,
        advice="put tiktoken's vocabulary into TIKTOKEN_CACHE_DIR for exact counts"
        if known
        else "",
    )


def _has_vocabulary(model: str) -> bool:
    import tiktoken

    try:
        tiktoken.encoding_name_for_model(model)
    except KeyError:
        return False
    return True


async def _checkpointers() -> Finding:
    there = {name: _importable(module) for name, (module, _) in _SAVERS.items()}
    shown = ", ".join(f"{name}: {'yes' if is_there else 'no'}" for name, is_there in there.items())
    missing = [extra for name, (_, extra) in _SAVERS.items() if extra and not there[name]]
    return Finding(
        check="checkpointers",
        level="ok" if any(there.values()) else "note",
        found=shown,
        advice=""
        if any(there.values())
        else f"runs that must survive the process need one: pip install 'agentlanes[{missing[0]}]'",
    )


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


async def _ledger(settings: Settings) -> Finding:
    from agentlanes.speculation.ledger.opening import open_ledger

    where = settings.ledger.reveal()
    path = _local_path(where)
    if path is not None and not path.exists():
        return _place(path)
    ledger: Any = open_ledger(where)
    try:
        async with asyncio.timeout(_LEDGER_S):
            await ledger.acquire(_THREAD)
    except TimeoutError:
        return Finding(
            check="ledger",
            level="problem",
            found=f"{safe_url(where)} gave no answer within {_LEDGER_S:g} s",
            advice="check that its store is up, or set AGENTLANES_LEDGER",
        )
    except AgentLanesError as error:
        return Finding(check="ledger", level="problem", found=str(error)[:200])
    finally:
        await ledger.aclose()
    return Finding(check="ledger", level="ok", found=f"{safe_url(where)} can be written")


def _local_path(where: str) -> Path | None:
    if where.startswith("sqlite:///"):
        return Path(where[len("sqlite:///") :])
    return None if "://" in where or where == "memory:" else Path(where)


def _place(path: Path) -> Finding:
    """Say whether a ledger that is not there yet could be made."""
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if os.access(folder, os.W_OK | os.X_OK):
        return Finding(check="ledger", level="ok", found=f"{path} is made with the first effect")
    return Finding(
        check="ledger",
        level="problem",
        found=f"{path} cannot be made: {folder} is not writable",
        advice="set AGENTLANES_LEDGER to a place that is, before tools have effects",
    )
