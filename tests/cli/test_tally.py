from __future__ import annotations

import asyncio
import io
from typing import Any

from rich.console import Console

from agentlanes import build_agent
from agentlanes.cli.board import Board
from agentlanes.cli.live import TableView
from agentlanes.cli.tally import Tally
from agentlanes.latency.record import blank_record
from agentlanes.testing import ScriptedModel
from tests.oracle import Oracle, World

TRUTH = [("look", {"key": "a"}), ("store", {"key": "x", "value": "1"})]


def step(lane: str, took_ms: float, met: bool | None, **tokens: int) -> Any:
    record = blank_record(step=0, window=0, node=lane, lane=lane, outcome="committed")
    told = {**record["tokens"], **tokens}
    facts = {"duration_ms": took_ms, "target_met": met, "profile": "api_formatting"}
    return {**record, **facts, "tokens": told}


def test_calls_tokens_and_the_target() -> None:
    tally = Tally()
    tally.route({"route": {"profile": "api_formatting"}})
    assert tally.lanes_line() == ""
    for took, met in ((50.0, True), (150.0, False), (90.0, True)):
        tally.step(step("act", took, met, input=1000, output=10))
    tally.step(step("reason", 4000.0, None))
    tally.step(blank_record(step=0, window=0, node="effects", outcome="committed"))
    assert tally.target_line() == (
        "api_formatting: an act call in under 100 ms; median 90 ms, 2 of 3 kept it"
    )
    assert tally.lanes_line() == (
        "act: 3 calls, 3.0k tokens in, 30 out   reason: 1 call, tokens unknown"
    )


def test_a_profile_of_ones_own_has_no_target() -> None:
    tally = Tally()
    tally.route({"route": {"profile": "mine"}})
    tally.step({**step("act", 50.0, None), "profile": "mine"})
    assert tally.target_line() == ""


def drawn(view: TableView, console: Console) -> str:
    with console.capture() as capture:
        console.print(view.frame())
    return capture.get()


async def test_the_view_says_what_a_call_waits_for() -> None:
    oracle, seen = Oracle(TRUTH), asyncio.Event()

    async def reason(messages: Any, kwargs: Any) -> Any:
        await seen.wait()  # no verdict before both calls are on the board
        return oracle._reason(messages, kwargs)

    oracle.reason = ScriptedModel(script=reason, model_name="reason")
    agent = build_agent(oracle.act, oracle.reason, World().tools(), planning="never")
    board = Board()
    console = Console(file=io.StringIO(), width=110, height=30, force_terminal=False)
    view = TableView(board, console, "agent")
    shown: list[str] = []
    given: Any = {"messages": [("user", "do it")]}
    async for mode, part in agent.astream(given, stream_mode=["custom", "values"]):
        if mode == "values":
            view.values(part)
        else:
            view.event(part)
        shown.append(drawn(view, console))
        if len(board.rows) > 1:
            seen.set()
    frames = "\n".join(shown)
    assert "waits for 0.0 +1" in frames
    assert "about to run" in frames
    assert "api_formatting: an act call in under 100 ms; median" in shown[-1]
    assert "waits" not in shown[-1]
    waiting = [row for row in board.rows if board.awaited_by(row)]
    assert waiting == []


def test_of_several_replies_the_one_that_began_last_is_shown() -> None:
    class Piece:
        def __init__(self, id: str, text: str) -> None:
            self.id, self.text, self.additional_kwargs = id, text, {}

    board = Board()
    for piece in (Piece("1", "one"), Piece("2", "two"), Piece("1", " more"), Piece("2", " too")):
        board.hear(piece, ["lane:reason"])
    assert board.speaking == {"reason": "two too"}
    for number in range(100):
        board.hear(Piece(f"n{number}", "x"), ["lane:reason"])
    assert len(board._replies["reason"]) <= 32
