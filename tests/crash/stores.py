"""Checkpointers and ledgers of a process that may die in them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from agentlanes.speculation.ledger import EffectRecord, Lease, Ledger
from tests.crash.points import Points

__all__ = ["PointsLedger", "open_saver"]


class PointsLedger:
    """A ledger that passes points before and after everything it writes."""

    def __init__(self, inner: Ledger, points: Points) -> None:
        self._inner, self._points = inner, points

    async def acquire(self, thread: str) -> Lease:
        """Take a lease."""
        await self._points.reach("ledger:before:lease")
        lease = await self._inner.acquire(thread)
        await self._points.reach("ledger:after:lease")
        return lease

    async def newest(self, thread: str) -> int:
        """Give the newest lease's token."""
        return await self._inner.newest(thread)

    async def get(self, key: str) -> EffectRecord | None:
        """Give a record."""
        return await self._inner.get(key)

    async def put(self, record: EffectRecord, lease: Lease | None = None) -> None:
        """Keep a record. Taking in one that ran ahead is a point of its own."""
        ahead = record.effect == "reversible"
        kept = ahead and record.status == "done" and not record.ahead
        what = "kept" if kept else f"ahead-{record.status}" if record.ahead else record.status
        await self._points.reach(f"ledger:before:{what}")
        await self._inner.put(record, lease)
        await self._points.reach(f"ledger:after:{what}")

    async def of_run(self, run: str) -> Sequence[EffectRecord]:
        """Give a run's records."""
        return await self._inner.of_run(run)

    async def pending(self, thread: str) -> Sequence[EffectRecord]:
        """Give a thread's open records."""
        return await self._inner.pending(thread)

    async def aclose(self) -> None:
        """Close it."""
        await self._inner.aclose()


class _PointsMixin:
    """A saver that passes points before and after everything it saves."""

    points: Points

    async def aput(self, config: RunnableConfig, checkpoint: Any, *rest: Any) -> RunnableConfig:
        """Save a checkpoint."""
        await self.points.reach("saver:before:checkpoint")
        saved: RunnableConfig = await super().aput(config, checkpoint, *rest)  # type: ignore[misc]
        await self.points.reach("saver:after:checkpoint")
        return saved

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Save what one task wrote. The point is named after the task's node."""
        node = task_path.rpartition(", ")[2] or "input"
        await self.points.reach(f"saver:before:{node}")
        await super().aput_writes(config, writes, task_id, task_path)  # type: ignore[misc]
        await self.points.reach(f"saver:after:{node}")


class _Sqlite(_PointsMixin, AsyncSqliteSaver):
    """On SQLite."""


class _Postgres(_PointsMixin, AsyncPostgresSaver):
    """On PostgreSQL."""


@asynccontextmanager
async def open_saver(where: str, points: Points) -> AsyncIterator[BaseCheckpointSaver[Any]]:
    """Open a checkpointer: a PostgreSQL URL, or a SQLite file."""
    kind: type[_Sqlite] | type[_Postgres] = _Postgres if where.startswith("postgresql") else _Sqlite
    async with kind.from_conn_string(where) as saver:
        saver.points = points  # type: ignore[union-attr]
        yield saver


async def set_up(where: str) -> None:
    """Make the checkpointer's tables."""
    async with open_saver(where, Points()) as saver:
        await saver.setup()  # type: ignore[attr-defined]
