from __future__ import annotations

import decimal
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from agentlanes.bench.bfcl_calls import Call, Catalog, ToolSpec
from agentlanes.bench.bfcl_data import Task, import_from
from agentlanes.bench.bfcl_tools import World
from agentlanes.speculation.effects import effect_of

mpmath = pytest.importorskip("mpmath", reason="the extra `bench` is not installed")

AHEAD = {"pure", "read"}


@pytest.fixture(autouse=True)
def _precision() -> Any:
    """Two of the tools set process-wide precisions; put them back."""
    digits, places = mpmath.mp.dps, decimal.getcontext().prec
    yield
    mpmath.mp.dps, decimal.getcontext().prec = digits, places


def everything(world: World) -> Any:
    """The world's state, and what the tools change outside of it."""
    return world.state(), mpmath.mp.dps, decimal.getcontext().prec


def test_no_tool_that_may_run_ahead_changes_anything(catalog: Catalog, tasks: list[Task]) -> None:
    changed: dict[str, int] = defaultdict(int)
    called: set[str] = set()
    for task in tasks:
        world = World(catalog, task)
        before = everything(world)
        for text in (text for turn in task.truth for text in turn):
            call = catalog.parse(text, task.classes)
            world.execute(call)
            after = everything(world)
            changed[call.tool] += before != after
            called.add(call.tool)
            before = after
    effects = {
        name: spec.effect for task in tasks for name, spec in catalog.tools(task.classes).items()
    }
    lied = {name for name, times in changed.items() if times and effects[name] in AHEAD}
    assert lied == set()
    # Names that promise to look only, and do more: the comparison must be able to see them.
    assert changed["get_flight_cost"]
    assert changed["get_outside_temperature_from_google"]
    assert changed["logarithm"]
    # And nothing is fenced for no reason, but for these.
    idle = {name for name in called if not changed[name] and effects[name] not in AHEAD}
    assert idle == {"contact_customer_support"}
    assert len(called) == 81
    assert len([name for name in called if effects[name] in AHEAD]) == 34


def test_tools_the_tasks_never_call_keep_their_word_too(
    catalog: Catalog, tasks: list[Task]
) -> None:
    seen: set[str] = set()
    for task in tasks[::7]:
        world = World(catalog, task)
        for text in (text for turn in task.truth for text in turn):
            world.execute(catalog.parse(text, task.classes))
        before = everything(world)
        for name, spec in catalog.tools(task.classes).items():
            if spec.effect in AHEAD:
                for variant in range(3):
                    world.execute(Call(name, made_up(spec, variant)))
                seen.add(name)
        assert everything(world) == before
    offered = {name for task in tasks for name in catalog.tools(task.classes)}
    ahead = {n for n, s in catalog.tools(list(catalog.apis)).items() if s.effect in AHEAD}
    assert seen == offered & ahead == ahead


def made_up(spec: ToolSpec, variant: int) -> dict[str, Any]:
    values: dict[str, Any] = {
        "string": ("USD", "fuel", ".")[variant],
        "integer": variant,
        "number": variant + 0.5,
        "boolean": variant == 1,
        "array": [1, 2],
    }
    return {name: values[about["type"]] for name, about in spec.schema["properties"].items()}


def test_results_are_worded_as_the_executor_words_them(
    catalog: Catalog, tasks: list[Task], wheel: Path
) -> None:
    executor = import_from(wheel, "eval_checker.multi_turn_eval.multi_turn_utils")
    for task in tasks[::3]:
        world = World(catalog, task)
        for turn in task.truth:
            theirs, _ = executor.execute_multi_turn_func_call(
                list(turn), dict(task.config), list(task.classes), "wording", task.id
            )
            ours = [world.execute(catalog.parse(text, task.classes)) for text in turn]
            assert ours == theirs


def test_an_exception_becomes_the_executors_text(catalog: Catalog, tasks: list[Task]) -> None:
    task = next(task for task in tasks if "TravelAPI" in task.classes)
    world = World(catalog, task)
    route = {"travel_from": "?", "travel_to": "?", "travel_date": "", "travel_class": "economy"}
    said = world.execute(Call("get_flight_cost", route))
    assert said == "Error during execution: No available route for the given airports."
    assert "missing" in world.execute(Call("get_flight_cost", {}))
    assert "not defined" in world.execute(Call("no_such_tool", {}))


async def test_tools_are_bound_to_their_own_world(catalog: Catalog, tasks: list[Task]) -> None:
    task = tasks[0]
    one, other = World(catalog, task), World(catalog, task)
    tools = {tool.name: tool for tool in one.tools()}
    untouched = other.state()
    call = {"name": "mkdir", "args": {"dir_name": "new"}, "id": "1", "type": "tool_call"}
    reply = await tools["mkdir"].ainvoke(call)
    assert reply.content == "None"
    listing = await tools["ls"].ainvoke({})
    assert "new" in json.loads(listing)["current_directory_content"]
    assert one.state() != untouched == other.state()
    assert {name: effect_of(tool).effect_class for name, tool in tools.items()} == {
        name: spec.effect for name, spec in catalog.tools(task.classes).items()
    }


def test_one_worlds_mentions_do_not_show_in_anothers_tweets(
    catalog: Catalog, tasks: list[Task]
) -> None:
    task = next(task for task in tasks if "TwitterAPI" in task.classes)

    def tweet(world: World) -> dict[str, Any]:
        login = {"username": "analyst_pro", "password": "Kj8#mP9$vL2"}
        world.execute(Call("authenticate_twitter", login))
        given: dict[str, Any] = json.loads(world.execute(Call("post_tweet", {"content": "hi"})))
        return given

    first, second = World(catalog, task), World(catalog, task)
    number = tweet(first)["id"]
    mention = {"tweet_id": number, "mentioned_usernames": ["@bob"]}
    assert "success" in first.execute(Call("mention", mention))
    assert tweet(second)["mentions"] == []


def test_a_file_written_with_what_it_held_has_changed(catalog: Catalog, tasks: list[Task]) -> None:
    world = World(catalog, tasks[2])
    world.execute(Call("cd", {"folder": "documents"}))
    held = json.loads(world.execute(Call("cat", {"file_name": "ideas.txt"})))["file_content"]
    before = world.state()
    world.execute(Call("echo", {"content": held, "file_name": "ideas.txt"}))
    assert world.state() != before
