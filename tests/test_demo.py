"""The demo's own checks: code that neither lane sees. (`make demo` runs it on real models.)"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from agentlanes_tools import Outbox
from langchain_core.messages import AIMessage, HumanMessage

from agentlanes import build_agent
from agentlanes.latency.record import blank_record
from agentlanes.nodes import SolutionJudge
from agentlanes.testing import ScriptedModel


@pytest.fixture(scope="module")
def demo() -> ModuleType:
    path = Path(__file__).parents[1] / "examples" / "00_demo.py"
    spec = importlib.util.spec_from_file_location("demo", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["demo"] = module
    spec.loader.exec_module(module)
    return module


class Act:
    """Reads, then mails what it is told to, then stops: as a weak model does, corrected or not."""

    def __init__(self, mails: list[dict[str, str]]) -> None:
        self.mails = mails

    def __call__(self, messages: list[Any], kwargs: dict[str, Any]) -> AIMessage:
        if "tools" not in kwargs:
            return AIMessage("I mailed the number, 247, to cy.wu@school.test.")
        results = [m.name for m in messages if m.type == "tool"]
        if "send_email" in results:
            return AIMessage("I mailed it.")
        files = ["style.txt", "contacts.txt"][results.count("read_file") :]
        if files:
            return _call("read_file", {"path": files[0]})
        return _call("send_email", self.mails.pop(0))


def _call(name: str, args: dict[str, Any]) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": name, "args": args, "id": "x"}])


def _mail(to: str, body: str, subject: str = "Stock count") -> dict[str, str]:
    return {"to": to, "subject": subject, "body": body}


async def test_wrong_numbers_and_addresses_are_sent_back_before_the_fence(
    demo: ModuleType, tmp_path: Path
) -> None:
    task = demo.make_task(0)
    (tmp_path / "contacts.txt").write_text(
        "".join(f"{room.capitalize()}: {mail}\n" for room, mail in demo.CONTACTS.items())
    )
    (tmp_path / "style.txt").write_text(f"Subject line: {demo.SUBJECT}\n")
    bo, ann = demo.CONTACTS["library"], demo.CONTACTS["front desk"]
    outbox = Outbox(tmp_path / "outbox")
    act = Act(
        [
            _mail(bo, "It is 24."),
            _mail(ann, "It is 247."),
            _mail(bo, "It is 247.", "Hi"),
            _mail(bo, "It is 247."),
        ]
    )
    reason = ScriptedModel(script=["11 * 24 = 264, less 17 is 247\n247"])
    judge = SolutionJudge(model=reason, compare=demo.compare, system_prompt=demo.SOLVE)
    checks = [demo.read_first, demo.nothing_twice]
    agent = build_agent(
        ScriptedModel(script=act),
        reason,
        [demo.read_file(tmp_path), outbox.send_email],
        judge=judge,
        checks=checks,
        planning="never",
    )
    result = await agent.ainvoke({"messages": [HumanMessage(task.request)]})
    faults = demo.find_faults(task, result, outbox.mails())
    # In-process scripted lanes count no tokens; everything else the demo asks for is there.
    assert faults == [
        "the act lane generated no tokens",
        "the reason lane generated no tokens",
    ]
    assert len(reason.calls) == 1, "the problem is worked out once"


def test_every_fault_is_found(demo: ModuleType, tmp_path: Path) -> None:
    task, outbox = demo.make_task(0), Outbox(tmp_path)
    blank = {"answer": "done", "committed": [], "steps": [blank_record(lane="act")]}
    assert len(demo.find_faults(task, blank, [])) == 7
    outbox.send_email.invoke(_mail("eve@school.test", "It is 24."))
    outbox.send_email.invoke(_mail(demo.CONTACTS[task.room], f"It is {task.number}."))
    faults = " ".join(demo.find_faults(task, blank, outbox.mails()))
    assert "2 mails" in faults
    assert "eve@school.test" in faults
    assert "'It is 24.'" in faults


def test_tasks_are_drawn_from_their_seed(demo: ModuleType) -> None:
    assert demo.make_task(5) == demo.make_task(5)
    assert len({demo.make_task(seed) for seed in range(20)}) > 15
    assert all(demo.make_task(seed).number > 0 for seed in range(200))
