"""A ledger in PostgreSQL, for runs that several machines may resume."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from agentlanes.config import Secret
from agentlanes.errors import ConfigError, LedgerError, LedgerUnavailable, MissingExtra
from agentlanes.speculation.ledger.record import EffectRecord, Lease
from agentlanes.speculation.ledger.rules import from_text, is_pending, rule_on, to_text
from agentlanes.speculation.ledger.threaded import ThreadedLedger, name_in

try:
    import psycopg
    from psycopg import sql
    from psycopg.abc import PQGen
    from psycopg.conninfo import conninfo_to_dict
except ImportError as error:
    raise MissingExtra("a ledger in PostgreSQL", "postgres") from error

__all__ = ["PostgresLedger"]

T = TypeVar("T")

_VERSION = 1
_TABLES = """
    CREATE SCHEMA IF NOT EXISTS {schema};
    CREATE TABLE {schema}.leases (thread text PRIMARY KEY, token bigint NOT NULL);
    CREATE TABLE {schema}.effects (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        key text NOT NULL UNIQUE,
        run text NOT NULL,
        thread text NOT NULL,
        status text NOT NULL,
        pending boolean NOT NULL,
        changed_at timestamptz NOT NULL DEFAULT now(),
        record text NOT NULL
    );
    CREATE INDEX effects_of_run ON {schema}.effects (run, seq);
    CREATE INDEX effects_pending ON {schema}.effects (thread, seq) WHERE pending;
    CREATE TABLE {schema}.version (version integer NOT NULL);
    INSERT INTO {schema}.version VALUES ({version})
"""
# A commit that the server has not written down would be lost in a power cut.
_SESSION = """
    SELECT set_config('statement_timeout', %s, false), set_config('synchronous_commit',
        CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'
        ELSE current_setting('synchronous_commit') END, false)
"""
_MADE = "SELECT FROM pg_catalog.pg_tables WHERE schemaname = %s AND tablename = 'version'"
_TAKE = """
    INSERT INTO {schema}.leases AS held (thread, token) VALUES (%s, 1)
    ON CONFLICT (thread) DO UPDATE SET token = held.token + 1 RETURNING token
"""
# Shared: writers do not wait for each other, but whoever takes the lease waits for them.
_NEWEST = "SELECT token FROM {schema}.leases WHERE thread = %s FOR SHARE"
# A key without a row has nothing else that two writers could wait at.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_HELD = "SELECT record FROM {schema}.effects WHERE key = %s"
_WRITE = """
    INSERT INTO {schema}.effects (key, run, thread, status, pending, record)
    VALUES (%s, %s, %s, %s, %s, %s)
    ON CONFLICT (key) DO UPDATE SET run = excluded.run, thread = excluded.thread,
        status = excluded.status, pending = excluded.pending, record = excluded.record,
        changed_at = now()
