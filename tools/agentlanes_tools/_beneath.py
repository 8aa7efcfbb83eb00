"""Opening a file beneath a folder, whatever its path or its links try."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from langchain_core.tools import ToolException

from agentlanes.errors import ConfigError

__all__ = ["read_beneath"]


def read_beneath(root: Path, path: str, max_bytes: int) -> tuple[bytes, int]:
    """Read the start of a regular file, opening each part of its path without following links.

    Nothing is resolved and then opened, so there is no moment in which a folder could be swapped
    for a link.

    Args:
        root: The folder. It may itself be reached through links.
        path: Relative, with `/` between its parts.
        max_bytes: How much to read.

    Returns:
        What was read, and the file's whole size in bytes.

    Raises:
        ToolException: The path is not such a file; the message says why.
        ConfigError: This platform cannot open files beneath a folder.
    """
    if os.open not in os.supports_dir_fd:
        raise ConfigError("read_file needs a POSIX system; leave it out of the tools here")
    *folders, name = _parts(path)
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    here = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            inner = os.open(folder, flags | os.O_DIRECTORY, dir_fd=here)
            os.close(here)
            here = inner
        # Without O_NONBLOCK, opening a named pipe would wait for a writer.
        handle = os.open(name, flags | os.O_NONBLOCK, dir_fd=here)
    except FileNotFoundError:
        raise ToolException(f"there is no file {path[:200]!r}") from None
    except (OSError, UnicodeEncodeError):
        raise ToolException(
            f"{path[:200]!r} cannot be opened: a part of it is a link, no folder, or not readable"
        ) from None
    finally:
        os.close(here)
    try:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            raise ToolException(f"{path[:200]!r} is a folder or a device, not a file")
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(max_bytes), about.st_size
    finally:
        os.close(handle)


def _parts(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts or "\0" in path or path.startswith("/") or ".." in parts or len(path) > 4_096:
        raise ToolException(
            f"{path[:200]!r} is not allowed: give a path inside the folder, such as "
            "'notes/today.txt', without '..'"
        )
    return parts
