"""The stored half of a folder index: finding files, cutting them up, keeping vectors on disk.

Two files: `chunks.jsonl` (a header line, then a line a piece) and `vectors.npz` (the vectors, and
the checksum of the other file). Each replaces its predecessor whole, and the checksum tells a pair
that does not belong together, which then counts as no index. Nothing in them can run code.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import uuid4

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MAX_FILE_BYTES", "Chunk", "Stamp", "Stored", "cut", "find_files", "load", "save"]

MAX_FILE_BYTES = 4_000_000

Stamp: TypeAlias = tuple[int, int]
"""A file's modification time in ns and its size in bytes."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a file.

    Attributes:
        file: Its path inside the folder, with `/`.
        line: Its first line, from 1.
        text: Its text.
    """

    file: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Stored:
    """What was on disk; row n of the vectors belongs to chunk n."""

    files: Mapping[str, Stamp]
    chunks: Sequence[Chunk]
    vectors: NDArray[np.float32]


def find_files(root: Path, store: Path, suffixes: tuple[str, ...]) -> Iterator[tuple[str, Stamp]]:
    """Give the regular files to index, in a fixed order; links and hidden ones are left out."""
    for here, folders, names in os.walk(root):
        place = Path(here)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and place / f != store)
        for name in sorted(names):
            path = place / name
            if name.startswith(".") or not name.lower().endswith(suffixes) or path.is_symlink():
                continue
            try:
                about = path.lstat()
            except FileNotFoundError:
                continue  # gone since the folder was listed
            if about.st_size <= MAX_FILE_BYTES:
                yield path.relative_to(root).as_posix(), (about.st_mtime_ns, about.st_size)


def cut(file: str, text: str, chunk_chars: int, overlap_chars: int) -> Iterator[Chunk]:
    """Cut a text into overlapping pieces, at a paragraph, a line or a word where one is near."""
    start, counted, line = 0, 0, 1
    while start < len(text):
        end = start + chunk_chars
        if end < len(text):
            for mark in ("\n\n", "\n", ". ", " "):
                found = text.rfind(mark, start + chunk_chars // 2, end)
                if found > 0:
                    end = found + len(mark)
                    break
        piece = text[start:end]
        if piece.strip():
            begins = start + len(piece) - len(piece.lstrip())
            line += text.count("\n", counted, begins)
            counted = begins
            yield Chunk(file, line, piece.strip())
        if end >= len(text):
            return
        start = end - overlap_chars
        space = text.find(" ", start, end)
        start = space + 1 if 0 <= space < end - 1 else start


def load(numpy: Any, store: Path, setting: Mapping[str, Any]) -> Stored:
    """Read the stored index; an empty one when there is none, or not one of this setting."""
    try:
        lines = (store / "chunks.jsonl").read_bytes()
        with numpy.load(store / "vectors.npz", allow_pickle=False) as arrays:
            vectors, digest = arrays["vectors"], arrays["digest"]
        head, *rest = map(json.loads, lines.splitlines())
        files = {name: (int(time), int(size)) for name, (time, size) in head.pop("files").items()}
        chunks = [Chunk(**fields) for fields in rest]
        if (
            head == setting
            and digest.tobytes() == hashlib.sha256(lines).digest()
            and vectors.dtype == numpy.float32
            and vectors.ndim == 2
            and len(vectors) == len(chunks)
        ):
            return Stored(files, chunks, vectors)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile):
        pass  # absent or damaged: it is made anew
    return Stored({}, [], numpy.zeros((0, 0), dtype=numpy.float32))


def save(numpy: Any, store: Path, setting: Mapping[str, Any], index: Stored) -> None:
    """Write the index."""
    store.mkdir(parents=True, exist_ok=True)
    records = [{**setting, "files": index.files}, *map(asdict, index.chunks)]
    lines = "".join(json.dumps(record) + "\n" for record in records).encode()
    digest = numpy.frombuffer(hashlib.sha256(lines).digest(), dtype=numpy.uint8)
    for name in ("chunks.jsonl", "vectors.npz"):
        temporary = store / f".{uuid4().hex}.tmp"
        try:
            with temporary.open("xb") as file:
                if name == "chunks.jsonl":
                    file.write(lines)
                else:
                    numpy.savez(file, vectors=index.vectors, digest=digest)
            temporary.replace(store / name)
        finally:
            temporary.unlink(missing_ok=True)