"""
_OF_RUN = "SELECT record FROM {schema}.effects WHERE run = %s ORDER BY seq"
_PENDING = "SELECT record FROM {schema}.effects WHERE thread = %s AND pending ORDER BY seq"


class _Link(psycopg.Connection[tuple[Any, ...]]):
    """A connection that does not wait for ever for a server that fell silent."""

    answer_s: float = 10.0
    committing = False

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        return super().wait(gen, interval, self.answer_s if timeout is None else timeout)


class PostgresLedger(ThreadedLedger):
    """A ledger in a PostgreSQL database, which any number of processes may share.

    Its tables are in a schema of their own, made when they are first used; whoever may not create
    one there has it made by somebody else's first use. A connection that broke while it was idle
    is replaced unnoticed.

    Args:
        url: As libpq reads it: `postgresql://user:password@host:port/database`. It is shown
            nowhere.
        schema: The schema. Applications that name their threads alike need one each.
        connections: Calls under way at a time; more wait.
        connect_timeout_s: How long to wait for a connection, in whole seconds from 2.
        answer_timeout_s: How long to wait for an answer, the wait for another writer included.

    Raises:
        MissingExtra: When this module is imported: psycopg is not installed.
        ConfigError: The URL cannot be read.
    """

    def __init__(
        self,
        url: str | Secret,
        *,
        schema: str = "agentlanes",
        connections: int = 4,
        connect_timeout_s: int = 5,
        answer_timeout_s: float = 10.0,
    ) -> None:
        if connections < 1 or connect_timeout_s < 2 or answer_timeout_s <= 0:
            raise ConfigError(
                "connections start at 1, connect_timeout_s at 2, answer_timeout_s above 0"
            )
        super().__init__(threads=connections)
        given = _read(url.reveal() if isinstance(url, Secret) else url)
        defaults = {
            "connect_timeout": str(connect_timeout_s),
            "application_name": "agentlanes",
            "keepalives_idle": "30",
        }
        self._where = str(given.get("host") or given.get("hostaddr") or "its default place")
        self._password = Secret(str(given.get("password") or ""))
        self._conninfo = Secret(psycopg.conninfo.make_conninfo("", **{**defaults, **given}))
        self._schema, self._answer_s = schema, answer_timeout_s
        self._turn = threading.Lock()
        self._idle: list[_Link] = []
        weakref.finalize(self, _close_all, self._idle)

    def __repr__(self) -> str:
        return f"<PostgresLedger at {self._where}, schema {self._schema!r}>"

    def _acquire(self, thread: str) -> int:
        def work(link: _Link) -> int:
            row = link.execute(self._sql(_TAKE), (name_in(thread),)).fetchone()
            token: int = row[0] if row is not None else 0
            return token

        return self._with_link(work)

    def _token(self, thread: str) -> int:
        def work(link: _Link) -> int:
            row = link.execute(self._sql(_NEWEST), (name_in(thread),)).fetchone()
            token: int = row[0] if row is not None else 0
            return token

        return self._with_link(work)

    def _get(self, key: str) -> str | None:
        texts = self._texts(_HELD, key)
        return texts[0] if texts else None

    def _put(self, record: EffectRecord, lease: Lease | None) -> bool:
        key, run, thread = (name_in(name) for name in (record.key, record.run, record.thread))
        row = (key, run, thread, record.status, is_pending(record), to_text(record))

        def work(link: _Link) -> bool:
            # Two round trips: the pipeline sends what needs no answer together.
            with link.pipeline(), link.transaction():
                asked = None
                if lease is not None:
                    asked = link.execute(self._sql(_NEWEST), (name_in(lease.thread),))
                link.execute(_LOCK, (key,))
                found = link.execute(self._sql(_HELD), (key,)).fetchone()
                held = from_text(found[0]) if found is not None else None
                newest = asked.fetchone() if asked is not None else None
                write, lost = rule_on(held, record, lease, newest[0] if newest else None)
                if write:
                    link.committing = True
                    link.execute(self._sql(_WRITE), row)
            link.committing = False
            return lost

        return self._with_link(work)

    def _of_run(self, run: str) -> list[str]:
        return self._texts(_OF_RUN, run)

    def _pending(self, thread: str) -> list[str]:
        return self._texts(_PENDING, thread)

    def _close(self) -> None:
        with self._turn:
            _close_all(self._idle)

    def _texts(self, query: str, name: str) -> list[str]:
        def work(link: _Link) -> list[str]:
            return [text for (text,) in link.execute(self._sql(query), (name_in(name),))]

        return self._with_link(work)

    def _sql(self, query: str) -> sql.Composed:
        return sql.SQL(query).format(schema=sql.Identifier(self._schema))

    def _with_link(self, work: Callable[[_Link], T]) -> T:
        """Do some work on a connection, and translate what goes wrong with it."""
        with self._turn:
            link = self._idle.pop() if self._idle else None
        while True:
            was_idle, trouble = link is not None, ""
            try:
                link = link or self._connect()
                given = work(link)
            except psycopg.Error as error:
                trouble = self._explain(error)
            except LedgerError:
                self._give_back(link)
                raise
            else:
                self._give_back(link)
                return given
            # Raised out here, an error carries no frame that holds the URL.
            broken = link is not None and link.closed and not link.committing
            if link is not None:
                link.close()
            if not (was_idle and broken):
                raise LedgerUnavailable(trouble)
            link = None

    def _give_back(self, link: _Link | None) -> None:
        if link is not None:
            with self._turn:
                self._idle.append(link)

    def _connect(self) -> _Link:
        link: _Link = _Link.connect(
            self._conninfo.reveal(),
            autocommit=True,
            prepare_threshold=None,  # poolers that change the server between calls know no plans
        )
        try:
            link.answer_s = self._answer_s + 1.0  # the server gives up first, and says at what
            link.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            self._set_up(link)
        except BaseException:
            link.close()
            raise
        return link

    def _set_up(self, link: _Link) -> None:
        link.execute(_SESSION, (str(max(1, int(self._answer_s * 1000))),))
        if self._version(link) is None:
            with link.transaction():
                link.execute(_LOCK, (f"agentlanes {self._schema}",))
                if self._version(link) is None:
                    query = sql.SQL(_TABLES).format(
                        schema=sql.Identifier(self._schema), version=sql.Literal(_VERSION)
                    )
                    link.execute(query)
        if (found := self._version(link)) != _VERSION:
            raise LedgerUnavailable(
                f"the ledger at {self._where} is of version {found}, and this agentlanes writes "
                f"version {_VERSION}; update agentlanes, or name another schema"
            )

    def _version(self, link: _Link) -> int | None:
        # Read as a table: what looks a name up may not see yet what somebody else just made.
        if link.execute(_MADE, (self._schema,)).fetchone() is None:
            return None
        row = link.execute(self._sql("SELECT version FROM {schema}.version")).fetchone()
        return row[0] if row is not None else None

    def _explain(self, error: psycopg.Error) -> str:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        if password := self._password.reveal():
            said = said.replace(password, "***")
        if isinstance(error, psycopg.errors.QueryCanceled):
            advice = "another writer kept it locked; resume the run, or raise answer_timeout_s"
        elif isinstance(error, psycopg.errors.InsufficientPrivilege):
            advice = f"its user needs the rights to schema {self._schema!r}"
        elif isinstance(error, psycopg.errors.DiskFull):
            advice = "its disk is full; make room and resume the run"
        else:
            advice = "look at the server and resume the run"
        return f"the ledger in PostgreSQL at {self._where}: {said}: {advice}"


def _read(url: str) -> dict[str, Any]:
    try:
        given: dict[str, Any] = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        given = {}
    # A slash in a password that is not escaped makes the rest of it the database's name.
    if not given or "@" in str(given.get("dbname") or ""):
        raise ConfigError(
            "the URL of the ledger in PostgreSQL cannot be read; write its user and password "
            "percent-encoded, and only libpq's own parameters after the question mark"
        )
    return given


def _close_all(links: list[_Link]) -> None:
    while links:
        with suppress(psycopg.Error):
            links.pop().close()
