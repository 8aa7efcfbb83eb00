"""Retrieval: a small vector index over a folder's text files, and tools to search and read them."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from langchain_core.tools import BaseTool, ToolException

from agentlanes.errors import ConfigError, MissingExtra
from agentlanes_tools._beneath import read_beneath
from agentlanes_tools._chunks import (
    MAX_FILE_BYTES,
    Chunk,
    Stamp,
    Stored,
    cut,
    find_files,
    load,
    save,
)
from agentlanes_tools._making import look_tool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Embedder", "FolderIndex", "Hit", "WordLlamaEmbedder", "read_file", "search_folder"]

_FORMAT = 1
_MAX_READ_BYTES = 1_000_000


class Embedder(Protocol):
    """Anything that turns texts into vectors.

    Attributes:
        name: Identifies model and settings; an index made under another name is made anew.
    """

    @property
    def name(self) -> str:
        """Model and settings, such as `"wordllama-256"`."""
        ...

    def embed(self, texts: Sequence[str]) -> ArrayLike:
        """Give one vector a text: shape (texts, dimensions), finite, any length."""
        ...


class WordLlamaEmbedder:
    """Static word vectors from the `wordllama` package: 256 dimensions, no network, no GPU.

    Well under a millisecond a text. They know which words go together, not what a sentence says;
    give `FolderIndex.build` a model of your own where that matters.

    Raises:
        MissingExtra: wordllama is not installed.
    """

    name = "wordllama-l2_supercat-256"

    def __init__(self) -> None:
        with _root_logger_kept():
            wordllama = _module("wordllama")
        self._model: Any = wordllama.WordLlama.load(
            cache_dir=Path(wordllama.__file__).parent, disable_download=True
        )

    def embed(self, texts: Sequence[str]) -> ArrayLike:
        """Give one vector a text."""
        vectors: ArrayLike = self._model.embed(list(texts))
        return vectors


@dataclass(frozen=True, slots=True)
class Hit:
    """A piece of a file that fits a query.

    Attributes:
        file: Its path inside the folder, with `/`.
        line: Its first line, from 1.
        score: Cosine of the angle to the query, -1 to 1; higher fits better.
        text: Its text.
    """

    file: str
    line: int
    score: float
    text: str


@dataclass(frozen=True)
class FolderIndex:
    """Vectors of a folder's text files, as they were when it was built. Make one with `build`.

    Attributes:
        folder: The folder.
        embedder: What made the vectors.
        chunks: The pieces, by file and place.
        files: For each indexed file its modification time in ns and its size in bytes.
        embedded: Pieces that this build had to embed; the others came from the stored index.
    """

    folder: Path
    embedder: Embedder
    chunks: tuple[Chunk, ...]
    files: Mapping[str, Stamp]
    embedded: int
    _vectors: NDArray[np.float32]

    @classmethod
    def build(
        cls,
        folder: str | Path,
        embedder: Embedder | None = None,
        *,
        store: str | Path | None = None,
        suffixes: Sequence[str] = (".md", ".rst", ".txt"),
        chunk_chars: int = 800,
        overlap_chars: int = 150,
    ) -> FolderIndex:
        """Index a folder; files whose time and size are as stored are not read again.

        Links, hidden files, files over 4 MB and files that are not UTF-8 text are left out.

        Args:
            folder: The folder.
            embedder: What makes the vectors; by default `WordLlamaEmbedder`.
            store: Folder for the stored index; by default `.agentlanes-index` in `folder`.
            suffixes: File name endings to index.
            chunk_chars: Length of a piece, at most.
            overlap_chars: How much of a piece the next one repeats, at most; under half of it.

        Raises:
            ConfigError: The folder does not exist, or the lengths make no sense.
            MissingExtra: numpy, or wordllama where it is needed, is not installed.
        """
        numpy = _module("numpy")
        root = Path(folder).absolute()
        if not root.is_dir():
            raise ConfigError(f"{root} is not a folder; make it or give another")
        if not 0 <= 2 * overlap_chars < chunk_chars:
            raise ConfigError("overlap_chars must be under half of chunk_chars")
        embedder = embedder or WordLlamaEmbedder()
        kept = Path(store).absolute() if store else root / ".agentlanes-index"
        setting = {
            "format": _FORMAT,
            "embedder": embedder.name,
            "chunk_chars": chunk_chars,
            "overlap_chars": overlap_chars,
        }
        old = load(numpy, kept, setting)
        rows: dict[str, list[int]] = {}
        for row, chunk in enumerate(old.chunks):
            rows.setdefault(chunk.file, []).append(row)
        files = dict(find_files(root, kept, tuple(suffixes)))
        chunks: list[Chunk] = []
        sources: list[int] = []  # for each chunk its row in the old vectors, or -1
        for file, stamp in files.items():
            if old.files.get(file) == stamp:
                sources += rows.get(file, [])
                chunks += [old.chunks[row] for row in rows.get(file, [])]
            else:
                pieces = list(cut(file, _text(root, file), chunk_chars, overlap_chars))
                sources += [-1] * len(pieces)
                chunks += pieces
        fresh = [place for place, row in enumerate(sources) if row < 0]
        new = _unit(numpy, embedder, [chunks[place].text for place in fresh])
        vectors = _merge(numpy, embedder, sources, old.vectors, new)
        if fresh or files != old.files:
            save(numpy, kept, setting, Stored(files, chunks, vectors))
        return cls(root, embedder, tuple(chunks), files, len(fresh), vectors)

    def search(self, query: str, k: int = 5) -> list[Hit]:
        """Give the `k` pieces that fit best, best first; fewer when there are fewer."""
        if not self.chunks or k < 1:
            return []
        [wanted] = _unit(_module("numpy"), self.embedder, [query])
        if len(wanted) != self._vectors.shape[1]:
            raise ConfigError(
                f"{self.embedder.name} gives {len(wanted)} dimensions, the index has "
                f"{self._vectors.shape[1]}; another model needs another name"
            )
        scores = self._vectors @ wanted
        order = (-scores).argsort(kind="stable")[:k]
        hits = ((self.chunks[place], float(scores[place])) for place in order)
        return [Hit(chunk.file, chunk.line, round(score, 4), chunk.text) for chunk, score in hits]


def search_folder(index: FolderIndex) -> BaseTool:
    """Make a tool of class `read` that searches an index: `search_folder(query, k=4)`."""

    def search_folder(query: str, k: int = 4) -> list[dict[str, Any]]:
        """Search the text files of the folder by meaning and give the passages that fit best.

        Gives a list, best first, of {"file", "line", "score", "text"}; score is at most 1. Read
        more around a passage with read_file, if there is such a tool.

        Args:
            query: What to look for: a question or a few words.
            k: How many passages, from 1 to 20.
        """
        return [asdict(hit) for hit in index.search(query, max(1, min(k, 20)))]

    return look_tool(search_folder, "read")


def read_file(root: str | Path) -> BaseTool:
    """Make a tool of class `read` that reads text files inside a folder and nowhere else.

    Absolute paths, `..`, links at any place of the path, folders, devices and pipes are refused.
    POSIX systems only.

    Args:
        root: The folder. Files are opened when the tool is called.

    Raises:
        ConfigError: The folder does not exist.
    """
    folder = Path(root).resolve()
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder; make it or give another")

    def read_file(path: str, start_line: int = 1, max_lines: int = 400) -> str:
        """Read a text file, or some lines of it.

        Args:
            path: Path inside the folder, such as "notes/today.txt".
            start_line: First line to give, from 1.
            max_lines: How many lines at most, from 1 to 2000.
        """
        data, size = read_beneath(folder, path, _MAX_READ_BYTES)
        if b"\0" in data:
            raise ToolException(f"{path[:200]!r} is not a text file")
        lines = data.decode("utf-8", errors="replace").splitlines(keepends=True)
        first, count = max(1, start_line) - 1, max(1, min(max_lines, 2_000))
        shown = "".join(lines[first : first + count])
        rest = len(lines) - first - count
        if size > len(data):
            return f"{shown}\n[the file has {size:,} bytes; only the first {len(data):,} are read]"
        return f"{shown}\n[{rest:,} more lines]" if rest > 0 else shown

    return look_tool(read_file, "read")


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingExtra("retrieval", "tools") from None


@contextmanager
def _root_logger_kept() -> Iterator[None]:
    """Undo what an import does to the root logger: wordllama's configures it, for everybody."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    try:
        yield
    finally:
        root.setLevel(level)
        for handler in [one for one in root.handlers if one not in handlers]:
            root.removeHandler(handler)
            handler.close()


