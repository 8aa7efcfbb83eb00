"""Runs as JSON lines: a file a run, written as it goes, readable after a crash.

    {"type": "run", "schema": 2, "run_id": ..., "graph": ..., "started": ...}
    {"type": "step", "step": 0, ...}          one line a step record
    {"type": "proposal", "window": 0, ...}    what the act lane wanted: the tool, no arguments
    {"type": "verdict", "window": 0, ...}     what was said of it, and why in a few words
    {"type": "settled", "window": 0, ...}     what became of a window's proposals
    {"type": "result", "status": "done", "wall_ms": ..., ...}

A line is written in one piece and flushed at once, and so are the steps of a window together: what
a killed process leaves behind is whole lines, and at most one torn one at the end. Credentials are
hidden (`agentlanes.redact`).
"""

from __future__ import annotations

import json
import os
import re
import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, cast

import orjson

from agentlanes.errors import ConfigError
from agentlanes.latency.record import Prefix, StepRecord, blank_record
from agentlanes.redact import is_clean, redact

__all__ = ["SCHEMA_VERSION", "LoggedRun", "RunLog", "RunStatus", "read_run", "read_runs"]

SCHEMA_VERSION = 2
"""Version of the lines' form; it changes when a key changes its meaning, comes or goes.

Files of version 1 are read too: their steps have no spans, and whatever else came later is
unknown.
"""

RunStatus = Literal["done", "failed", "stopped"]

_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)

_NOTED: Mapping[str, tuple[str, ...]] = {
    "agentlanes.proposal": (
        "window",
        "index",
        "kind",
        "tool",
        "effect",
        "fenced",
        "rides_on",
        "steps",
    ),
    "agentlanes.verdict": ("window", "index", "status", "by", "reason"),
    "agentlanes.settled": ("window", "outcomes"),
}
"""Events of which a file keeps these keys."""

_REASON = 240  # letters of a verdict's reason that are kept

_KEYS = [*StepRecord.__annotations__]
_RECORD_TEXTS = itemgetter(
    "node", "lane", "profile", "model", "tier", "route_reason", "outcome", "metric_name"
)
_PREFIX_FIGURES = itemgetter(*(key for key in Prefix.__annotations__ if key != "broke"))
_PREFIX_SIZE = len(Prefix.__annotations__)
_FIGURES = {int, float, bool, type(None)}
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


