import json
import math
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlanes.router.features import TextReader, clip, option_marks, step_features
from agentlanes.router.gate import Gate
from agentlanes.router.lexicon import LEXICON, PHRASES, expand
from agentlanes.router.router import StepFeatures
from agentlanes.router.value import auroc
from agentlanes.router.weights import SHIPPED, UNSURE, UNSURE_KINDS, load_weights
from tests.router.probes import AGENT, PROBES

reader = TextReader()
gate = Gate()

steps = st.builds(
    StepFeatures,
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


def test_shipped_weights_name_every_feature_and_are_small():
    weights = load_weights()
    assert set(weights.text) == set(reader.read(""))
    assert set(weights.step) == set(step_features(StepFeatures()))
    assert SHIPPED.stat().st_size < 100_000
    assert weights.to_json() == SHIPPED.read_text()
    for field in ("rule", "source", "id", "level", "type", "intent", "category", "n_calls"):
        assert field not in weights.text


@pytest.mark.parametrize(
    ("kind", "least"),
    [("databases", 0.85), ("puzzles", 0.75), ("chats", 0.9), ("exams", 0.85), ("sums", 0.8)],
)
def test_it_tells_hard_from_easy_requests_that_no_template_made(kind, least):
    hard, easy = PROBES[kind]
    scores = [gate.read(text).p_reason for text in [*hard, *easy]]
    found = auroc(scores, [True] * len(hard) + [False] * len(easy))
    assert found is not None
    assert found >= least


def test_over_all_kinds_together():
    hard = [text for hard, _ in PROBES.values() for text in hard]
    easy = [text for _, easy in PROBES.values() for text in easy]
    scores = [gate.read(text).p_reason for text in [*hard, *easy]]
    found = auroc(scores, [True] * len(hard) + [False] * len(easy))
    assert found is not None
    assert found >= 0.85


def test_it_does_not_guess_what_an_agent_is_asked():
    read = [gate.read(text) for text in AGENT]
    unsure = [reading for reading in read if reading.kind in UNSURE_KINDS]
    assert len(unsure) >= 10
    for reading in unsure:
        assert reading.abstains
        assert reading.p_reason == pytest.approx(UNSURE, abs=1e-3)
    assert all(reading.p_reason < 0.5 for reading in read)


CALLS = (
    "set an alarm for half past six",
    "What's the weather like in Graz tomorrow?",
    "Book a table for four at eight tonight, please.",
    "How much money is in my savings account?",
)


def test_it_gives_all_requests_for_a_call_one_probability_whatever_is_on_offer():
    steps = [None, StepFeatures(n_tools=1), StepFeatures(n_tools=40, context_tokens=9_000)]
    read = [gate.read(text, step) for text in (*CALLS, *AGENT) for step in steps]
    unsure = [reading for reading in read if reading.kind in UNSURE_KINDS]
    assert len(unsure) > 0.9 * len(read)
    assert len({reading.p_reason for reading in unsure}) == 1
    assert all(reading.abstains for reading in unsure)


def test_tools_on_offer_make_it_think_of_a_call_and_a_call_about_to_be_made_of_nothing_else():
    text = "A circle has the same area as a square with side 12. How long is its radius?"
    alone, offered, called = (
        gate.read(text, StepFeatures(n_tools=tools, n_required_params=params))
        for tools, params in ((0, 0), (1, 0), (1, 2))
    )
    assert alone.kind not in UNSURE_KINDS
    assert called.kind in UNSURE_KINDS
    assert called.abstains
    assert offered.kind in (alone.kind, called.kind)
    proof = "Find the smallest prime divisor of $3^{11}+5^{13}$."
    assert gate.read(proof, StepFeatures(n_tools=5)).kind == "maths"
    schema = {"name": "area", "parameters": {"type": "object", "properties": {"base": {}}}}
    assert gate.read(f"{json.dumps(schema)}\n{text}").kind in UNSURE_KINDS


def test_trouble_counts_where_words_do_not():
    failed = StepFeatures(n_tools=3, failed_validations=1, recent_tool_errors=1)
    assert gate.read(CALLS[0], failed).p_reason > gate.read(CALLS[0]).p_reason


@given(st.text(max_size=400), st.none() | steps)
def test_shares_add_up_to_the_log_odds(text, step):
    read = gate.read(text, step)
    odds = max(-30.0, min(30.0, math.fsum(read.shares.values())))
    assert read.p_reason == pytest.approx(1 / (1 + math.exp(-odds)))
    assert gate.read(text, step) == read


@given(steps)
def test_trouble_never_lowers_the_probability(step):
    quiet = StepFeatures(n_tools=step.n_tools, context_tokens=step.context_tokens)
    troubled = StepFeatures(
        n_tools=step.n_tools,
        context_tokens=step.context_tokens,
        recent_tool_errors=step.recent_tool_errors,
        repeated_calls=step.repeated_calls,
        failed_validations=step.failed_validations,
    )
    assert gate.read("book a table", troubled).p_reason >= gate.read("book a table", quiet).p_reason


@given(st.text(max_size=400))
def test_features_are_the_same_names_whatever_the_text(text):
    found = reader.read(text)
    assert list(found) == list(reader.read(""))
    assert all(0.0 <= value < 64 or name == "word length" for name, value in found.items())


def test_every_list_of_words_counts_its_own_words():
    lists = expand()
    for number, (name, words) in enumerate(LEXICON.items()):
        for word in words.split():
            assert number in lists[word.rstrip("*")], (name, word)
    for name, phrases in PHRASES.items():
        for phrase in phrases.split("|"):
            assert reader.read(f"Well, {phrase.upper()} so")[f"phrase {name}"] >= 1.0


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("the tallest and the greatest request of the forest", "superlative", math.log2(3)),
        ("add 3, 4 and 3.5 to 4", "distinct numbers", 2.0),
        ("(a [b {c}])", "brackets", 2.0),
        ("Which?\nA. one\nB. two", "options", 1.0),
        ("Which?\n(A) 12\n(B) two", "option numbers", 0.5),
        ("def f(x):\n    if x:\n        return 1\n", "code branches", 1.0),
        ("he said so. is it so? it is!", "sentences", 2.0),
    ],
)
def test_a_feature_is_what_its_name_says(text, name, value):
    assert reader.read(text)[name] == pytest.approx(value)


