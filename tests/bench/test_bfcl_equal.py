"""BFCL tasks come to the same whether the run waits for every verdict or runs ahead."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentlanes.bench.bfcl_calls import Catalog
from agentlanes.bench.bfcl_data import CATEGORIES, MORE_TOOLS, load_tasks
from agentlanes.bench.bfcl_inprocess import Stage
from agentlanes.bench.bfcl_oracle import Oracle
from agentlanes.bench.bfcl_tools import World
from agentlanes.testing import VirtualClock
from benchmarks.prove.bfcl_equal import compare_tasks


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_task_of_each_category_is_equal_at_every_error_rate(wheel: Path, category: str) -> None:
    found = list(compare_tasks(load_tasks(wheel, 2, category), (0.0, 0.5, 1.0)))
    assert [one.difference for one in found] == [""] * 6
    assert sum(one.ahead_s for one in found) < sum(one.serial_s for one in found)
    assert {one.planning for one in found} == {"always", "never"}


def test_a_difference_is_seen(wheel: Path) -> None:
    """Runs with other errors end in the same state; a run cut short does not."""
    task = load_tasks(wheel, 1)[0]
    oracle = Oracle(wheel, tasks=[task], act_error=0.5)
    whole = VirtualClock.run(Stage(oracle).run(task))
    assert whole.turns
    short = type(task)(
        **{name: getattr(task, name) for name in task.__slots__} | {"turns": task.turns[:2]}
    )
    cut = VirtualClock.run(Stage(Oracle(wheel, tasks=[short])).run(short))
    assert cut.turns == whole.turns[:2]
    assert cut.world != whole.world
    calls = [[text for _, text, _ in committed] for committed, _ in whole.turns]
    right = [[str(oracle.catalog.parse(t, task.classes)) for t in turn] for turn in task.truth]
    assert calls == right


def test_a_missing_tool_is_there_from_its_turn_on(wheel: Path) -> None:
    task = load_tasks(wheel, 1, "multi_turn_miss_func")[0]
    assert task.turns[3] == MORE_TOOLS
    assert [task.missing_at(turn) for turn in (0, 2, 3, 4)] == [{"sort"}, {"sort"}, set(), set()]


def test_long_worlds_share_no_records(wheel: Path, catalog: Catalog) -> None:
    tasks = load_tasks(wheel, category="multi_turn_long_context")
    task = next(task for task in tasks if "TravelAPI" in task.classes)
    one, other = World(catalog, task), World(catalog, task)
    untouched = other.snapshot()
    for card in one.instances["TravelAPI"].credit_card_list.values():
        card["balance"] = 0
    assert one.snapshot() != untouched
    assert other.snapshot() == World(catalog, task).snapshot() == untouched
