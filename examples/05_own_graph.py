"""A graph of your own: the public nodes, with a node of yours between them.

Every call that changes the world passes from `settle` to `effects`. Here a `control` node stands
between the two: it keeps an audit log, and payments over a limit stop the run until a person has
decided. What is refused goes into the conversation as refused, and the run goes on from there.

    python examples/05_own_graph.py          # scripted stand-ins, offline
    python examples/05_own_graph.py --env    # your endpoints, or `agentlanes up`
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Literal

from langchain_core.messages import ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from shared import Asked, lanes, show, verdict

from agentlanes import AgentState, build_parts, effect, nodes
from agentlanes.context.prompts import call_messages
from agentlanes.state import AgentInput, AgentOutput
from agentlanes.testing import Reply

REQUEST = "Pay the invoices INV-7 and INV-9."
LIMIT_EUR = 500
OPEN_EUR = {"INV-7": 80, "INV-9": 1200}
PAID: list[str] = []
AUDIT: list[str] = []


@effect("read")
def amount_due(invoice: str) -> int:
    """Say how many euros an invoice asks for."""
    return OPEN_EUR[invoice]


@effect("irreversible")
def pay(invoice: str, euros: int) -> str:
    """Pay an invoice."""
    PAID.append(invoice)
    return f"paid {euros} EUR"


async def control(state: AgentState) -> Command[Literal["effects", "route"]]:
    """Log an approved call before it runs, and ask a person about large payments."""
    call = state["window"]["fence"]
    assert call is not None, "settle sends only fenced calls here"
    euros = call["args"].get("euros", 0)
    allowed = euros <= LIMIT_EUR or interrupt(f"Pay {euros} EUR for {call['args']['invoice']}?")
    AUDIT.append(f"{call['tool']} {call['args']} {'allowed' if allowed else 'refused'}")
    if allowed:
        return Command(goto="effects")
    number = sum(isinstance(message, ToolMessage) for message in state["messages"])
    refused = call_messages(number, call["tool"], call["args"], "refused by a person", failed=True)
    window = {**state["window"], "fence": None}
    return Command(goto="route", update={"messages": list(refused), "window": window})


def build(fast: Any, deep: Any) -> Any:
    """Wire the nodes; only `control` and the edges to it differ from `agentlanes.assemble`."""
    parts = build_parts(fast, deep, [amount_due, pay], planning="never")
    graph = StateGraph(AgentState, input_schema=AgentInput, output_schema=AgentOutput)
    graph.add_node("route", nodes.route_node(parts))
    graph.add_node("act", nodes.act_node(parts, nodes.build_act_graph(parts)))
    graph.add_node("reason", nodes.reason_node(parts))
    graph.add_node("settle", nodes.settle_node(parts))
    graph.add_node("control", control)
    graph.add_node("effects", nodes.effects_node(parts))
    graph.add_node("deliver", nodes.deliver_node(parts))
    graph.add_edge(START, "route")
    graph.add_conditional_edges("route", nodes.branches, ["act", "reason", "effects"])
    graph.add_edge("act", "settle")
    graph.add_edge("reason", "settle")
    after_settle = {"effects": "control", "route": "route", "deliver": "deliver"}
    graph.add_conditional_edges("settle", nodes.after_settle, after_settle)
    graph.add_edge("effects", "route")
    graph.add_edge("deliver", END)
    return graph.compile(checkpointer=InMemorySaver(), name="payments")


def next_call(asked: Asked) -> tuple[str, dict[str, Any]] | None:
    """Stand-in for understanding: look each invoice up, then pay what it asks for."""
    past = asked.done + asked.together
    for invoice in re.findall(r"INV-\d+", asked.request):
        steps = {call.tool: call.result for call in past if call.args.get("invoice") == invoice}
        if "amount_due" not in steps:
            return "amount_due", {"invoice": invoice}
        if "pay" not in steps:
            return "pay", {"invoice": invoice, "euros": int(steps["amount_due"])}
    return None


def act(asked: Asked) -> Reply:
    """Draft the next call, or say how each payment went."""
    call = next_call(asked)
    if asked.kind == "draft" and call:
        return Reply(tool_calls=[call])
    paid = [f"{c.args['invoice']}: {c.result}" for c in asked.done if c.tool == "pay"]
    return Reply(content=f"{', '.join(paid)}.")


def reason(asked: Asked) -> Reply:
    """Approve the call that is due, or to finish when none is."""
    proposal, due = asked.proposal, next_call(asked)
    proposed = None if proposal["kind"] == "finish" else (proposal["tool"], proposal["args"])
    return verdict(None if proposed == due else f"due is {due or 'nothing more'}")


async def run(fast: Any, deep: Any) -> dict[str, Any]:
    """Run until nobody needs to be asked; the person here says no to everything."""
    agent, config = build(fast, deep), {"configurable": {"thread_id": "1"}}
    result = await agent.ainvoke({"messages": [("user", REQUEST)]}, config)
    while asked := result.get("__interrupt__"):
        print(f"Stopped to ask a person: {asked[0].value} The answer is no.\n")
        result = await agent.ainvoke(Command(resume=False), config)
    return dict(result)


def main() -> None:
    """Run the example."""
    with lanes(act, reason, act_s=0.04, reason_s=0.5) as (fast, deep):
        result = asyncio.run(run(fast, deep))
    show(result, "api_formatting")
    print(f"Paid: {', '.join(PAID)}\nAudit log:", *AUDIT, sep="\n  ")


if __name__ == "__main__":
    main()
