"""Fixtures: stores that ledgers are tested on, and other processes that share them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.speculation.ledgers import STORES, Child, Children, Store


@pytest.fixture
def children() -> Iterator[Children]:
    """Starts processes at places, and ends them with the test."""
    started: list[Child] = []

    def start(where: str) -> Child:
        started.append(Child(where))
        return started[-1]

    yield start
    for child in started:
        child.end()


@pytest.fixture
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Store]:
    """Makes empty stores of a kind. PostgreSQL is started when it is first asked for."""
    numbers = itertools.count()

    def make(kind: str) -> Store:
        where = {"memory": "memory:", "sqlite": str(tmp_path / f"ledger{next(numbers)}.db")}
        if kind == "postgres":
            return Store(kind, request.getfixturevalue("postgres").fresh_database())
        return Store(kind, where[kind])

    return make


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, stores: Callable[[str], Store]) -> Store:
    """An empty store of each kind."""
    return stores(request.param)


@pytest.fixture(params=("sqlite", "postgres"))
def shared(request: pytest.FixtureRequest, stores: Callable[[str], Store]) -> Store:
    """An empty store of each kind that processes may share."""
    return stores(request.param)