def test_options_are_not_what_is_asked():
    asked = "Which of these is a fruit?"
    options = "\nA. What if every triangle was prime?\nB. apple"
    plain, with_options = reader.read(asked + "\n"), reader.read(asked + options)
    for name in ("maths", "questions", "words"):
        assert plain[name] == with_options[name]
    assert option_marks(asked) == []


def test_a_pasted_block_is_not_read_as_prose():
    request = "tell me the name in here, please"
    block = "```\n" + "every triangle was prime\n" * 50 + "```"
    plain, pasted = reader.read(request), reader.read(f"{request} {block}")
    assert {n for n in plain if plain[n] != pasted[n]} <= {"lines"}


def test_long_texts_are_clipped_and_their_end_still_counts():
    noise = "word " * 100_000
    assert len(clip(noise)) == 8_000
    assert reader.read(noise + "\nEvery triangle was prime.")["maths"] > 0


HOSTILE = (
    "a" * 8_000, " " * 8_000, "\n" * 8_000, "\t(A" * 2_700, "A. " * 2_700, "(" * 8_000, "`" * 8_000,
    "```" * 2_700, "x = " * 2_000, "a.b," * 2_000, "a, " * 2_700, "1," * 4_000, "'-" * 4_000,
    "a'" * 4_000, "if " * 2_700, "    \n" * 1_600, "\\$" * 4_000, "é" * 8_000, "İ" * 8_000,
    "a[" * 4_000, ". A" * 2_700,
)  # fmt: skip


def least_s(first: Callable[[], object], second: Callable[[], object]) -> tuple[float, float]:
    """The least CPU time of two pieces of work, in turns: a machine has slow moments."""
    took: list[list[float]] = [[], []]
    for _ in range(15):
        for work, times in zip((first, second), took, strict=True):
            began = time.thread_time()
            work()
            times.append(time.thread_time() - began)
    return min(took[0]), min(took[1])


@pytest.mark.parametrize("text", HOSTILE)
def test_reading_time_grows_no_faster_than_the_text(text):
    half, whole = least_s(lambda: reader.read(text[:4_000]), lambda: reader.read(text[:8_000]))
    assert whole < 8 * half + 0.005  # squared would be 4, but a hostile pattern is far worse


def test_it_costs_less_than_a_millisecond_by_a_wide_margin():
    # Not a bound on this machine's clock: reading 2,000 characters costs no more than sorting
    # some thousands of numbers does, which takes two to three times as long.
    text = ("Which 3 shops in Graz have more than 12 customers but no car park? " * 40)[:2_000]
    numbers = [(i * 7919) % 100_003 for i in range(20_000)]
    read_s, sort_s = least_s(lambda: gate.read(text), lambda: sorted(numbers))
    assert read_s < sort_s


def test_weights_are_json_with_a_feature_a_line():
    body = json.loads(SHIPPED.read_text())
    assert body["format"] == 1
    assert SHIPPED.read_text().count("\n") > len(body["text"])
