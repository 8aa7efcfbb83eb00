"""A ledger in a SQLite file: the default for runs whose checkpoints outlive the process."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from agentlanes.errors import ConfigError, LedgerUnavailable
from agentlanes.speculation.ledger.record import EffectRecord, Lease
from agentlanes.speculation.ledger.rules import from_text, is_pending, rule_on, to_text
from agentlanes.speculation.ledger.threaded import ThreadedLedger, name_in

__all__ = ["SqliteLedger"]

_VERSION = 1
# Prefixed, so that the file may hold other tables too, such as LangGraph's checkpoints.
_TABLES = (
    "CREATE TABLE agentlanes_leases (thread TEXT PRIMARY KEY, token INTEGER NOT NULL)",
    """CREATE TABLE agentlanes_effects (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL UNIQUE,
        run TEXT NOT NULL,
        thread TEXT NOT NULL,
        status TEXT NOT NULL,
        pending INTEGER NOT NULL,
        changed_at TEXT NOT NULL,
        record TEXT NOT NULL
    )""",
    "CREATE INDEX agentlanes_of_run ON agentlanes_effects (run, seq)",
    "CREATE INDEX agentlanes_pending ON agentlanes_effects (thread, seq) WHERE pending",
)
_NOW = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
_WRITE = f"""
    INSERT INTO agentlanes_effects (key, run, thread, status, pending, changed_at, record)
    VALUES (?, ?, ?, ?, ?, {_NOW}, ?)
    ON CONFLICT (key) DO UPDATE SET run = excluded.run, thread = excluded.thread,
        status = excluded.status, pending = excluded.pending,
        changed_at = excluded.changed_at, record = excluded.record
"""
_TAKE = """
    INSERT INTO agentlanes_leases (thread, token) VALUES (?, 1)
    ON CONFLICT (thread) DO UPDATE SET token = token + 1