def _text(root: Path, file: str) -> str:
    try:
        data, _ = read_beneath(root, file, MAX_FILE_BYTES)
        return "" if b"\0" in data else data.decode("utf-8-sig")
    except (ToolException, UnicodeDecodeError):
        return ""  # no text: nothing to find in it


def _merge(
    numpy: Any,
    embedder: Embedder,
    sources: Sequence[int],
    old: NDArray[np.float32],
    new: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Put reused and new vectors in the order of their chunks."""
    rows = numpy.asarray(sources, dtype=numpy.intp)
    if not len(new) or len(new) == len(rows):
        merged: NDArray[np.float32] = new if len(new) else old[rows]
        return merged
    if old.shape[1] != new.shape[1]:
        raise ConfigError(
            f"{embedder.name} gives {new.shape[1]} dimensions and gave {old.shape[1]} before; "
            "another model needs another name, or delete the stored index"
        )
    merged = numpy.empty((len(rows), new.shape[1]), dtype=numpy.float32)
    merged[rows < 0], merged[rows >= 0] = new, old[rows[rows >= 0]]
    return merged


def _unit(numpy: Any, embedder: Embedder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Embed, check and scale to length one."""
    if not texts:
        empty: NDArray[np.float32] = numpy.zeros((0, 0), dtype=numpy.float32)
        return empty
    vectors = numpy.asarray(embedder.embed(texts), dtype=numpy.float32)
    if vectors.ndim != 2 or len(vectors) != len(texts) or not numpy.isfinite(vectors).all():
        raise ConfigError(
            f"{embedder.name} gave shape {vectors.shape} for {len(texts)} texts, or values that "
            "are not finite; it must give one finite vector a text"
        )
    lengths = numpy.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = vectors / numpy.where(lengths == 0, 1, lengths)
    return scaled
