"""The dual-lane assistant: it calculates, looks things up in a folder, proves, and queues mail."""

from __future__ import annotations

import asyncio
import functools
import threading
from pathlib import Path
from typing import Any

from agentlanes_tools import (
    FolderIndex,
    Outbox,
    calculate,
    check_equivalence,
    read_file,
    search_folder,
)

from agentlanes import build_agent
from agentlanes.lanes.defaults import default_lanes

_KEPT = Path(".agentlanes")
_LOCK = threading.Lock()


async def make_graph() -> Any:
    """Build the assistant on `default_lanes()`, or give the one that was built before.

    Works in the folder its process was started in: it looks things up in `notes`, or `docs`, where
    there is one, and queues mails in `.agentlanes/outbox`. No checkpointer is attached: a server
    brings its own.

    Raises:
        MissingExtra: The extra `tools` is not installed.
    """
    return await asyncio.to_thread(_built_once)  # it reads files, which would block a server


def _built_once() -> Any:
    with _LOCK:
        return _build()


@functools.cache
def _build() -> Any:
    """Build once: a server asks for its graph again with every request."""
    outbox = Outbox(_KEPT / "outbox")
    tools = [calculate, check_equivalence, outbox.list_outbox, outbox.send_email]
    folder = next((path for path in (Path("notes"), Path("docs")) if path.is_dir()), None)
    if folder is not None:
        index = FolderIndex.build(folder, store=_KEPT / "index" / folder.name)
        tools += [search_folder(index), read_file(folder)]
    act, reason = default_lanes()
    return build_agent(act, reason, tools, name="assistant")
