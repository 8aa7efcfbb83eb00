from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from agentlanes.context import prompts
from agentlanes.context.prefix import BREAKS, PromptNotes, Shared

TOOLS = [{"name": "look", "description": "Look a key up."}]
LISTING = [{"tool": "look"}]
ASK: list[BaseMessage] = [HumanMessage("do it")]
FIRST = [*ASK, *prompts.call_messages(0, "look", {"key": "a"}, "1")]
SECOND = [*FIRST, *prompts.call_messages(1, "look", {"key": "b"}, "2")]
CORRECTION: Any = {"proposal": {"tool": "look"}, "reason": "no", "suggestion": None}
STEP: Any = {"tool": "look", "args": {}}


def draft(transcript: list[BaseMessage], **more: Any) -> list[BaseMessage]:
    return prompts.draft_prompt(None, transcript, **more)


def judge(transcript: list[BaseMessage], key: str) -> list[BaseMessage]:
    proposal = {"kind": "call", "tool": "look", "key": key}
    return prompts.judge_prompt(None, transcript, LISTING, proposal)


def compare(
    before: list[BaseMessage] | None, now: list[BaseMessage], *tools: list[dict[str, Any]]
) -> Shared:
    """Compare two prompts, each with its tools."""
    notes = PromptNotes()
    old = None if before is None else notes.note(before, *tools[:1])
    said = notes.compare(old, notes.note(now, *tools[1:]))
    assert said is not None
    return said


def test_a_transcript_that_grows_is_shared_whole() -> None:
    said = compare(draft(FIRST), draft(SECOND), TOOLS, TOOLS)
    assert said["broke"] is None
    assert said["shared_chars"] == compare(None, draft(FIRST), TOOLS, TOOLS)["total_chars"]
    assert said["total_chars"] == compare(None, draft(SECOND), TOOLS, TOOLS)["total_chars"]
    assert said["total_chars"] > said["shared_chars"] > len(json.dumps(TOOLS))


def test_what_is_shared_is_counted_letter_for_letter() -> None:
    old = [HumanMessage("one"), HumanMessage("two"), HumanMessage("three")]
    new = [HumanMessage("one"), HumanMessage("two"), HumanMessage("four!!!")]
    assert compare(old, new) == {"shared_chars": 6, "total_chars": 13, "broke": "message"}
    assert compare(None, new) == {"shared_chars": 0, "total_chars": 13, "broke": "first"}


@pytest.mark.parametrize(
    ("before", "now", "broke"),
    [
        (None, draft(ASK), "first"),
        (draft(ASK), draft(ASK), None),
        (draft(SECOND), draft(FIRST), None),
        (draft(ASK), prompts.plan_prompt(None, ASK, LISTING), "system"),
        (draft(FIRST), draft([HumanMessage("do that"), *FIRST[1:]]), "message"),
        (draft(FIRST, correction=CORRECTION), draft(SECOND), "correction"),
        (draft(SECOND), draft(FIRST, correction=CORRECTION), "correction"),
        (draft(FIRST, brief="so"), draft(SECOND), "conclusion"),
        (draft(FIRST, step=STEP), draft(SECOND, step={**STEP, "args": {"a": 1}}), "plan step"),
        (judge(FIRST, "a"), judge(FIRST, "b"), "proposal"),
        (judge(FIRST, "a"), judge(SECOND, "b"), "proposal"),
        (
            prompts.deliver_prompt(None, FIRST, None),
            prompts.deliver_prompt(None, SECOND, None),
            "work",
        ),
    ],
)
def test_why_a_prefix_broke(
    before: list[BaseMessage] | None, now: list[BaseMessage], broke: str | None
) -> None:
    assert compare(before, now)["broke"] == broke
    assert broke is None or broke in BREAKS


def test_tools_come_first() -> None:
    other = [*TOOLS, {"name": "store", "description": "Store a value."}]
    said = compare(draft(ASK), draft(ASK), TOOLS, other)
    assert (said["broke"], said["shared_chars"]) == ("tools", 0)
    assert compare(draft(ASK), draft(ASK), TOOLS)["broke"] == "tools"
    assert compare(draft(ASK), draft(ASK), TOOLS, list(TOOLS))["broke"] is None


