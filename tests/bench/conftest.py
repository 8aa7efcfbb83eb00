from __future__ import annotations

from pathlib import Path

import pytest

from agentlanes.bench.bfcl_calls import Catalog
from agentlanes.bench.bfcl_check import Checker
from agentlanes.bench.bfcl_data import Task, fetch_wheel, load_tasks
from agentlanes.errors import BenchDataError


@pytest.fixture(scope="session")
def wheel() -> Path:
    pytest.importorskip("mpmath", reason="the extra `bench` is not installed")
    try:
        return fetch_wheel()
    except BenchDataError as error:
        if "checksum" in str(error) or "another file" in str(error):
            raise
        pytest.skip(f"the BFCL wheel cannot be had here: {error}")


@pytest.fixture(scope="session")
def catalog(wheel: Path) -> Catalog:
    return Catalog(wheel)


@pytest.fixture(scope="session")
def tasks(wheel: Path) -> list[Task]:
    return load_tasks(wheel)


@pytest.fixture(scope="session")
def checker(wheel: Path, catalog: Catalog) -> Checker:
    return Checker(wheel, catalog)
