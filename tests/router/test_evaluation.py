import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlanes.cli.main import main
from agentlanes.errors import ConfigError
from agentlanes.router import load_router
from agentlanes.router.evaluation import Sample, figures_of, read_samples, scorer
from agentlanes.router.value import apgr, auroc

FIELDS = ["file", "source", "rows", "auroc", "accuracy", "ece", "apgr", "cpt50", "cpt80", "p50_us",
          "p99_us", "auroc_ci", "apgr_ci"]  # fmt: skip


def sample(**known) -> Sample:
    return Sample(text="x", source="s", **known)


def of(samples, scores, **more):
    return figures_of("f", "s", samples, scores, [], **more)


@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=40
    )
)
def test_figures_agree_with_the_draft_checks(rows):
    scores = [p / 6 for p, _, _ in rows]
    labelled = of([sample(label=y) for _, y, _ in rows], scores, draws=0)
    assert labelled.auroc == pytest.approx(auroc(scores, [bool(y) for _, y, _ in rows]))
    weak, strong = [float(w) for _, w, _ in rows], [float(s) for _, _, s in rows]
    paired = of(
        [sample(weak=w, strong=s) for w, s in zip(weak, strong, strict=True)], scores, draws=0
    )
    assert paired.apgr == pytest.approx(apgr(scores, weak, strong))


def test_cpt_is_the_least_share_that_recovers_as_much():
    samples = [sample(weak=0, strong=1), sample(weak=1, strong=1), sample(weak=0, strong=1),
               sample(weak=1, strong=1)]  # fmt: skip
    best = of(samples, [0.9, 0.1, 0.8, 0.2])
    assert (best.cpt50, best.cpt80) == (0.25, pytest.approx(0.4))
    assert best.apgr == pytest.approx(0.75)
    worst = of(samples, [0.1, 0.9, 0.2, 0.8])
    assert (worst.cpt50, worst.apgr) == (0.75, pytest.approx(0.25))
    tied = of(samples, [0.5] * 4)
    assert (tied.cpt50, tied.cpt80, tied.apgr) == (0.5, pytest.approx(0.8), 0.5)


def test_what_does_not_apply_is_none():
    labelled = of([sample(label=1), sample(label=1)], [0.2, 0.9])
    assert (labelled.auroc, labelled.apgr, labelled.cpt50, labelled.auroc_ci) == (None,) * 4
    assert labelled.accuracy == 0.5
    assert labelled.ece == pytest.approx(0.45)
    paired = of([sample(weak=1, strong=0)], [0.2])
    assert (paired.apgr, paired.accuracy, paired.ece, paired.p50_us) == (None,) * 4


def test_intervals_hold_the_figure_and_are_repeatable():
    chance = random.Random(1)
    samples = [
        sample(label=chance.randint(0, 1), weak=0.3, strong=chance.random()) for _ in range(200)
    ]
    scores = [chance.random() + 0.5 * (s.label or 0) for s in samples]
    one, same = of(samples, scores, seed=3), of(samples, scores, seed=3)
    assert one == same
    assert one.auroc is not None
    assert one.auroc_ci is not None
    assert one.auroc_ci[0] < one.auroc < one.auroc_ci[1]
    assert one.apgr is not None
    assert one.apgr_ci is not None
    assert one.apgr_ci[0] < one.apgr < one.apgr_ci[1]


@pytest.fixture
def file(tmp_path):
    rows = [
        {"text": "hello there", "label": 0, "source": "a", "correct": {"small": 1, "big": 1}},
        {"text": "Prove that it holds for all n", "label": 1, "source": "a",
         "correct": {"small": 0, "big": 1}},
        {"text": "what is my balance", "label": 0, "source": "b", "n_tools": 3},
        {"text": "anything", "label": None, "source": "b", "correct": {"small": None, "big": 1}},
    ]  # fmt: skip
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_samples_are_read_with_step_and_outcomes(file):
    found = read_samples(file, weak="small", strong="big")
    assert [s.label for s in found] == [0, 1, 0, None]
    assert [(s.weak, s.strong) for s in found] == [(1, 1), (0, 1), (None, None), (None, 1)]
    assert found[2].step is not None
    assert found[2].step.n_tools == 3
    with pytest.raises(ConfigError, match="big, small"):
        read_samples(file, weak="tiny", strong="big")


