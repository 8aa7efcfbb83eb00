"""Which responses are being worked on, in a folder that outlives the process.

A record is a small file with a response's id, named by the digest of its request, and locked while
a call follows it. The lock goes with the process, however that ends; the file stays. So whoever
makes the same request next finds a record that nobody follows, and takes it over. Equal requests
at the same time have a record each.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from agentlanes.errors import ConfigError

__all__ = ["Claim", "claim"]

_NAME_CHARS = 40
_ID_BYTES = 4_096


class Claim:
    """A record that is this call's alone until it is released.

    Attributes:
        response_id: The response that the record tells of, or `None` for a new record.
    """

    def __init__(self, file: Path, descriptor: int) -> None:
        self._file = file
        self._descriptor = descriptor
        self.response_id = _read(descriptor)

    def remember(self, response_id: str, **about: Any) -> None:
        """Write down which response the request led to. It is on the disk when this returns.

        Args:
            response_id: The response.
            **about: What else is of use to a person who looks at the file.
        """
        data = json.dumps({"response_id": response_id, **about}).encode()
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.truncate(self._descriptor, 0)
        os.write(self._descriptor, data)
        os.fsync(self._descriptor)
        self.response_id = response_id

    def forget(self) -> None:
        """Take the record away: its response has ended, or nobody wants it any more."""
        self.response_id = None

    def release(self) -> None:
        """Let go of the record; it stays if it still tells of a response."""
        if self.response_id is None:
            self._file.unlink(missing_ok=True)
        os.close(self._descriptor)


def claim(folder: Path, digest: str) -> Claim:
    """Take the record of a request: one that nobody follows, or a new one.

    Args:
        folder: Where records are; made if it is not there.
        digest: Of the request.

    Raises:
        ConfigError: The folder cannot be used, or this system has no file locks of the kind.
    """
    try:
        import fcntl
    except ImportError:
        raise ConfigError(
            "background_store needs POSIX file locks, which this system has not; leave it out"
        ) from None
    name, number = digest[:_NAME_CHARS], 0
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        while True:
            file = folder / f"{name}.{number}.json"
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _still_there(file, descriptor):
                    return Claim(file, descriptor)
                number -= 1  # it was taken away while this one waited for it: once more
            os.close(descriptor)
            number += 1
    except OSError as error:
        raise ConfigError(
            f"background_store {str(folder)!r} cannot be used ({error.strerror}); name a folder "
            "that this process may write to"
        ) from error


def _still_there(file: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _read(descriptor: int) -> str | None:
    try:
        known = json.loads(os.pread(descriptor, _ID_BYTES, 0) or b"{}")
    except ValueError:  # the process died while it wrote
        return None
    given = known.get("response_id") if isinstance(known, dict) else None
    return given if isinstance(given, str) and given else None
