from __future__ import annotations

import pytest

from agentlanes.bench.bfcl_calls import Call, Catalog
from agentlanes.bench.bfcl_check import Checker
from agentlanes.bench.bfcl_data import Task
from agentlanes.bench.bfcl_tools import World


def replay(catalog: Catalog, task: Task) -> tuple[list[list[Call]], World]:
    world = World(catalog, task)
    calls = [[catalog.parse(text, task.classes) for text in turn] for turn in task.truth]
    for call in (call for turn in calls for call in turn):
        world.execute(call)
    return calls, world


def test_the_ground_truth_is_right_in_every_task(
    checker: Checker, catalog: Catalog, tasks: list[Task]
) -> None:
    wrong = [task.id for task in tasks if not checker.check(task, *replay(catalog, task)).correct]
    assert wrong == []


def test_a_check_leaves_nothing_for_the_next(
    checker: Checker, catalog: Catalog, tasks: list[Task]
) -> None:
    tweets = [t for t in tasks if any("mention(" in call for turn in t.truth for call in turn)]
    assert tweets
    for task in tweets * 2:
        assert checker.check(task, *replay(catalog, task)).correct
        # A wrong run under the same task's name must not leave its instances behind.
        calls, world = replay(catalog, task)
        assert not checker.check(task, calls[:1] + [[] for _ in calls[1:]], world).passed


def test_sees_a_live_world_that_a_discarded_call_has_touched(
    checker: Checker, catalog: Catalog, tasks: list[Task]
) -> None:
    task = next(task for task in tasks if "TravelAPI" in task.classes)
    calls, world = replay(catalog, task)
    route = {"travel_from": "LAX", "travel_to": "JFK"}
    world.execute(
        Call("get_flight_cost", {**route, "travel_date": "2024-01-01", "travel_class": "first"})
    )
    finding = checker.check(task, calls, world)
    assert finding.passed  # their checker cannot know
    assert not finding.same_world
    assert "TravelAPI" in finding.why


def test_sees_a_hidden_generator_that_was_drawn_from(
    checker: Checker, catalog: Catalog, tasks: list[Task]
) -> None:
    task = next(task for task in tasks if "VehicleControlAPI" in task.classes)
    calls, world = replay(catalog, task)
    world.execute(Call("get_outside_temperature_from_google", {}))
    finding = checker.check(task, calls, world)
    assert finding.passed
    assert not finding.same_world


@pytest.mark.parametrize("change", ["missing", "extra", "turns"])
def test_refuses_other_calls(
    checker: Checker, catalog: Catalog, tasks: list[Task], change: str
) -> None:
    task = tasks[0]
    calls, world = replay(catalog, task)
    if change == "missing":
        calls[0] = calls[0][:-1]
    elif change == "extra":
        calls[-1] = [*calls[-1], Call("mkdir", {"dir_name": "more"})]
    else:
        calls = calls[:-1]
    finding = checker.check(task, calls, world)
    assert not finding.passed
    assert finding.why


def test_an_argument_that_breaks_the_evaluation_is_only_wrong(
    checker: Checker, catalog: Catalog, tasks: list[Task]
) -> None:
    task = tasks[0]
    calls, world = replay(catalog, task)
    calls[0][0] = Call("cd", {"folder": float("nan")})
    assert not checker.check(task, calls, world).passed
