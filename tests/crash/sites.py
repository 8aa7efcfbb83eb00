"""Where runs are kept: SQLite files of their own, or a PostgreSQL database they share."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.driver import Case, Server

__all__ = ["Site"]


@dataclass(slots=True, kw_only=True)
class Site:
    """A place for cases, each with a world and thread names of its own.

    Attributes:
        store: `sqlite`, or the URL of a PostgreSQL database.
        folder: For worlds, and for SQLite files.
    """

    store: str
    folder: Path
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def name(self) -> str:
        """The store's kind, for tables."""
        return "sqlite" if self.store == "sqlite" else "postgres"

    def set_up(self, server: Server) -> None:
        """Make the tables that all cases share."""
        if self.store != "sqlite":
            reply = server.run(self.case().job(do="setup"))
            if reply["code"] != 0 or "failed" in reply:
                raise RuntimeError(f"the checkpointer's tables could not be made: {reply}")

    def case(self, threads: int = 1, **options: Any) -> Case:
        """Make a case.

        Args:
            threads: How many runs it has.
            options: As for `Case`.
        """
        number = next(self._numbers)
        folder = self.folder / f"{self.name}-{number}"
        folder.mkdir(parents=True)
        files = self.store == "sqlite"
        return Case(
            saver=str(folder / "checkpoints.db") if files else self.store,
            ledger=f"sqlite:///{folder}/ledger.db" if files else self.store,
            folder=folder,
            whos=[f"{self.folder.name}-{number}-{i}" for i in range(threads)],
            **options,
        )

    def done(self, case: Case) -> None:
        """Throw a case's world away; those that went wrong are kept to look at."""
        shutil.rmtree(case.folder)
