"""What the lasting ledgers do when a file, a disk or a server fails."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sqlite3
import stat
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from agentlanes.errors import LeaseLost, LedgerUnavailable
from agentlanes.speculation.ledger import EffectRecord, Ledger, PostgresLedger, SqliteLedger
from tests.postgres import PostgresServer
from tests.speculation.ledgers import Children, Store, record

# What SQLite does when its file or disk fails.


async def test_a_busy_file_is_waited_for_and_then_reported(
    tmp_path: Path, children: Children
) -> None:
    path = tmp_path / "ledger.db"
    patient, hasty = SqliteLedger(path), SqliteLedger(path, busy_timeout_s=0.05)
    await patient.put(record("before"))
    holder = children(str(path))
    assert holder.do(do="lock") == "ready"
    with pytest.raises(LedgerUnavailable, match="another process kept it locked"):
        await hasty.put(record())
    with pytest.raises(LedgerUnavailable, match="locked"):
        await hasty.acquire("t")
    assert await hasty.get("before") == record("before")
    waiting = asyncio.create_task(patient.put(record("waited")))
    given_up = asyncio.create_task(patient.put(record("given up")))
    await asyncio.sleep(0.05)
    for _ in range(2):  # twice: it does not even wait for its end
        given_up.cancel()
        await asyncio.sleep(0)
    await asyncio.wait({given_up})
    assert given_up.cancelled()
    assert not waiting.done()
    assert holder.do(do="unlock") == "ready"
    await waiting
    await hasty.put(record("after"))
    await patient.aclose()
    keys = {r.key for r in await hasty.of_run("r")}
    assert keys == {"before", "waited", "given up", "after"}
    await hasty.aclose()


def test_a_full_disk_is_reported_and_room_is_all_it_takes(
    tmp_path: Path, children: Children
) -> None:
    path = tmp_path / "ledger.db"
    child = children(str(path))
    assert child.do(do="fill", most=5, name="before")["written"] == 5
    assert child.do(do="limit", bytes=200_000) == "ready"
    full = child.do(do="fill", most=1000, name="during")
    assert full["type"] == "LedgerUnavailable"
    assert "room" in full["said"]
    assert 0 < full["written"] < 1000
    keys = {f"before{n}" for n in range(5)} | {f"during{n}" for n in range(full["written"])}
    assert {r.key for r in asyncio.run(_of_run(SqliteLedger(path)))} == keys
    assert child.do(do="limit", bytes=0) == "ready"
    assert child.do(do="fill", most=5, name="after")["written"] == 5
    keys |= {f"after{n}" for n in range(5)}
    assert {r.key for r in asyncio.run(_of_run(SqliteLedger(path)))} == keys
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()


async def _of_run(ledger: Ledger) -> list[EffectRecord]:
    try:
        return list(await ledger.of_run("r"))
    finally:
        await ledger.aclose()


def test_a_file_that_may_not_be_written_is_reported(tmp_path: Path, children: Children) -> None:
    path = tmp_path / "ledger.db"
    child = children(str(path))
    assert child.do(do="put", record=asdict(record("before"))) == "written"
    if os.geteuid() == 0:  # root may write whatever its mode
        for folder in (tmp_path, *tmp_path.parents[:2]):
            folder.chmod(0o755)
        assert child.do(do="become", user=65534) == "ready"
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        assert child.do(do="put", record=asdict(record())) == "LedgerUnavailable"
    finally:
        path.chmod(0o600)
        tmp_path.chmod(0o755)
    assert [r.key for r in asyncio.run(_of_run(SqliteLedger(path)))] == ["before"]


@pytest.mark.parametrize("how", ["rubbish", "folder", "under a file", "newer"])
async def test_a_file_that_is_no_ledger_is_reported_and_left_alone(
    tmp_path: Path, how: str
) -> None:
    path = tmp_path / "ledger.db"
    if how == "folder":
        path.mkdir()
    elif how == "newer":
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version = 99")
        db.close()
    else:
        path.write_bytes(b"rubbish" * 1000)
    before = None if how == "folder" else path.read_bytes()
    ledger = SqliteLedger(path / "it.db" if how == "under a file" else path)
    for _ in range(2):
        with pytest.raises(LedgerUnavailable, match=r"ledger\.db"):
            await ledger.put(record())
        with pytest.raises(LedgerUnavailable):
            await ledger.pending("t")
    assert before is None or path.read_bytes()[100:] == before[100:]
    await ledger.aclose()


async def test_a_damaged_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path)
    for number in range(50):
        await ledger.put(record(f"k{number}", args="x" * 2000))
    await ledger.aclose()
    damaged = bytearray(path.read_bytes())
    damaged[4096:] = b"\xff" * (len(damaged) - 4096)
    path.write_bytes(damaged)
    with pytest.raises(LedgerUnavailable, match="damaged; put it aside"):
        await ledger.of_run("r")
    with pytest.raises(LedgerUnavailable):
        await ledger.put(record("k60"))
    await ledger.aclose()


async def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "made" / "for it" / "ledger.db"
    ledger = SqliteLedger(path)
    await ledger.put(record())
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["ledger.db", "ledger.db-shm", "ledger.db-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    await ledger.aclose()


async def test_the_file_may_hold_other_tables(tmp_path: Path) -> None:
    path = tmp_path / "all.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE effects (mine TEXT)")
        db.execute("INSERT INTO effects VALUES ('still here')")
    db.close()
    ledger = SqliteLedger(path)
    await ledger.put(record())
    await ledger.aclose()
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT mine FROM effects").fetchall() == [("still here",)]
    db.close()


# What PostgreSQL's ledger does when the server fails.


async def test_a_server_that_is_away_is_reported_and_found_again(
    stores: Callable[[str], Store], postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    where = stores("postgres").where
    ledger = PostgresLedger(where)
    lease = await ledger.acquire("t")
    await ledger.put(record("before"), lease)
    for how in ("fast", "immediate"):
        postgres.stop("fast" if how == "fast" else "immediate")
        try:
            for _ in range(2):
                with pytest.raises(LedgerUnavailable, match="look at the server") as caught:
                    await ledger.put(record(f"during {how}"), lease)
                said = "".join(traceback.format_exception(caught.value))
                assert caught.value.__context__ is None
                assert postgres.password not in said + repr(ledger)
            with pytest.raises(LedgerUnavailable):
                await ledger.get("before")
        finally:
            postgres.start()
        await ledger.put(record(f"after {how}"), lease)
        postgres.restart("fast" if how == "fast" else "immediate")
        # The connection broke while it was idle: it is replaced, and nothing is lost.
        await ledger.put(record(f"after {how}", "started", attempt=1), lease)
    assert [r.key for r in await ledger.of_run("r")] == ["before", "after fast", "after immediate"]
    assert {r.status for r in await ledger.of_run("r")} == {"approved", "started"}
    await ledger.aclose()
    assert postgres.password not in caplog.text


async def test_a_server_that_falls_silent_is_reported(stores: Callable[[str], Store]) -> None:
    where = stores("postgres").where
    ledger = PostgresLedger(where, answer_timeout_s=0.3, connections=1)
    await ledger.put(record("before"))
    with psycopg.connect(where, autocommit=True) as connection:
        found = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'agentlanes'"
            " AND datname = current_database()"
        ).fetchall()
    ((pid,),) = found
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(LedgerUnavailable):
            await ledger.put(record())
    finally:
        os.kill(pid, signal.SIGCONT)
    await ledger.put(record("after"))
    assert {"before", "after"} <= {r.key for r in await ledger.of_run("r")}
    await ledger.aclose()


async def test_a_locked_table_is_waited_for_and_then_reported(
    stores: Callable[[str], Store],
) -> None:
    where = stores("postgres").where
    ledger = PostgresLedger(where, answer_timeout_s=0.2)
    await ledger.put(record("before"))
    with psycopg.connect(where) as connection:
        connection.execute("LOCK TABLE agentlanes.effects")
        with pytest.raises(LedgerUnavailable, match="answer_timeout_s"):
            await ledger.put(record())
        connection.rollback()
    await ledger.put(record("after"))
    assert [r.key for r in await ledger.of_run("r")] == ["before", "after"]
    await ledger.aclose()


async def test_a_lease_is_not_taken_over_in_the_middle_of_a_write(
    stores: Callable[[str], Store],
) -> None:
    where = stores("postgres").where
    ledger, other = PostgresLedger(where), PostgresLedger(where)
    old = await ledger.acquire("t")
    assert await other.get("k") is None
    with psycopg.connect(where) as holder, psycopg.connect(where, autocommit=True) as looker:
        # The write has checked its lease and waits at its key.
        holder.execute("SELECT pg_advisory_xact_lock(hashtextextended('k', 0))")
        writing = asyncio.create_task(ledger.put(record(), old))
        await _until_waiting(looker, 1, writing)
        taking = asyncio.create_task(other.acquire("t"))
        await _until_waiting(looker, 2, taking)
        assert not writing.done()
        assert not taking.done()
        holder.rollback()
        await writing
        assert (await taking).token > old.token
    with pytest.raises(LeaseLost):
        await ledger.put(record("k2"), old)
    await ledger.aclose()
    await other.aclose()


async def _until_waiting(
    looker: psycopg.Connection[tuple[int]], count: int, task: asyncio.Task[Any]
) -> None:
    """Wait until so many sessions of the database wait for locks, or a task has ended."""
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    for _ in range(3000):
        if task.done() or (looker.execute(query).fetchone() or (0,))[0] >= count:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"fewer than {count} sessions wait for locks")


async def test_a_user_without_rights_is_told_which(
    stores: Callable[[str], Store], postgres: PostgresServer
) -> None:
    where = stores("postgres").where
    user, password = "reader", "re:ad@er/"
    with psycopg.connect(where, autocommit=True) as connection:
        name, said = sql.Identifier(user), sql.Literal(password)
        connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(name))
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, said))
    _, _, rest = where.partition("@/")
    theirs = PostgresLedger(f"postgresql://{user}:re%3Aad%40er%2F@/{rest}")
    with pytest.raises(LedgerUnavailable, match="rights to schema 'agentlanes'"):
        await theirs.put(record())
    # Somebody else's first use makes the schema; then it takes rights to the tables alone.
    ours = PostgresLedger(where)
    await ours.put(record("ours"))
    with psycopg.connect(where, autocommit=True) as connection:
        connection.execute("GRANT USAGE ON SCHEMA agentlanes TO reader")
        connection.execute(
            "GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA agentlanes TO reader"
        )
    await theirs.put(record(), await theirs.acquire("t"))
    assert [r.key for r in await ours.of_run("r")] == ["ours", "k"]
    wrong = PostgresLedger(f"postgresql://{user}:hush@/{rest}")
    with pytest.raises(LedgerUnavailable, match="authentication failed") as caught:
        await wrong.put(record())
    assert "hush" not in "".join(traceback.format_exception(caught.value))
    for ledger in (ours, theirs, wrong):
        await ledger.aclose()


async def test_many_first_uses_at_once_make_the_tables_once(
    stores: Callable[[str], Store],
) -> None:
    where = stores("postgres").where
    ledgers = [PostgresLedger(where, schema='Mine "too"') for _ in range(6)]
    await asyncio.gather(*(ledger.put(record(f"k{n}")) for n, ledger in enumerate(ledgers)))
    assert len(await ledgers[0].of_run("r")) == 6
    apart = PostgresLedger(where, schema="apart")
    assert (await apart.acquire("t")).token == (await ledgers[0].acquire("t")).token == 1
    assert list(await apart.of_run("r")) == []
    for ledger in (*ledgers, apart):
        await ledger.aclose()


async def test_tables_of_another_version_are_left_alone(stores: Callable[[str], Store]) -> None:
    where = stores("postgres").where
    ledger = PostgresLedger(where)
    await ledger.put(record())
    await ledger.aclose()
    with psycopg.connect(where) as connection:
        connection.execute("UPDATE agentlanes.version SET version = 99")
    with pytest.raises(LedgerUnavailable, match="version 99"):
        await ledger.put(record("k2"))
    await ledger.aclose()
