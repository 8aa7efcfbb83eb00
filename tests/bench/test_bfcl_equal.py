"""BFCL tasks come to the same whether the run waits for every verdict or runs ahead."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentlanes.bench.bfcl_data import CATEGORIES, load_tasks
from agentlanes.bench.bfcl_inprocess import Stage
from agentlanes.bench.bfcl_oracle import Oracle
from agentlanes.testing import VirtualClock
from benchmarks.prove.bfcl_equal import compare_tasks


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_task_of_each_category_is_equal_at_every_error_rate(wheel: Path, category: str) -> None:
    tasks = load_tasks(wheel, 2, category)
    found = list(compare_tasks(tasks, (0.0, 0.5, 1.0)))
    assert len(found) == 6
    assert [difference for *_, difference in found] == [""] * 6


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