"""
_ADVICE = {
    sqlite3.SQLITE_BUSY: "another process kept it locked; resume the run, or raise busy_timeout_s",
    sqlite3.SQLITE_LOCKED: "another connection kept it locked; resume the run",
    sqlite3.SQLITE_FULL: "the disk is full; make room and resume the run",
    sqlite3.SQLITE_IOERR: "the disk refused to read or write; mend it, or make room, and resume",
    sqlite3.SQLITE_READONLY: "it may not be written; mend its permissions and resume the run",
    sqlite3.SQLITE_PERM: "it may not be opened; mend its permissions and resume the run",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; look at its path and permissions",
    sqlite3.SQLITE_CORRUPT: "it is damaged; put it aside, do not delete it, and look at the "
    "effects of unfinished runs by hand",
    sqlite3.SQLITE_NOTADB: "it is no SQLite file; name another path",
}


class SqliteLedger(ThreadedLedger):
    """A ledger in a SQLite file, which several processes of one machine may share.

    A record is on the disk before `put` returns: the file is in WAL mode and synchronised at
    every commit, so that it outlives a power cut. The file and its folder are made when they are
    first used, the file readable by its owner alone.

    Args:
        path: The file; `~` is the home directory.
        busy_timeout_s: How long to wait for another process that is writing.

    Example:
        >>> SqliteLedger("effects.db")
        SqliteLedger('effects.db')
    """

    def __init__(self, path: str | Path, *, busy_timeout_s: float = 5.0) -> None:
        if busy_timeout_s < 0:
            raise ConfigError("busy_timeout_s starts at 0")
        super().__init__(threads=1)
        self._path = Path(path)
        self._busy_timeout_s = busy_timeout_s
        # Some event loops run "threads'" work where they like; then this keeps it in turn.
        self._turn = threading.Lock()
        self._held: list[sqlite3.Connection] = []
        weakref.finalize(self, _close_all, self._held)

    def __repr__(self) -> str:
        return f"SqliteLedger({str(self._path)!r})"

    def _acquire(self, thread: str) -> int:
        with self._transaction() as db:
            db.execute(_TAKE, (name_in(thread),))
            return self._newest(db, thread) or 0

    def _token(self, thread: str) -> int:
        with self._turn, self._typed_errors() as db:
            return self._newest(db, thread) or 0

    def _get(self, key: str) -> str | None:
        with self._turn, self._typed_errors() as db:
            return _held_at(db, key)

    def _put(self, record: EffectRecord, lease: Lease | None) -> bool:
        with self._transaction() as db:
            newest = self._newest(db, lease.thread) if lease is not None else None
            text = _held_at(db, record.key)
            held = from_text(text) if text is not None else None
            write, lost = rule_on(held, record, lease, newest)
            if write:
                names = (name_in(name) for name in (record.key, record.run, record.thread))
                row = (*names, record.status, is_pending(record), to_text(record))
                db.execute(_WRITE, row)
            return lost

    def _of_run(self, run: str) -> list[str]:
        return self._texts("run = ?", run)

    def _pending(self, thread: str) -> list[str]:
        return self._texts("thread = ? AND pending", thread)

    def _close(self) -> None:
        with self._turn:
            _close_all(self._held)

    def _texts(self, which: str, name: str) -> list[str]:
        query = f"SELECT record FROM agentlanes_effects WHERE {which} ORDER BY seq"
        with self._turn, self._typed_errors() as db:
            return [text for (text,) in db.execute(query, (name_in(name),))]

    @staticmethod
    def _newest(db: sqlite3.Connection, thread: str) -> int | None:
        query = "SELECT token FROM agentlanes_leases WHERE thread = ?"
        row = db.execute(query, (name_in(thread),)).fetchone()
        return row[0] if row is not None else None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._turn, self._typed_errors() as db, _atomic(db):
            yield db

    @contextmanager
    def _typed_errors(self) -> Iterator[sqlite3.Connection]:
        """Give the open connection, and translate what goes wrong with it."""
        try:
            if not self._held:
                self._held.append(self._open())
            yield self._held[0]
        except (sqlite3.Error, OSError) as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the extended part
            if code != sqlite3.SQLITE_BUSY:
                _close_all(self._held)
            advice = _ADVICE.get(code, "look at its path and its disk, and resume the run")
            raise LedgerUnavailable(f"the ledger {self._path}: {error}: {advice}") from error

    def _open(self) -> sqlite3.Connection:
        path = self._path.expanduser().absolute()
        _make_file(path)
        # SQLite's own waiting does not cover two processes that open a new file at once.
        ends = time.monotonic() + self._busy_timeout_s
        while True:
            db = sqlite3.connect(
                path,
                timeout=self._busy_timeout_s,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                self._set_up(db)
            except sqlite3.OperationalError as error:
                db.close()
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() >= ends:
                    raise
                time.sleep(0.01)
            except BaseException:
                db.close()
                raise
            else:
                return db

    def _set_up(self, db: sqlite3.Connection) -> None:
        if db.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            db.execute("PRAGMA journal_mode = WAL")
        # As FULL in WAL mode; where the file system has no WAL, commits are as lasting.
        db.execute("PRAGMA synchronous = EXTRA")
        db.execute("PRAGMA fullfsync = ON")  # macOS: through the disk's own cache too
        if self._version(db) == 0:
            with _atomic(db):
                if self._version(db) == 0:
                    for statement in _TABLES:
                        db.execute(statement)
                    db.execute(f"PRAGMA user_version = {_VERSION}")

    def _version(self, db: sqlite3.Connection) -> int:
        found: int = db.execute("PRAGMA user_version").fetchone()[0]
        if found not in (0, _VERSION):
            raise LedgerUnavailable(
                f"the ledger {self._path} is of version {found}, and this agentlanes writes "
                f"version {_VERSION}; update agentlanes, or name another path"
            )
        return found


@contextmanager
def _atomic(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        # Some errors have ended the transaction already; others have closed the way to the disk.
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


def _held_at(db: sqlite3.Connection, key: str) -> str | None:
    query = "SELECT record FROM agentlanes_effects WHERE key = ?"
    row = db.execute(query, (name_in(key),)).fetchone()
    return row[0] if row is not None else None


def _make_file(path: Path) -> None:
    """Make an empty file for the owner's eyes, whose name outlives a power cut."""
    _make_folder(path.parent)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        _write_down(path.parent)


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _write_down(folder.parent)


def _write_down(folder: Path) -> None:
    with suppress(OSError):  # not every system opens folders
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _close_all(held: list[sqlite3.Connection]) -> None:
    while held:
        with suppress(sqlite3.Error):
            held.pop().close()
