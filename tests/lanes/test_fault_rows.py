"""The quick rows of the fault matrix; `make faults` runs all of them."""

from __future__ import annotations

import pytest

from benchmarks.faults.lab import Checks, Row
from benchmarks.faults.table import ROWS

QUICK = (4, 7, 14, 17, 22)


def test_the_matrix_is_whole() -> None:
    assert [row.number for row in ROWS] == [*range(1, 27), *range(39, 45)]


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.number in QUICK], ids=lambda row: str(row.number)
)
async def test_a_row(row: Row) -> None:
    checks = Checks()
    await row.run(checks)
    assert checks.wrong == []
    assert checks.seen
