from __future__ import annotations

import random

import pytest

from agentlanes.bench.bfcl_calls import Call, Catalog
from agentlanes.bench.bfcl_data import Task
from agentlanes.bench.bfcl_wrong import wrong_call

FILES = ("GorillaFileSystem",)


def test_names_positional_arguments(catalog: Catalog) -> None:
    assert catalog.parse("sort('final.pdf')", FILES) == Call("sort", {"file_name": "final.pdf"})
    assert catalog.parse("grep('a', pattern='b')", FILES).args == {"file_name": "a", "pattern": "b"}


@pytest.mark.parametrize("text", ["sort", "nothing_of_the_kind()", "a.b()", "cat(open('x'))"])
def test_refuses_what_is_not_a_plain_call(catalog: Catalog, text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - `literal_eval` words some of them
        catalog.parse(text, FILES)


def test_the_same_call_in_other_words(catalog: Catalog) -> None:
    def same(one: str, other: str) -> bool:
        owners = (*FILES, "VehicleControlAPI", "TravelAPI")
        return catalog.same(catalog.parse(one, owners), catalog.parse(other, owners), owners)

    assert same("ls()", "ls(a=False)")
    assert same("fillFuelTank(10)", "fillFuelTank(fuelAmount=10.0)")
    assert not same("ls(a=True)", "ls(a=1)")
    assert not same("ls()", "pwd()")
    assert not same("fillFuelTank(10)", "fillFuelTank(10.5)")


def test_every_ground_truth_call_fits_its_schema(catalog: Catalog, tasks: list[Task]) -> None:
    for task, call in truth(catalog, tasks):
        assert catalog.tools(task.classes)[call.tool].accepts(call.args), f"{task.id}: {call}"


def test_calls_are_written_as_they_are_read(catalog: Catalog, tasks: list[Task]) -> None:
    for task, call in truth(catalog, tasks):
        assert catalog.parse(str(call), task.classes) == call


def test_a_wrong_call_is_valid_and_wrong(catalog: Catalog, tasks: list[Task]) -> None:
    changed_tools = 0
    for number, (task, call) in enumerate(truth(catalog, tasks)):
        wrong = wrong_call(catalog, task.classes, call, random.Random(number))
        assert not catalog.same(wrong, call, task.classes)
        assert catalog.tools(task.classes)[wrong.tool].accepts(wrong.args)
        changed = {k for k in {**wrong.args, **call.args} if wrong.args.get(k) != call.args.get(k)}
        assert len(changed) + (wrong.tool != call.tool) == 1, f"{call} became {wrong}"
        changed_tools += wrong.tool != call.tool
        assert wrong == wrong_call(catalog, task.classes, call, random.Random(number))
    assert 100 < changed_tools < 500


def truth(catalog: Catalog, tasks: list[Task]) -> list[tuple[Task, Call]]:
    return [
        (task, catalog.parse(text, task.classes))
        for task in tasks
        for turn in task.truth
        for text in turn
    ]