class RunLog:
    """Writes one run's file, a line at a time.

    The file is `<folder>/<run_id>.jsonl`. Leaving the `with` block without a `result` writes one:
    `failed` with the error's type, `stopped` for a cancel or Ctrl-C. The error's message is not
    written, since it may quote what the run was about.

    Attributes:
        path: The file.
        run_id: The run's id.

    Raises:
        ConfigError: The run id cannot be a file name.
        FileExistsError: The run has a file already.

    Example:
        >>> import tempfile
        >>> from agentlanes.latency.record import blank_record
        >>> folder = Path(tempfile.mkdtemp())
        >>> with RunLog(folder, "r1", graph="assistant") as log:
        ...     log.step(blank_record(step=0, window=0, node="act", outcome="committed"))
        ...     log.result(answer="Sunny.", committed=[])
        >>> run = read_run(log.path)
        >>> run.graph, run.status, len(run.steps)
        ('assistant', 'done', 1)
    """

    def __init__(
        self,
        folder: Path | str,
        run_id: str,
        *,
        graph: str | None = None,
        started: datetime | None = None,
        **more: Any,
    ) -> None:
        """Open the file and write its first line.

        Args:
            folder: Where it goes; made if it is not there.
            run_id: Letters, digits, `.`, `_` and `-`.
            graph: The graph's name.
            started: When the run began; now, by default.
            more: Further facts for the first line.
        """
        if not _RUN_ID.fullmatch(run_id):
            raise ConfigError(
                f"{run_id[:80]!r} cannot name a run's file; use letters, digits, '.', '_' and '-'"
            )
        self.run_id = run_id
        self.path = Path(folder) / f"{run_id}.jsonl"
        self._finished = False
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered, and appending: each line is one write, whatever happens to this process.
        self._file: BinaryIO = cast("BinaryIO", self.path.open("xb", buffering=0))
        self._began = time.monotonic()
        when = (started or datetime.now(UTC)).isoformat()
        head = {"schema": SCHEMA_VERSION, "run_id": run_id, "graph": graph, "started": when}
        self._write("run", {**more, **head})

    def step(self, record: StepRecord) -> None:
        """Write a step record."""
        self.steps([record])

    def steps(self, records: Sequence[StepRecord]) -> None:
        """Write step records, a line each, in one piece."""
        # Most of a line is figures, and its few texts come again in the next. Lines of which the
        # texts are not known are looked through whole.
        texts = _record_texts(records)
        if texts is not None and is_clean(texts):
            with suppress(TypeError):  # half a surrogate pair, a type of somebody's own
                lines = [orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE)[1:] for one in records]
                self._append(b'{"type":"step",'.join([b"", *lines]))
                return
        for record in records:
            self._write("step", record)

    def event(self, event: Any) -> None:
        """Write what a custom stream event of this library says; other events are passed over.

        Step records and labels are written whole. Of proposals and verdicts it is written which
        tool, which verdict and why, not the arguments: those of calls that never ran have no
        place in a file.
        """
        kind = str(event.get("type")) if isinstance(event, Mapping) else ""
        if kind == "agentlanes.steps":
            self.steps(event["records"])
        elif kind == "agentlanes.label":
            self._write("label", event["row"])
        elif kind in _NOTED:
            said = {key: event[key] for key in _NOTED[kind]}
            if "steps" in said:
                said["steps"] = [str(step.get("tool") or "") for step in said["steps"]]
            if "reason" in said:
                reason = " ".join(str(said["reason"]).split())
                if len(reason) > _REASON:  # which takes longer than to write the line
                    reason = textwrap.shorten(reason, _REASON, placeholder=" ...")
                said["reason"] = reason
            self._write(kind.removeprefix("agentlanes."), said, texts=_texts(said.values()))

    def result(
        self,
        *,
        status: RunStatus = "done",
        answer: str | None = None,
        committed: Sequence[Mapping[str, Any]] = (),
        error: str | None = None,
        wall_ms: float | None = None,
        **more: Any,
    ) -> None:
        """Write the last line and make the file durable.

        Args:
            status: How the run ended.
            answer: The answer.
            committed: The committed calls, in order.
            error: The type of what ended the run.
            wall_ms: How long it took; since the file was opened, by default.
            more: Further facts.
        """
        if wall_ms is None:
            wall_ms = round((time.monotonic() - self._began) * 1000, 3)
        known = {
            "status": status,
            "ended": datetime.now(UTC).isoformat(),
            "wall_ms": wall_ms,
            "error": error,
        }
        calls = [dict(call) for call in committed]
        self._write("result", {**more, **known, "answer": answer, "committed": calls})
        self._finished = True
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file. A run without a result then reads as one that never ended."""
        self._file.close()

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is not None and not self._finished:
                status: RunStatus = "failed" if isinstance(error, Exception) else "stopped"
                self.result(status=status, error=type(error).__name__)
        finally:
            self.close()

    def _write(
        self, kind: str, fields: Mapping[str, Any], *, texts: set[str] | None = None
    ) -> None:
        if texts is not None and is_clean(texts):
            with suppress(TypeError):
                self._append(orjson.dumps({"type": kind, **fields}) + b"\n")
                return
        line = redact(_ENCODER.encode({"type": kind, **fields}))
        self._append(f"{line}\n".encode("utf-8", "backslashreplace"))

    def _append(self, data: bytes) -> None:
        written = self._file.write(data)
        while written < len(data):  # an unbuffered file may take less than it is given
            written += self._file.write(data[written:])


def _record_texts(records: Iterable[Mapping[str, Any]]) -> set[str] | None:
    """Give the texts of records; `None` where something has not the form of a record.

    A span's only text that is not the library's own is its name.
    """
    texts: set[Any] = set()
    figures: list[Any] = []
    try:
        for record in records:
            if [*record] != _KEYS:
                return None
            texts.update(_RECORD_TEXTS(record))
            figures += record["tokens"].values()
            for span in record["spans"]:
                texts.add(span["name"])
            prefix = record["prefix"]
            if prefix is not None:
                if len(prefix) != _PREFIX_SIZE:
                    return None
                texts.add(prefix["broke"])
                figures += _PREFIX_FIGURES(prefix)
    except (TypeError, KeyError, AttributeError):
        return None
    return _texts(texts) if _FIGURES.issuperset(map(type, figures)) else None


def _texts(values: Iterable[Any]) -> set[str] | None:
    """Give the texts among texts, figures and lists of these; `None` if there is anything else."""
    found: set[str] = set()
    for one in values:
        if isinstance(one, str):
            found.add(one)
        elif isinstance(one, list):
            inner = _texts(one)
            if inner is None:
                return None
            found |= inner
        elif type(one) not in _FIGURES:
            return None
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRun:
    """A run as its file tells it.

    Attributes:
        path: The file.
        head: The first line.
        steps: The step records, in order.
        events: The lines of proposals, verdicts and settled windows, in order, `type` included.
        result: The last line; `None` when the run was killed or goes on still.
        torn: Lines that could not be read: the last one of a killed run, if any.
    """

    path: Path
    head: dict[str, Any]
    steps: list[StepRecord]
    events: list[dict[str, Any]]
    result: dict[str, Any] | None
    torn: int

    @property
    def run_id(self) -> str:
        """The run's id."""
        return str(self.head.get("run_id") or self.path.stem)

    @property
    def graph(self) -> str | None:
        """The graph's name."""
        return self.head.get("graph")

    @property
    def status(self) -> str:
        """How it ended; `open` when its file has no last line."""
        return str(self.result["status"]) if self.result else "open"


