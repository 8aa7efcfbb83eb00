"""Opening the ledger that a setting names."""

from __future__ import annotations

import re
from pathlib import Path

from agentlanes.errors import ConfigError
from agentlanes.speculation.ledger.memory import MemoryLedger
from agentlanes.speculation.ledger.record import Ledger

__all__ = ["open_ledger"]

_URL = re.compile(r"(?P<scheme>[A-Za-z][\w.+-]+)://")  # one letter is a drive of Windows


def open_ledger(where: str | Path) -> Ledger:
    """Give the ledger at a place. Nothing is opened or made before its first use.

    Args:
        where: A path; `"sqlite:///relative.db"` or `"sqlite:////absolute.db"`;
            `"postgresql://..."` as libpq reads it; or `"memory:"`, for this process alone.

    Raises:
        MissingExtra: It is PostgreSQL, and psycopg is not installed.
        ConfigError: It names no ledger.

    Example:
        >>> open_ledger("sqlite:///effects.db")
        SqliteLedger('effects.db')
    """
    if isinstance(where, Path):
        return _sqlite(where)
    if where == "memory:":
        return MemoryLedger()
    url = _URL.match(where)
    scheme = url["scheme"].lower() if url is not None else ""
    if scheme in ("postgresql", "postgres"):
        # Loaded when it is needed: psycopg is an extra.
        from agentlanes.speculation.ledger.postgres import PostgresLedger

        return PostgresLedger(where)
    if scheme == "sqlite":
        path = where[len("sqlite://") :]
        if path.startswith("/") and len(path) > 1 and "?" not in path:
            return _sqlite(Path(path[1:]))
    elif not scheme and where and where != ":memory:":
        return _sqlite(Path(where))
    # Of a URL only its beginning is shown: it may hold a password.
    raise ConfigError(
        f"{url[0] + '...' if url is not None else where!r} names no ledger; write a path, "
        "sqlite:///path, postgresql://user:password@host/database, or memory:"
    )


def _sqlite(path: Path) -> Ledger:
    from agentlanes.speculation.ledger.sqlite import SqliteLedger

    return SqliteLedger(path)
