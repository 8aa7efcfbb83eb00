"""The waterfall of docs/latency.md: a run is recorded once, and drawn from its file.

The lanes are stand-ins that answer over a real socket, as in the examples, with a fast lane's and a
reasoning lane's latencies; the graph, the tools and every time in the file are real.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

from agentlanes import Lane, build_agent, effect
from agentlanes.latency.jsonl import RunLog, read_run
from agentlanes.latency.report.facts import facts_of
from agentlanes.latency.report.layout import lay_out
from agentlanes.latency.report.markup import render
from agentlanes.latency.report.picture import waterfall_picture
from agentlanes.testing import EndpointServer, Latency, Reply

__all__ = ["record_run", "waterfall_svg"]

REQUEST = "Order 1042 came late. Refund what our policy says."
ACT = Latency(first_token_s=0.3, total_s=0.6)
REASON = Latency(first_token_s=1.2, total_s=2.4)
RIGHT: tuple[tuple[str, dict[str, Any]], ...] = (
    ("find_order", {"order": "1042"}),
    ("read_policy", {"topic": "late delivery"}),
    ("issue_refund", {"order": "1042", "amount": 45}),
)
WRONG = ("read_policy", {"topic": "returns"})


@effect("read")
async def find_order(order: str) -> str:
    """Look an order up."""
    await asyncio.sleep(0.5)
    return f"order {order}: 90.00, delivered six days late"


@effect("read")
async def read_policy(topic: str) -> str:
    """Read what the policy says on a topic."""
    await asyncio.sleep(0.4)
    return {"late delivery": "refund half of the price"}.get(topic, "refund all of it")


@effect("irreversible")
async def issue_refund(order: str, amount: int) -> str:
    """Pay an amount back."""
    await asyncio.sleep(0.7)
    return f"{amount}.00 refunded"


def record_run(target: Path) -> None:
    """Run the task and keep its run file.

    Args:
        target: The file; its name is the run's id.
    """
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_run(Path(folder), target.stem))
        target.write_bytes((Path(folder) / target.name).read_bytes())


def waterfall_svg(run_file: Path) -> str:
    """Draw a run file's waterfall as a picture that stands alone, in both themes."""
    facts = facts_of(read_run(run_file))
    return f"{render(waterfall_picture(facts, lay_out(facts.spans), width=1100, alone=True))}\n"


async def _run(folder: Path, run_id: str) -> None:
    server = EndpointServer(
        {"act": _act, "reason": _reason}, latency={"act": ACT, "reason": REASON}
    )
    with server.serve_in_thread():
        act, reason = (Lane(name, base_url=server.base_url) for name in ("act", "reason"))
        tools = [find_order, read_policy, issue_refund]
        agent = build_agent(act, reason, tools, planning="never", name="refunds")
        given = {"messages": [("user", REQUEST)]}
        with RunLog(folder, run_id, graph="refunds") as log:
            result: dict[str, Any] = {}
            async for mode, part in agent.astream(given, stream_mode=["custom", "values"]):
                if mode == "custom":
                    log.event(part)
                else:
                    result = part
            log.result(answer=result["answer"])


def _act(body: dict[str, Any]) -> Reply:
    asked = _shared().read(body)
    corrected = "rejected" in asked.aside
    if asked.kind == "answer" or len(asked.done) == len(RIGHT):
        return Reply(content="Half of the price, 45.00, is refunded: the order came late.")
    tool, args = RIGHT[len(asked.done)]
    if len(asked.done) == 1 and not corrected:
        tool, args = WRONG
    if len(asked.done) == 2 and asked.done[1].args == WRONG[1]:
        args = {"order": "1042", "amount": 90}
    return Reply(tool_calls=[(tool, args)])


def _reason(body: dict[str, Any]) -> Reply:
    asked = _shared().read(body)
    wrong = (asked.proposal.get("tool"), asked.proposal.get("args")) == WRONG
    reply: Reply = _shared().verdict("it came late; nobody returns it" if wrong else None)
    return reply


def _shared() -> Any:
    sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
    try:
        import shared
    finally:
        sys.path.pop(0)
    return shared