def test_what_another_process_noted_is_unknown_and_what_was_never_noted_is_the_first() -> None:
    ours, theirs = PromptNotes(), PromptNotes()
    one, other = ours.note(draft(ASK)), theirs.note(draft(ASK))
    assert ours.compare(other, one) is None
    assert ours.compare(one, other) is None
    assert ours.compare({"seed": 1, "parts": [["user", 1, 5]]}, one) is None  # an older release's
    first = ours.compare(None, one)
    assert first is not None
    assert first["broke"] == "first"


def test_a_calls_arguments_count_and_a_messages_id_does_not() -> None:
    one = AIMessage("", id="1", tool_calls=[{"name": "look", "args": {"key": "a"}, "id": "c"}])
    same = one.model_copy(update={"id": "2"})
    other = AIMessage("", id="1", tool_calls=[{"name": "look", "args": {"key": "b"}, "id": "c"}])
    assert compare([one], [same])["broke"] is None
    assert compare([one], [other])["broke"] == "message"


def test_equal_messages_share_a_prefix_whether_or_not_they_are_the_same_object() -> None:
    notes = PromptNotes()
    copied = [message.model_copy(update={"id": str(n)}) for n, message in enumerate(FIRST)]
    said = notes.compare(notes.note(draft(copied)), notes.note(draft(SECOND)))
    assert said == compare(draft(FIRST), draft(SECOND))
    assert said is not None
    assert said["broke"] is None


def test_the_note_of_a_settled_window_holds_no_content_and_its_key_stays_short() -> None:
    long = [SystemMessage("secret system"), *([HumanMessage("secret question")] * 1000)]
    notes = PromptNotes()
    key = notes.note(long, TOOLS)
    notes.close([key])
    assert key in repr(notes._noted)
    assert "secret" not in repr(notes._noted)
    assert len(key) < 40
    assert "secret" not in key


def test_prompts_of_windows_that_were_never_settled_are_not_held_for_ever() -> None:
    notes = PromptNotes()
    keys = [notes.note(draft([HumanMessage(f"secret {n}")])) for n in range(1000)]
    assert repr(notes._noted).count("secret") < 300
    known = [notes.compare(key, keys[-1]) for key in keys]
    assert [said["broke"] for said in known if said] == ["message"] * 999 + [None]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.booleans()), max_size=8))
def test_a_prompt_that_goes_on_is_compared_as_if_it_were_read_anew(
    turns: list[tuple[int, int, bool]],
) -> None:
    """Messages that two prompts share are the same objects, or equal, or neither."""
    open_, anew, transcript = PromptNotes(), PromptNotes(), list(ASK)
    last: tuple[str | None, str | None] = None, None
    for cut, added, judged in turns:
        transcript = transcript[: max(1, len(transcript) - cut)]
        for n in range(added):
            number = len(transcript)
            transcript += prompts.call_messages(number, "look", {"key": str(n % 2)}, str(n))
        made = judge(transcript, str(cut)) if judged else draft(transcript)
        copies = [message.model_copy() for message in made]
        now = open_.note(made, TOOLS), anew.note(copies, list(TOOLS))
        anew.close(now[1:])
        assert open_.compare(last[0], now[0]) == anew.compare(last[1], now[1])
        last = now


def test_the_oldest_prompts_are_forgotten_first() -> None:
    notes = PromptNotes(keeps=3 * len(draft(ASK)))
    keys = [notes.note(draft(ASK)) for _ in range(5)]
    assert len(notes) == 3
    assert [notes.compare(keys[4], key) is not None for key in keys] == [False] * 2 + [True] * 3
    notes.forget(keys)
    assert len(notes) == 0
    big = PromptNotes(keeps=1)
    assert big.compare(None, big.note(draft(SECOND))) is not None  # one is always kept
