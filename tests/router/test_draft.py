"""The draft check: what makes a draft suspicious, and what it says of it."""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import run
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlanes.errors import ConfigError
from agentlanes.router.draft import (
    EVIDENCE,
    CheckWeights,
    Draft,
    DraftCheck,
    DraftScore,
    load_check_weights,
)

FLIGHTS = {
    "name": "flights.search",
    "description": "Search flights between two cities on a date.",
    "parameters": {
        "type": "object",
        "properties": {
            "origin": {"type": "string"},
            "to": {"type": "string"},
            "date": {"type": "string"},
            "seats": {"type": "integer", "description": "How many. Default is 1."},
            "cabin": {"type": "string", "enum": ["economy", "business"]},
            "airline": {"type": "string"},
        },
        "required": ["origin", "to", "date"],
    },
}
HOTELS = {
    "name": "hotels.book",
    "description": "Book a hotel room.",
    "parameters": {"type": "object", "properties": {"name": {"type": "string"}}},
}
TOOLS = [FLIGHTS, HOTELS]
SAID = ["Find me flights from Oslo to Lisbon on 2024-05-03 for 2 people."]
RIGHT: dict[str, Any] = {"origin": "Oslo", "to": "Lisbon", "date": "2024-05-03", "seats": 2}


def p_wrong(args: dict[str, Any], tool: str = "flights.search", **more: Any) -> float:
    return DraftCheck().score(Draft(tool=tool, args=args), TOOLS, SAID, **more).p_wrong


@pytest.mark.parametrize(
    "worse",
    [
        {"to": "Madrid"},
        {"date": "2025-11-17"},
        {"airline": "Contoso Air"},
        {"airline": ""},
        {"seats": 9},
    ],
)
def test_what_nobody_said_is_suspicious(worse: dict[str, Any]) -> None:
    assert p_wrong({**RIGHT, **worse}) > p_wrong(RIGHT)


def test_a_default_is_not_suspicious() -> None:
    said = ["Find me flights from Oslo to Lisbon on 2024-05-03."]
    check = DraftCheck()
    bare = {"origin": "Oslo", "to": "Lisbon", "date": "2024-05-03"}
    without = check.score(Draft(tool="flights.search", args=bare), TOOLS, said)
    default = check.score(Draft(tool="flights.search", args={**bare, "seats": 1}), TOOLS, said)
    assert default.features["made up and optional"] == without.features["made up and optional"]


@pytest.mark.parametrize(
    ("tool", "args"),
    [
        ("trains.search", RIGHT),
        ("flights.search", {"origin": "Oslo"}),
        ("flights.search", {**RIGHT, "seats": "two"}),
        ("flights.search", {**RIGHT, "cabin": "first"}),
        ("flights.search", {**RIGHT, "meal": "fish"}),
    ],
)
def test_a_call_off_its_schema_never_passes(tool: str, args: dict[str, Any]) -> None:
    score = DraftCheck().score(Draft(tool=tool, args=args), TOOLS, SAID)
    assert score.p_wrong == 1.0
    assert not score.passes(0.0)


def test_a_second_model_that_agrees_reassures_and_one_that_does_not_alarms() -> None:
    same = Draft(tool="flights.search", args={**RIGHT, "to": "LISBON"})
    other = Draft(tool="flights.search", args={**RIGHT, "to": "Oslo"})
    none = Draft(tool="", args={})
    agrees, differs = p_wrong(RIGHT, second=same), p_wrong(RIGHT, second=other)
    assert agrees < differs <= p_wrong(RIGHT, second=none)


def test_unlikely_tokens_alarm() -> None:
    def scored(worst: float) -> DraftScore:
        tokens = (("{", -2.0), ("Oslo", -0.01), ("Lisbon", worst), ("}", -0.1))
        return DraftCheck().score(
            Draft(tool="flights.search", args=RIGHT, logprobs=tokens), TOOLS, SAID
        )

    assert scored(-3.0).p_wrong > scored(-0.01).p_wrong
    assert scored(-0.01).features["least sure token"] == pytest.approx(0.1)  # the first is form


@pytest.mark.parametrize("evidence", EVIDENCE)
def test_it_says_what_it_rests_on(evidence: str) -> None:
    draft = Draft(
        tool="flights.search",
        args={**RIGHT, "to": "Madrid"},
        logprobs=(("{", -0.1), ("x", -0.5)) if "logprobs" in evidence else (),
    )
    second = Draft(tool="hotels.book", args={}) if "second" in evidence else None
    score = DraftCheck().score(draft, TOOLS, SAID, second=second)
    assert score.evidence == evidence
    assert f"({evidence})" in score.explain()
    assert score.shares.keys() <= score.features.keys()


def test_quality_is_the_share_of_wrong_drafts_that_is_caught() -> None:
    score = DraftScore(p_wrong=0.2, evidence="draft", missed=0.7)
    assert [score.passes(q) for q in (0.0, 0.25, 0.35, 0.9, 1.0)] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert not DraftScore(p_wrong=0.0, evidence="draft", missed=0.0).passes(1.0)


def test_a_threshold_and_what_it_misses_are_each_other_s_inverse() -> None:
    weights = load_check_weights()["draft"]
    check = DraftCheck()
    for args in (RIGHT, {**RIGHT, "to": "Madrid"}, {**RIGHT, "airline": "Contoso"}):
        score = check.score(Draft(tool="flights.search", args=args), TOOLS, SAID)
        if 0.0 < score.missed < 1.0:
            assert weights.threshold(score.missed) == pytest.approx(score.p_wrong, abs=1e-6)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*RIGHT, "x"]), values, max_size=5), st.text(max_size=60))
def test_whatever_is_drafted_gets_a_probability(args: dict[str, Any], text: str) -> None:
    draft = Draft(tool="flights.search", args=args)
    score = DraftCheck().score(draft, TOOLS, [text], second=Draft(tool="flights.search", args={}))
    assert 0.0 <= score.p_wrong <= 1.0
    assert 0.0 <= score.missed <= 1.0
    assert score == DraftCheck().score(
        draft, TOOLS, [text], second=Draft(tool="flights.search", args={})
    )


def test_shipped_weights_only_count_against_a_draft() -> None:
    for fitted in load_check_weights().values():
        assert all(weight >= 0 for weight in fitted.weights.values())
        assert list(fitted.quantiles) == sorted(fitted.quantiles)


@pytest.mark.parametrize(
    "text", ["", "{}", '{"format": 2}', '{"format": 1, "evidence": {}}', "[1]"]
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "weights.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match="no weights of the draft check"):
        load_check_weights(file)


def test_own_weights_are_used() -> None:
    flat = CheckWeights(bias=0.0, weights={}, quantiles=(0.0, 1.0))
    score = DraftCheck(dict.fromkeys(EVIDENCE, flat)).score(
        Draft(tool="flights.search", args=RIGHT), TOOLS, SAID
    )
    assert score.p_wrong == 0.5


def test_importing_it_loads_nothing_of_weight() -> None:
    code = (
        "import sys, agentlanes.router, agentlanes.router.draft, agentlanes.router.policy\n"
        "heavy = {'numpy', 'jsonschema', 'langchain_core', 'sklearn'} & sys.modules.keys()\n"
        "assert not heavy, heavy"
    )
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
