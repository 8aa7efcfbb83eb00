"""Asking a person, through LangGraph's `interrupt`: before an effect, and after an unknown one.

Approvals are asked for in the form of LangChain's human-in-the-loop middleware, so that the
interfaces made for it work: a list of `action_requests` goes out and a list of `decisions` comes
back. Only the `effects` node asks, so an interrupt surfaces nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from langgraph.types import interrupt

from agentlanes.nodes.tooling import BoundTool
from agentlanes.speculation.ledger import EffectRecord
from agentlanes.state import PlanDict, ProposalDict

__all__ = ["Answer", "ask_approval", "ask_outcome"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a person decided.

    Attributes:
        decision: What is to be done with the call.
        args: Its arguments, edited or not.
        message: Why, in the person's words.
    """

    decision: Literal["approve", "edit", "reject"]
    args: dict[str, Any]
    message: str = ""


def ask_approval(fence: ProposalDict, tool: BoundTool, plan: PlanDict | None) -> Answer:
    """Ask whether a call may run, and go on asking until the answer can be used.

    Resume with `Command(resume={"decisions": [decision]})`, the decision one of
    `{"type": "approve"}`, `{"type": "edit", "edited_action": {"name": ..., "args": {...}}}` and
    `{"type": "reject", "message": "..."}`; a decision by itself will do too.
    """
    name, args = fence["tool"], fence["args"]
    asked: dict[str, Any] = {
        "action_requests": [{"name": name, "args": args, "description": tool.description}],
        "review_configs": [
            {"action_name": name, "allowed_decisions": ["approve", "edit", "reject"]}
        ],
        "type": "agentlanes.approval",
        "effect": fence["effect"],
        "plan": plan,
        "verdict": fence["verdict"],
    }
    while True:
        answer, wrong = _read_decision(interrupt(asked), name, args, tool)
        if answer is not None:
            return answer
        asked = {**asked, "error": wrong}


def _read_decision(
    said: Any, name: str, args: dict[str, Any], tool: BoundTool
) -> tuple[Answer | None, str]:
    decisions = said.get("decisions") if isinstance(said, Mapping) else None
    decision = decisions[0] if isinstance(decisions, list) and len(decisions) == 1 else said
    if isinstance(decision, str):
        decision = {"type": decision}
    kind = decision.get("type") if isinstance(decision, Mapping) else None
    if kind == "approve":
        return Answer(decision="approve", args=args), ""
    if kind == "reject":
        return Answer(decision="reject", args=args, message=str(decision.get("message") or "")), ""
    if kind != "edit":
        return None, 'give {"decisions": [{"type": "approve" | "edit" | "reject"}]}'
    edited = decision.get("edited_action")
    edited = edited if isinstance(edited, Mapping) else {}
    new = edited.get("args")
    if edited.get("name", name) != name or not isinstance(new, dict):
        return None, f"an edit gives edited_action with name {name!r} and args"
    wrong = tool.refuse(new)
    return (
        (None, f"the edit does not fit: {wrong}")
        if wrong
        else (
            Answer(decision="edit", args=new),
            "",
        )
    )


def ask_outcome(record: EffectRecord, args: Mapping[str, Any]) -> tuple[bool, str]:
    """Ask what became of a call whose outcome nobody knows.

    Resume with `Command(resume={"outcome": "done", "result": "..."})` or `{"outcome":
    "not_applied"}`: then it is run, under the same key.

    Returns:
        Whether it took effect, and what it gave.
    """
    asked: dict[str, Any] = {
        "type": "agentlanes.unknown_effect",
        "call": {"tool": record.tool, "args": dict(args)},
        "key": record.key,
        "note": record.note,
    }
    while True:
        said = interrupt(asked)
        outcome = said.get("outcome") if isinstance(said, Mapping) else None
        if outcome == "done":
            return True, str(said.get("result") or "")
        if outcome == "not_applied":
            return False, ""
        asked["error"] = 'give {"outcome": "done", "result": "..."} or {"outcome": "not_applied"}'
