import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from agentlanes.config import Settings
from agentlanes.errors import ConfigError
from agentlanes.router import StepFeatures, Weights, load_router, load_weights
from agentlanes.router.gate import Gate
from agentlanes.router.training import Row, fit
from agentlanes.router.training.data import read_rows, step_of
from agentlanes.router.training.synthetic import code, databases, puzzles, sums, wordplay
from agentlanes.router.training.synthetic.code import known
from agentlanes.router.value import auroc

np = pytest.importorskip("numpy", reason="training needs numpy: agentlanes[train]")
linear_model = pytest.importorskip("sklearn.linear_model", reason="needs scikit-learn")

ROWS = [*sums(60, 3), *databases(80, 3), *wordplay(40, 3), *puzzles(60, 3)]


def test_newton_finds_what_scikit_learn_finds():
    from agentlanes.router.training.logistic import ridge_logistic

    chance = np.random.default_rng(1)
    x = chance.normal(size=(400, 6))
    target = (x @ np.arange(6) + chance.normal(size=400) > 0.5).astype(float)
    weight = chance.uniform(0.5, 2.0, size=400)
    bias, found = ridge_logistic(x, target, weight, ridge=2.0)
    other = linear_model.LogisticRegression(C=0.5, tol=1e-10, max_iter=5000)
    other.fit(x, target, sample_weight=weight)
    assert found == pytest.approx(other.coef_[0], abs=1e-3)
    assert bias == pytest.approx(other.intercept_[0], abs=2e-3)


def test_newton_ends_at_the_same_point_from_anywhere_and_in_any_order():
    from agentlanes.router.training.logistic import ridge_logistic

    chance = np.random.default_rng(2)
    x = chance.normal(size=(500, 8))
    target = chance.uniform(size=500)
    weight = np.ones(500)
    bias, found = ridge_logistic(x, target, weight, ridge=0.3)
    order = chance.permutation(500)
    start = chance.normal(size=9)
    again = ridge_logistic(x[order], target[order], weight, ridge=0.3, start=start)
    assert abs(again[0] - bias) < 1e-10
    assert np.max(np.abs(again[1] - found)) < 1e-10


def test_fit_is_repeatable_and_learns_what_is_there():
    weights = fit(ROWS, seed=7)
    assert weights.to_json() == fit(ROWS, seed=7).to_json()
    assert weights.seed == 7
    assert set(weights.kinds) == {"sums", "database", "puzzle"}
    gate = Gate(weights)
    fresh = [*sums(60, 4), *databases(80, 4)]
    found = auroc([gate.read(row.text).p_reason for row in fresh], [bool(r.target) for r in fresh])
    assert found is not None
    assert found > 0.85


def test_the_gate_computes_what_training_computed():
    from agentlanes.router.training.fitting import log_odds
    from agentlanes.router.training.table import tabulate

    weights = load_weights()
    odds, _ = log_odds(tabulate(ROWS), weights)
    gate = Gate(weights)
    for row, expected in zip(ROWS, odds, strict=True):
        p = gate.read(row.text).p_reason
        assert p == pytest.approx(1 / (1 + np.exp(-np.clip(expected, -30, 30))), abs=1e-6)


def test_rows_without_a_kind_are_given_the_one_they_read_like():
    some = [replace(row, kind="") if i % 5 == 0 else row for i, row in enumerate(ROWS)]
    assert set(fit(some).kinds) == {"sums", "database", "puzzle"}
    assert fit([replace(row, kind="") for row in ROWS]).kinds == ("any",)


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(ConfigError, match="both"):
        fit([])
    with pytest.raises(ConfigError, match="both"):
        fit([Row(text="a", target=0.0), Row(text="b", target=0.1)])


def test_a_prior_is_kept_where_rows_say_nothing_and_moved_where_they_do():
    prior = load_weights()
    moved = fit(
        [
            Row(text="reticulate the splines", target=1.0, step=StepFeatures(recent_tool_errors=3))
            for _ in range(80)
        ]
        + [Row(text="hello there", target=0.0, step=StepFeatures()) for _ in range(80)],
        seed=1,
        prior=prior,
    )
    before, after = Gate(prior), Gate(moved)
    assert moved.kinds == prior.kinds
    assert (
        after.read("reticulate the splines").p_reason
        > before.read("reticulate the splines").p_reason
    )
    assert moved.step["tool errors"] > prior.step["tool errors"]
    proof = "Find the smallest prime divisor of $3^{11}+5^{13}$."
    assert after.read(proof).p_reason == pytest.approx(before.read(proof).p_reason, abs=0.3)