def read_run(path: Path | str) -> LoggedRun:
    """Read a run's file, one that a crash has cut short included.

    Raises:
        OSError: The file cannot be read.
        ConfigError: The file was written in a newer form.
    """
    path = Path(path)
    head: dict[str, Any] = {}
    result: dict[str, Any] | None = None
    steps: list[StepRecord] = []
    events: list[dict[str, Any]] = []
    torn = 0
    for line in path.read_bytes().split(b"\n"):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
            kind = fields.pop("type")
        except (ValueError, KeyError, TypeError, AttributeError):
            torn += 1
            continue
        if kind == "run":
            head = fields
        elif kind == "step":
            steps.append(blank_record(**{"version": 1, **fields}))
        elif f"agentlanes.{kind}" in _NOTED:
            events.append({"type": kind, **fields})
        elif kind == "result":
            result = fields
    if isinstance(head.get("schema"), int) and head["schema"] > SCHEMA_VERSION:
        raise ConfigError(
            f"{path} has schema version {head['schema']} and this release reads up to "
            f"{SCHEMA_VERSION}; upgrade agentlanes"
        )
    return LoggedRun(path=path, head=head, steps=steps, events=events, result=result, torn=torn)


def read_runs(folder: Path | str) -> Iterator[LoggedRun]:
    """Read every run in a folder, in the order they started; a missing folder has none.

    Raises:
        OSError: A file cannot be read.
        ConfigError: A file was written in a newer form.
    """
    folder = Path(folder)
    paths = sorted(folder.glob("*.jsonl")) if folder.is_dir() else []
    runs = [read_run(path) for path in paths]
    yield from sorted(runs, key=lambda run: (str(run.head.get("started") or ""), run.run_id))
