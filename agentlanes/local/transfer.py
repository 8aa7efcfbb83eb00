"""What every way of fetching shares: reporting bytes, hashing, moving a finished file in place."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["CHUNK_BYTES", "Report", "human_bytes", "progress_bar", "sha256_of"]

CHUNK_BYTES = 1 << 20

Report = Callable[[int], None]
"""Told how many bytes of the file are on disk. Called several times a second while a transfer is
under way, so it is also the place from which a transfer is stopped: whatever it raises ends the
transfer and leaves what has arrived for the next attempt."""


def human_bytes(count: int) -> str:
    """Write a size as people read it.

    Example:
        >>> human_bytes(491_400_064), human_bytes(1_117_320_768)
        ('491 MB', '1.1 GB')
    """
    if count >= 1_000_000_000:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.0f} MB" if count >= 1_000_000 else f"{count / 1e3:.0f} kB"


def sha256_of(path: Path, report: Report | None = None) -> str:
    """Hash a file, in lower-case hex."""
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            done += len(chunk)
            if report is not None:
                report(done)
    return digest.hexdigest()


@contextmanager
def progress_bar(what: str, total_bytes: int, *, shown: bool) -> Iterator[Report]:
    """Show a bar over bytes on standard error, or nothing when `shown` is false.

    Example:
        >>> with progress_bar("Fetching a model", 100, shown=False) as report:
        ...     report(50)
    """
    if not shown:
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=Console(stderr=True))
    task = bar.add_task(what, total=total_bytes)

    def report(done: int) -> None:
        bar.start()  # not before: a source that cannot be reached shows no bar
        bar.update(task, completed=min(done, total_bytes))

    try:
        yield report
    finally:
        bar.stop()