def test_eval_writes_one_object_a_source_and_one_for_all(file, tmp_path, capsys):
    out = tmp_path / "out.json"
    given = ["router", "eval", str(file), "--json", str(out), "--weak", "small", "--strong", "big"]
    assert main(given) == 0
    written = json.loads(out.read_text())
    assert [row["source"] for row in written] == ["a", "b", "all"]
    assert all(list(row) == FIELDS for row in written)
    assert [row["rows"] for row in written] == [2, 2, 4]
    assert written[0]["auroc"] == 1.0
    assert written[0]["apgr"] == 0.75
    assert written[1]["auroc"] is None
    assert written[2]["p50_us"] > 0
    shown = capsys.readouterr().out
    for name in ("ours", "length", "random"):
        assert f" {name} " in shown


def test_another_router_can_stand_first(file, tmp_path, capsys):
    out = tmp_path / "out.json"
    assert main(["router", "eval", str(file), "--json", str(out), "--router", "length"]) == 0
    written = json.loads(out.read_text())
    assert written[0]["auroc"] == 1.0
    assert written[0]["p50_us"] is None
    assert " ours " not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--weak", "small"], "go together"),
        (["--router", "litellm"], "environment of its own"),
        (["--weights", "nowhere.json"], "cannot be read"),
        (["--json", "no/such/folder/x.json"], "no folder"),
        (["--router", "litellm", "--python", "no-such-python"], "cannot be run"),
    ],
)
def test_what_cannot_be_evaluated_is_said(file, capsys, more, said):
    assert main(["router", "eval", str(file), *more]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("row", [{"label": 2}, {"label": "hard"}, {"weak": 3}, {"strong": "yes"}])
def test_labels_and_scores_out_of_range_are_refused(tmp_path, row):
    file = tmp_path / "x.jsonl"
    file.write_text(json.dumps({"text": "x"} | row), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"label|score"):
        read_samples(file)


def test_scores_are_those_of_the_python_call(file):
    router = load_router()
    samples = read_samples(file)
    scores, took = scorer("ours", router=router)(samples)
    assert scores == [router.score(s.text, s.step).p_reason for s in samples]
    assert len(took) == len(samples)
    assert all(us >= 0 and math.isfinite(us) for us in took)


def test_train_writes_weights_that_eval_can_use(tmp_path, capsys):
    pytest.importorskip("threadpoolctl", reason="training needs agentlanes[train]")
    from agentlanes.router.training.synthetic import databases, sums

    data = tmp_path / "data"
    data.mkdir()
    for name, rows in (("one", sums(60, 1)), ("two", databases(60, 1)), ("three", sums(40, 2))):
        lines = [json.dumps({"text": row.text, "label": row.target, "source": name,
                             "kind": row.kind}) for row in rows]  # fmt: skip
        (data / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    weights, card = tmp_path / "w.json", tmp_path / "card.md"
    given = ["router", "train", str(data), "--no-made", "--out", str(weights), "--card", str(card)]
    assert main(given) == 0
    printed = capsys.readouterr()
    assert "left out one" in printed.err
    assert "length" in printed.out
    assert "| three | AUROC" not in card.read_text()
    assert "| one | 60 | sums |" in card.read_text()
    before = weights.read_text()
    assert main([*given, "--quiet"]) == 0
    assert weights.read_text() == before
    assert card.read_text().count("<!-- figures") == 1
    assert main(["router", "eval", str(data / "three.jsonl"), "--weights", str(weights)]) == 0


def test_train_says_what_it_needs(tmp_path, capsys):
    assert main(["router", "train", str(tmp_path), "--out", str(tmp_path / "w.json")]) == 1
    assert "no .jsonl" in capsys.readouterr().err
    assert main(["router", "train", str(tmp_path), "--out", "no/folder/w.json"]) == 1
    assert "no folder" in capsys.readouterr().err
    assert main(["router"]) == 2
