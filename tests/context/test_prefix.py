from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from agentlanes.context import prompts
from agentlanes.context.prefix import BREAKS, compare, prompt_chain

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
    return prompts.judge_prompt(None, transcript, LISTING, {"tool": "look", "key": key})


def test_a_transcript_that_grows_is_shared_whole() -> None:
    before, now = prompt_chain(draft(FIRST), TOOLS), prompt_chain(draft(SECOND), TOOLS)
    said = compare(before, now)
    assert said is not None
    assert said["broke"] is None
    assert said["shared_chars"] == sum(size for _, _, size in before["parts"])
    assert said["total_chars"] == sum(size for _, _, size in now["parts"]) > said["shared_chars"]


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
    said = compare(prompt_chain(before) if before else None, prompt_chain(now))
    assert said is not None
    assert said["broke"] == broke
    assert broke is None or broke in BREAKS


def test_tools_come_first() -> None:
    other = [*TOOLS, {"name": "store", "description": "Store a value."}]
    said = compare(prompt_chain(draft(ASK), TOOLS), prompt_chain(draft(ASK), other))
    assert said is not None
    assert (said["broke"], said["shared_chars"]) == ("tools", 0)
    without = compare(prompt_chain(draft(ASK), TOOLS), prompt_chain(draft(ASK)))
    assert without is not None
    assert without["broke"] == "tools"


def test_chains_of_two_processes_are_not_compared() -> None:
    code = (
        "import json; from langchain_core.messages import HumanMessage;"
        "from agentlanes.context.prefix import prompt_chain;"
        "print(json.dumps(prompt_chain([HumanMessage('do it')])))"
    )
    env = {**os.environ, "PYTHONHASHSEED": "7"}
    told = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, check=True, timeout=60
    )
    theirs, ours = json.loads(told.stdout), prompt_chain([HumanMessage("do it")])
    assert [part[0] for part in theirs["parts"]] == [part[0] for part in ours["parts"]]
    assert compare(theirs, ours) is None
    assert compare(ours, ours) is not None


def test_a_calls_arguments_count_and_a_messages_id_does_not() -> None:
    one = AIMessage("", id="1", tool_calls=[{"name": "look", "args": {"key": "a"}, "id": "c"}])
    same = one.model_copy(update={"id": "2"})
    other = AIMessage("", id="1", tool_calls=[{"name": "look", "args": {"key": "b"}, "id": "c"}])
    assert prompt_chain([one]) == prompt_chain([same]) != prompt_chain([other])


def test_a_chain_holds_no_content_and_survives_a_checkpoint() -> None:
    chain = prompt_chain([SystemMessage("secret system"), HumanMessage("secret question")], TOOLS)
    assert "secret" not in json.dumps(chain)
    serde = JsonPlusSerializer()
    assert serde.loads_typed(serde.dumps_typed(chain)) == chain
