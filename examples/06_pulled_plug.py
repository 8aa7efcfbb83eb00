"""Pulled plug: the process is killed in the middle of a payment, and nothing is paid twice.

A worker process pays two invoices. It is killed with SIGKILL right after the first payment has
reached the bank, before anybody wrote that down. The bank takes what it is sent: paying twice would
be two payments. The second worker finds a payment that was started and has no outcome, so it asks
instead of paying again. This script looks at the bank's book and tells it; the payment is not made
again, and the run goes on where it was.

    python examples/06_pulled_plug.py          # scripted stand-ins, offline
    python examples/06_pulled_plug.py --env    # your endpoints, or `agentlanes up`
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import re
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import Command
from shared import Asked, Call, lanes, show, verdict

from agentlanes import Lane, build_agent, effect
from agentlanes.testing import Reply

REQUEST = "Pay INV-7 (80 EUR) and INV-9 (120 EUR)."
CONFIG: Any = {"configurable": {"thread_id": "payments"}}


def wanted(request: str) -> list[Call]:
    """Stand-in for understanding the request."""
    found = re.findall(r"(INV-\d+) \((\d+) EUR\)", request)
    return [Call("pay", {"invoice": invoice, "euros": int(euros)}) for invoice, euros in found]


def act(asked: Asked) -> Reply:
    """Draft the next payment; then say what was paid."""
    left = wanted(asked.request)[len(asked.done) :]
    if asked.kind == "draft" and left:
        return Reply(tool_calls=[(left[0].tool, left[0].args)])
    return Reply(content="Paid: " + ", ".join(call.args["invoice"] for call in asked.done) + ".")


def reason(asked: Asked) -> Reply:
    """Check that a payment is the next one that was asked for."""
    left = wanted(asked.request)[len(asked.done) :]
    if asked.proposal["kind"] == "finish":
        return verdict("there is more to pay" if left else None)
    due = left and (asked.proposal["tool"], asked.proposal["args"]) == (left[0].tool, left[0].args)
    return verdict(None if due else "that is not the next payment that was asked for")


async def work(folder: Path, fast: Lane, deep: Lane, given: Any, plug: bool) -> dict[str, Any]:
    """Run or resume the thread in this process."""
    book = folder / "bank.txt"

    @effect("irreversible")
    async def pay(invoice: str, euros: int) -> str:
        """Pay an invoice.

        Args:
            invoice: Its number.
            euros: How much.
        """
        with book.open("a") as file:
            file.write(f"{invoice} {euros} EUR\n")
        if plug:
            os.kill(os.getpid(), signal.SIGKILL)
        return "paid"

    async with AsyncSqliteSaver.from_conn_string(str(folder / "threads.db")) as saver:
        agent = build_agent(
            fast, deep, [pay], planning="never", checkpointer=saver, ledger=folder / "ledger.db"
        )
        return await agent.ainvoke(given, CONFIG, durability="sync")


def worker(folder: Path, fast: Lane, deep: Lane) -> None:
    """Begin the thread in a process that does not live to see its end."""
    first = {"messages": [("user", REQUEST)]}
    asyncio.run(work(folder, fast, deep, first, plug=True))


def main() -> None:
    """Run the example."""
    with (
        lanes(act, reason, act_s=0.04, reason_s=0.3) as (fast, deep),
        tempfile.TemporaryDirectory() as made,
    ):
        folder = Path(made)
        killed = multiprocessing.get_context("spawn").Process(
            target=worker, args=(folder, fast, deep)
        )
        killed.start()
        killed.join()
        book = (folder / "bank.txt").read_text().splitlines()
        print(f"The worker ended with signal {-(killed.exitcode or 0)}. The bank's book: {book}")

        result = asyncio.run(work(folder, fast, deep, None, plug=False))
        asked = result["__interrupt__"][0].value
        call = asked["call"]
        print(f"Resumed: {asked['note']}. Did {call['tool']}({call['args']}) happen?")
        happened = any(line.startswith(call["args"]["invoice"]) for line in book)
        answer = {"outcome": "done", "result": "paid"} if happened else {"outcome": "not_applied"}
        print(f"The book says: {answer}\n")
        result = asyncio.run(work(folder, fast, deep, Command(resume=answer), plug=False))
        book = (folder / "bank.txt").read_text().splitlines()
    show(result, "api_formatting")
    print(f"The bank's book at the end: {book}")
    once = len(book) == len(set(book)) == len(wanted(REQUEST))
    print(f"Checked by code: {'every invoice was paid once' if once else 'NOT paid once each'}")
    sys.exit(not once)


if __name__ == "__main__":
    main()