def test_few_rows_move_a_prior_little():
    prior = load_weights()
    few = fit([Row(text="hello", target=1.0), Row(text="bye", target=0.0)], prior=prior)
    read, again = Gate(prior).read("hello"), Gate(few).read("hello")
    assert read.p_reason <= again.p_reason < read.p_reason + 0.2


def write(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_fields_that_tell_how_a_row_came_about_change_nothing(tmp_path):
    told = {"rule": "x", "id": 1, "level": "Level 5", "type": "Algebra", "intent": "i",
            "category": "c", "n_calls": 9, "plan_len": 4, "licence": "MIT"}  # fmt: skip
    plain = [{"text": row.text, "label": row.target, "source": "s"} for row in ROWS]
    one = read_rows([write(tmp_path / "a.jsonl", plain)])
    other = read_rows([write(tmp_path / "b.jsonl", [row | told for row in plain])])
    assert one == other
    assert fit(one).to_json() == fit(other).to_json()


def test_outcomes_become_how_much_the_better_models_miss(tmp_path):
    rows = [
        {"text": "easy", "correct": {"bad": 0, "good": 1, "best": 1, "worst": 0}},
        {"text": "hard", "correct": {"bad": 1, "good": 0, "best": None, "worst": 0}},
        {"text": "fair", "correct": {"bad": 0, "good": 0, "best": 1, "worst": 0}},
    ]
    found = read_rows([write(tmp_path / "o.jsonl", rows)])
    assert [row.target for row in found] == [0.0, 1.0, 0.5]
    assert found[1].correct == {"bad": 1.0, "good": 0.0, "worst": 0.0}


@pytest.mark.parametrize("line", ["{", "[]", '{"label": 1}', '{"text": 3}'])
def test_what_is_not_router_data_is_said(tmp_path, line):
    file = tmp_path / "bad.jsonl"
    file.write_text(line, encoding="utf-8")
    with pytest.raises(ConfigError, match="not router data"):
        read_rows([file])
    with pytest.raises(ConfigError):
        read_rows([tmp_path / "nowhere.jsonl"])


def test_step_fields_are_read_plain_or_under_step():
    assert step_of({"text": "x"}) is None
    assert step_of({"text": "x", "step": {"n_tools": 4}, "node": "act"}) == StepFeatures(
        node="act", n_tools=4
    )


@pytest.mark.parametrize("make", [sums, databases, puzzles, wordplay, code])
def test_made_rows_are_repeatable_and_their_hardness_is_not_their_length(make):
    rows = make(200, 5)
    assert rows == make(200, 5)
    assert rows != make(200, 6)
    assert len({row.text for row in rows}) > 100
    labels = [bool(row.target) for row in rows]
    if make not in (wordplay, code):  # the one has no hard rows, long code has more branches
        found = auroc([float(len(row.text)) for row in rows], labels)
        assert found is not None
        assert found < 0.88


def test_this_python_still_has_the_functions_that_code_rows_are_made_of():
    found = known()
    assert len(found) > 180
    assert {count >= 6 for _, count in found} == {True, False}


def test_weights_survive_their_file_and_refuse_nonsense(tmp_path):
    weights = fit(ROWS)
    file = tmp_path / "w.json"
    file.write_text(weights.to_json(), encoding="utf-8")
    assert load_weights(file).to_json() == weights.to_json()
    assert load_router(file).score("how many boats are there?").kind == "database"
    for wrong in ("", "{}", "[]", weights.to_json().replace('"format": 1', '"format": 9'),
                  weights.to_json().replace('"bias": [', '"bias": [1.0, ')):  # fmt: skip
        file.write_text(wrong, encoding="utf-8")
        with pytest.raises(ConfigError, match="router weights"):
            load_weights(file)
    with pytest.raises(ValueError, match="finite"):
        Weights(kinds=("a",), kind_bias=(float("nan"),), kind_text={}, bias=(0.0,), text={})


@pytest.mark.slow
def test_the_shipped_weights_are_what_training_gives():
    folder = Settings.from_env().router_data
    if folder is None:
        pytest.skip("AGENTLANES_ROUTER_DATA names no folder of training data")
    from agentlanes.router.training.pipeline import train

    trained = train([folder])
    assert trained.weights.to_json() == load_weights().to_json()


def test_shuffled_rows_give_the_same_weights():
    shuffled = random.Random(1).sample(ROWS, len(ROWS))
    assert fit(shuffled).to_json() == fit(ROWS).to_json()
