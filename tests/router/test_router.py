import math
import re
import sys
from subprocess import run

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlanes.router.gate import Gate
from agentlanes.router.profiles import PROFILES
from agentlanes.router.router import RouteScore, StepFeatures
from agentlanes.router.rules import RULES, RuleRouter, load_router

ROUTER, GATE = load_router(), Gate()

steps = st.builds(
    StepFeatures,
    node=st.sampled_from(["route", "act", "reason", "effects", "deliver"]),
    new_user_turn=st.booleans(),
    n_tools=st.integers(0, 500),
    n_required_params=st.integers(0, 50),
    pending_plan_steps=st.integers(0, 100),
    context_tokens=st.integers(0, 2_000_000),
    irreversible_reachable=st.booleans(),
    recent_tool_errors=st.integers(0, 50),
    repeated_calls=st.integers(0, 50),
    failed_validations=st.integers(0, 50),
)


@pytest.mark.parametrize(
    ("text", "profile", "rule"),
    [
        ("Prove that the sum of two even numbers is even.", "formal_verification", "proof"),
        ("Is this formula satisfiable: (a or b) and not a?", "formal_verification", "proof"),
        ("Give a counterexample to the claim.", "formal_verification", "proof"),
        ("theorem add_zero (n : Nat) : n + 0 = n :=", "formal_verification", "proof"),
        ("Validate this deployment plan before we run it", "plan_validation", "plan check"),
        ("Does the schedule below satisfy all of the limits?", "plan_validation", "plan check"),
        ("The initial state is A on B.\nMy goal is B on A.", "plan_validation", "planning problem"),
        ("Assign shifts subject to these constraints", "plan_validation", "planning problem"),
        ("Format this as JSON", "api_formatting", "format"),
        ("please convert the result into a markdown table", "api_formatting", "format"),
        ("search the wiki for the holiday policy", "retrieval", "lookup"),
        ("find the invoice files", "retrieval", "lookup"),
        ("How many days off do I get according to our handbook?", "retrieval", "lookup"),
        ("set the volume to 4 now", "api_formatting", None),
    ],
)
def test_plain_cases(text, profile, rule):
    score = load_router().score(text)
    assert (score.profile, score.rule) == (profile, rule)
    assert (score.p_reason > 0.5) == (PROFILES[profile].lane == "reason")


@pytest.mark.parametrize(
    "text",
    [
        "do you accept a bill as proof of address",
        "what is the data limit of my phone plan",
        "approve the request from sal",
        "check my schedule for tomorrow",
        "is my card valid abroad",
    ],
)
def test_everyday_words_do_not_trip_a_reasoning_rule(text):
    score = load_router().score(text)
    assert score.rule is None
    assert score.p_reason < 0.5


def test_the_gate_overrules_a_profile_only_rule():
    text = (
        "Find the file sizes such that the total is minimal, every pair is distinct, at most 3 "
        "exceed 10, and determine the smallest possible maximum."
    )
    score = load_router().score(text)
    assert score.profile == "plan_validation"
    assert score.rule is None
    assert load_router().score("find the file sizes").profile == "retrieval"


def test_counters_send_a_stuck_run_to_the_reason_lane_and_delivery_to_the_act_lane():
    router = load_router()
    easy = "set the volume to 4 now"
    assert router.score(easy, StepFeatures(repeated_calls=1)).rule is None
    for stuck in ({"repeated_calls": 2}, {"recent_tool_errors": 3}, {"failed_validations": 2}):
        score = router.score(easy, StepFeatures(**stuck))
        assert (score.rule, score.profile) == ("stuck", "plan_validation")
    hard = router.score("Prove that P = NP", StepFeatures(node="deliver", repeated_calls=9))
    assert (hard.rule, hard.p_reason) == ("deliver", 0.03)


def test_the_rules_are_sound_data():
    assert len({rule.name for rule in RULES}) == len(RULES)
    fields = set(StepFeatures.__dataclass_fields__)
    for rule in RULES:
        assert rule.profile in PROFILES
        assert rule.lane in (None, PROFILES[rule.profile].lane)
        assert rule.words or rule.node or rule.at_least
        assert set(rule.at_least) <= fields
        re.compile(rule.words)


@given(st.text(max_size=400), st.none() | steps)
def test_any_text_gets_a_probability_and_an_explanation(text, step):
    score = ROUTER.score(text, step)
    assert 0.0 <= score.p_reason <= 1.0
    assert score.profile in PROFILES
    assert score.profile in score.explain()
    assert ROUTER.score(text, step) == score
    if score.features:
        read = GATE.read(text, step)
        assert (read.p_reason, read.shares, read.kind) == (
            score.p_reason,
            score.features,
            score.kind,
        )
        assert read.abstains == score.abstains


def test_explain_names_the_heaviest_features_first():
    score = RouteScore(0.5, "retrieval", None, {"words": 0.2, "solve": -1.5, "numbers": 0.0})
    assert score.explain() == "p_reason 0.50, retrieval: solve -1.50, words +0.20"
    assert RouteScore(0.1, "retrieval").explain().endswith("nothing stood out")


def test_an_override_for_a_tool_stands_before_every_rule():
    router = RuleRouter(tools={"wire_money": "reason", "ping": "act"})
    sent = router.score("do it", StepFeatures(tool="wire_money", node="deliver"))
    assert (sent.rule, sent.p_reason, sent.profile) == ("tool wire_money", 0.97, "plan_validation")
    assert router.score("Prove that P = NP", StepFeatures(tool="ping")).p_reason == 0.03
    assert router.score("do it", StepFeatures(tool="other")).rule is None


def test_an_override_for_a_profile_changes_the_lane_of_its_steps():
    router = RuleRouter(profiles={"formal_verification": "act", "retrieval": "reason"})
    assert router.score("Prove that P = NP").p_reason == 0.03
    found = router.score("find the invoice files")
    assert (found.p_reason, found.rule) == (0.97, "profile retrieval")
    assert RuleRouter().score("find the invoice files").p_reason < 0.5


@pytest.mark.parametrize(
    "wrong", [{"tools": {"x": "both"}}, {"profiles": {"chatting": "act"}}, {"threshold": 2.0}]
)
def test_an_override_that_means_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match=r"override|probability"):
        RuleRouter(**wrong)


def test_a_call_that_must_not_run_unverified_needs_the_reason_lane():
    score = load_router().score("send it", StepFeatures(node="effects"))
    assert (score.rule, score.profile) == ("irreversible call", "plan_validation")
    assert score.p_reason > 0.9


def test_a_score_that_abstains_says_so():
    score = load_router().score("Move all overdue tickets of Nadia to the backlog and tell Raj.")
    assert score.abstains
    assert "(unsure)" in score.explain()
    assert "(read as agent)" in score.explain()


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
def test_a_score_is_a_probability(p):
    with pytest.raises(ValueError, match="probability"):
        RouteScore(p, "retrieval")
    with pytest.raises(ValueError, match="probability"):
        RuleRouter(threshold=p)


def test_the_router_needs_no_numpy():
    code = (
        "import sys; from agentlanes.router.rules import load_router; load_router().score('x');"
        "sys.exit('numpy' in sys.modules)"
    )
    assert run([sys.executable, "-c", code], check=False).returncode == 0
