"""Keys, rules, and how a ledger is named; what stores have in common is in test_ledger_stores."""

from __future__ import annotations

import subprocess
import sys
import traceback
from dataclasses import replace
from pathlib import Path

import pytest

from agentlanes.errors import ConfigError, LedgerMismatch, LedgerUnavailable
from agentlanes.speculation.ledger import (
    EffectRecord,
    MemoryLedger,
    SqliteLedger,
    effect_key,
    open_ledger,
)
from agentlanes.speculation.ledger.rules import from_text, is_pending, to_text

RECORD = EffectRecord(key="k", run="r", thread="t", ordinal=0, tool="mail", args="{}")


def test_a_key_is_for_one_place_of_one_run() -> None:
    runs = ("a", "b", "a1", "")
    keys = {effect_key(run, ordinal) for run in runs for ordinal in range(12)}
    assert len(keys) == 4 * 12
    assert effect_key("a", 1) == effect_key("a", 1)


async def test_memory_keeps_records_as_they_were_written() -> None:
    ledger = MemoryLedger()
    assert await ledger.get("k") is None
    await ledger.put(RECORD)
    await ledger.put(replace(RECORD, status="started", attempt=1))
    done = replace(RECORD, status="done", attempt=1, result="sent")
    await ledger.put(done)
    assert await ledger.get("k") == done
    assert ledger.records() == [done]


async def test_memory_forgets_a_run_and_no_other() -> None:
    ledger = MemoryLedger()
    other = replace(RECORD, key="l", run="s")
    for record in (RECORD, other, replace(RECORD, key="m", ordinal=1)):
        await ledger.put(record)
    assert [record.key for record in await ledger.of_run("r")] == ["k", "m"]
    ledger.forget("r")
    ledger.forget("unknown")
    assert not await ledger.of_run("r")
    assert (await ledger.get("k"), ledger.records()) == (None, [other])


async def test_a_call_is_started_once_however_late_the_second_start_looks() -> None:
    ledger = MemoryLedger()
    await ledger.put(replace(RECORD, status="started", attempt=1), await ledger.acquire("t"))
    with pytest.raises(LedgerMismatch, match=r"started already.*resume"):
        await ledger.put(replace(RECORD, status="started", attempt=1), await ledger.acquire("t"))


@pytest.mark.parametrize(
    ("status", "ahead", "open_"),
    [
        *[(s, False, True) for s in ("proposed", "approved", "started", "unknown", "undoing")],
        *[(s, False, False) for s in ("done", "failed", "denied", "expired", "undone")],
        ("done", True, True),
        ("failed", True, False),
        ("undone", True, False),
    ],
)
def test_what_is_pending(status: str, ahead: bool, open_: bool) -> None:
    record = from_text(to_text(replace(RECORD, status=status, ahead=ahead)))  # type: ignore[arg-type]
    assert is_pending(record) is open_


@pytest.mark.parametrize("text", ["", "[]", "7", '{"key": "k"}', '{"surprise": 1}'])
def test_what_is_no_record_is_not_taken_for_one(text: str) -> None:
    with pytest.raises(LedgerUnavailable, match="no record"):
        from_text(text)


@pytest.mark.parametrize(
    ("where", "path"),
    [
        ("sqlite:///here/it.db", "here/it.db"),
        ("sqlite:////there/it.db", "/there/it.db"),
        ("SQLite:///it.db", "it.db"),
        ("here/it.db", "here/it.db"),
        ("~/it.db", "~/it.db"),
        ("C:/it.db", "C:/it.db"),
        (Path("/there/it.db"), "/there/it.db"),
    ],
)
def test_a_path_or_its_url_is_a_sqlite_file(where: str | Path, path: str) -> None:
    ledger = open_ledger(where)
    assert isinstance(ledger, SqliteLedger)
    assert repr(ledger) == f"SqliteLedger({path!r})"


def test_memory_is_named_too() -> None:
    assert isinstance(open_ledger("memory:"), MemoryLedger)


@pytest.mark.parametrize(
    "where",
    [
        *("", ":memory:", "sqlite://", "sqlite:///", "sqlite://it.db", "sqlite:///it.db?mode=ro"),
        *("mysql://me:hush@host/db", "mysql://me:7/hush@host/db", "redis://hush@host"),
    ],
)
def test_anything_else_names_no_ledger(where: str) -> None:
    with pytest.raises(ConfigError, match="names no ledger") as caught:
        open_ledger(where)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hu%sh@host/db",
        "postgresql://me:7/hush@host/db",
        "postgresql://me:hush@host/db?nosuch=1",
        "postgresql://me:hush@[::1/db",
    ],
)
def test_a_postgresql_url_that_cannot_be_read_is_not_shown(url: str) -> None:
    with pytest.raises(ConfigError, match="percent-encoded") as caught:
        open_ledger(url)
    said = "".join(traceback.format_exception(caught.value))
    assert "hush" not in said
    assert "hu%sh" not in said


@pytest.mark.parametrize("url", ["postgresql://me:hush@host/db", "postgres://me:hush@host/db"])
def test_a_postgresql_url_opens_nothing_and_shows_no_password(url: str) -> None:
    ledger = open_ledger(url)
    assert repr(ledger) == "<PostgresLedger at host, schema 'agentlanes'>"
    assert "hush" not in repr(vars(ledger))


def test_opening_makes_nothing(tmp_path: Path) -> None:
    open_ledger(tmp_path / "new" / "it.db")
    assert list(tmp_path.iterdir()) == []


def test_without_psycopg_the_extra_is_named() -> None:
    script = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from agentlanes.errors import MissingExtra\n"
        "from agentlanes.speculation.ledger import open_ledger\n"
        "open_ledger('memory:'); open_ledger('it.db')\n"
        "try: open_ledger('postgresql://me:hush@host/db')\n"
        "except MissingExtra as error: print(error.extra, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == (
        "postgres a ledger in PostgreSQL needs an extra: pip install 'agentlanes[postgres]'\n"
    )
