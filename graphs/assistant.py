"""The dual-lane assistant: it calculates, looks things up in a folder, proves, and queues mail."""

from __future__ import annotations

import functools
from collections.abc import Mapping
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


def make_graph(config: Mapping[str, Any] | None = None) -> Any:
    """Build the assistant on `default_lanes()`, or give the one that was built before.

    Works in the folder its process was started in: it looks things up in `notes`, or `docs`, where
    there is one, and queues mails in `.agentlanes/outbox`. No checkpointer is attached: a server
    brings its own.

    Args:
        config: `{"configurable": {"folder": path}}` names another folder to look things up in.

    Raises:
        ConfigError: The folder does not exist.
        MissingExtra: The extra `tools` is not installed.
    """
    given = ((config or {}).get("configurable") or {}).get("folder")
    there = [Path(name) for name in ("notes", "docs") if Path(name).is_dir()]
    return _build(Path(given).absolute() if given else next(iter(there), None))


@functools.cache
def _build(folder: Path | None) -> Any:
    """Build once a folder: a server asks for its graph again with every request."""
    outbox = Outbox(_KEPT / "outbox")
    tools = [calculate, check_equivalence, outbox.list_outbox, outbox.send_email]
    if folder is not None:
        index = FolderIndex.build(folder, store=_KEPT / "index" / folder.name)
        tools += [search_folder(index), read_file(folder)]
    act, reason = default_lanes()
    return build_agent(act, reason, tools, name="assistant")
