"""Where an argument's value comes from."""

from __future__ import annotations

from typing import Any

import pytest

from agentlanes.router.grounding import Grounds, default_of, leaves

SAID = [
    "Book a double room at Hotel Zephyr in New York from March 5th, 2024 for 3 nights, "
    "at most $1,250.50, with a 5% discount for my two children. Code: AB-77",
    '{"room_id": "r-9021", "rate": 0.035}',
]


@pytest.mark.parametrize(
    "value",
    [
        "Hotel Zephyr",
        "hotel zephyr",
        "new_york",
        "NewYork",
        3,
        1250.5,
        5,
        0.05,
        2,
        "2",
        "2024-03-05",
        "05/03/2024",
        "March 5, 2024",
        "AB-77",
        "r-9021",
        0.035,
        True,
        None,
        ["New York", "Hotel Zephyr"],
        {"city": "New York", "nights": 3},
        "booking",
    ],
)
def test_what_was_said_is_not_made_up(value: Any) -> None:
    assert Grounds(SAID).made_up(value) == 0.0


@pytest.mark.parametrize("value", ["Mario", 77.5, "2025-11-09", ["New York", "Boston"], "", 4096])
def test_what_was_not_said_is_made_up(value: Any) -> None:
    assert Grounds(SAID).made_up(value) > 0.5


def test_a_part_that_was_said_makes_it_less_made_up() -> None:
    assert 0.0 < Grounds(SAID).made_up("Hotel Majestic") < 1.0


def test_a_number_in_another_unit_is_in_doubt() -> None:
    doubt = Grounds(["It is 3 km away"]).made_up(3000)
    assert 0.0 < doubt < 1.0


@pytest.mark.parametrize("short", ["EUR", "CAD", "NY", "NYC"])
def test_abbreviations_of_what_was_said_are_hardly_in_doubt(short: str) -> None:
    said = Grounds(["Convert 150 euros to Canadian dollars in New York City"])
    assert 0.0 < said.made_up(short) < 0.5
    assert said.made_up("XKZ") == 1.0


def test_words_for_numbers_and_scales() -> None:
    said = Grounds(["twenty five people and 3 million euros, twice"])
    assert [said.made_up(n) for n in (25, 3_000_000, 2)] == [0.0, 0.0, 0.0]


def test_what_no_argument_holds_is_counted() -> None:
    said = Grounds(["convert 250 dollars to 'euro' at the rate of 0.9, please, for Alice Cooper"])
    assert said.unused({"amount": 250, "to": "euro", "rate": 0.9, "who": "Alice Cooper"}) == 0
    assert said.unused({"amount": 250}) == 3


@pytest.mark.parametrize(
    ("schema", "default"),
    [
        ({"type": "integer", "default": 7}, 7),
        ({"type": "integer", "description": "Results. Default is 10."}, 10),
        ({"type": "number", "description": "Defaults to 0.5"}, 0.5),
        ({"type": "string", "description": "Unit, default 'metric'."}, "metric"),
        ({"type": "boolean", "description": "Verbose. Default: false"}, False),
        ({"type": "number", "description": "Permeability. Default is 1.256e-06."}, 1.256e-06),
        ({"type": "string", "description": "If not given, the default is km/h."}, "km/h"),
        ({"type": "string", "description": "Type of gas, with 'air' as default."}, "air"),
        ({"type": "string", "description": "Sorted by name by default."}, "name"),
        ({"type": "integer", "description": "How many there are"}, None),
        ({"type": "integer", "description": "Default is the number of rows."}, None),
        ({}, None),
    ],
)
def test_defaults_are_read_from_the_schema_or_its_words(schema: Any, default: Any) -> None:
    assert default_of(schema) == default


def test_leaves_are_given_in_order() -> None:
    assert list(leaves({"a": [1, {"b": 2}], "c": "x"})) == [1, 2, "x"]


@pytest.mark.parametrize("number", [10**400, float("inf"), float("nan"), -0.0])
def test_odd_numbers_disturb_nobody(number: float) -> None:
    assert 0.0 <= Grounds(["0 and 1e309"]).made_up(number) <= 1.0


@pytest.mark.parametrize("text", ["", "\x00", "''''''", "9" * 400, "-1e999", "½ ²", "..,,--"])
def test_odd_texts_disturb_nobody(text: str) -> None:
    said = Grounds([text])
    assert 0.0 <= said.made_up(text) <= 1.0
    assert said.unused({"a": text}) >= 0
