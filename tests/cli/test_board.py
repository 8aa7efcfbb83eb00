from __future__ import annotations

import io
import re

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from agentlanes import build_agent
from agentlanes.cli.board import Board, call_text, plain
from agentlanes.cli.live import TableView
from tests.cli.graph_forms import planned_again
from tests.oracle import Oracle, World

TRUTH = [("look", {"key": "a"}), ("store", {"key": "x", "value": "1"}), ("double", {"number": 2})]


async def board_of(oracle: Oracle, **options: object) -> Board:
    board = Board()
    agent = build_agent(oracle.act, oracle.reason, World().tools(), **options)
    given_ = {"messages": [("user", "do it")]}
    async for event in agent.astream(given_, stream_mode="custom"):
        board.feed(event, 0.0)
    return board


async def test_every_proposal_has_a_row_with_its_fate() -> None:
    wrong = {1: ("store", {"key": "bad", "value": "bad"})}
    board = await board_of(Oracle(TRUTH, wrong=wrong), planning="never")
    right = [row for row in board.rows if row.kind == "call" and row.outcome == "committed"]
    assert [row.text for row in right] == [call_text(*call) for call in TRUTH]
    assert [row.fenced for row in right] == [False, True, False]
    assert {row.verdict for row in right} == {"approve"}
    lost = [row for row in board.rows if row.outcome == "discarded"]
    assert [(row.text, row.verdict) for row in lost] == [(call_text(*wrong[1]), "reject")]
    assert board.in_flight() == []


async def test_calls_that_follow_a_plan_show_the_plans_verdict() -> None:
    board = await board_of(Oracle(TRUTH), planning="always")
    riders = [row for row in board.rows if row.rides_on is not None]
    assert riders
    assert {board.verdict_of(row).kind for row in riders} == {"plan"}
    assert {board.verdict_of(row).verdict for row in riders} == {"approve"}


async def test_a_read_before_its_turn_is_shown_until_its_step_is_proposed() -> None:
    board, seen = Board(), []
    view = TableView(board, Console(file=io.StringIO(), width=120, height=24), "agent")
    console = Console(file=io.StringIO(), width=120)
    given_ = {"messages": [("user", "do it")]}
    async for event in planned_again().astream(given_, stream_mode="custom"):
        view.event(event)
        with console.capture() as capture:
            console.print(view.frame())
        seen.append(capture.get())
    shown = "\n".join(seen)
    assert re.search(r'step 3 +look\(key="b"\) +runs [\d.]+ s +read before its turn', shown)
    assert re.search(r'step 2 +look\(key="c"\) +ran [\d.]+ s +read for the new plan', shown)
    assert "drafting the plan again: step 4, look, cannot be made" in shown
    assert not any(word in seen[-1] for word in ("before its turn", "new plan", "drafting"))
    taken = next(row for row in board.rows if row.text == call_text("look", {"key": "b"}))
    assert taken.early
    assert (taken.started_s or 0.0) < taken.proposed_s


async def test_the_frame_fits_the_terminal_while_it_runs_and_shows_all_at_the_end() -> None:
    truth = [("look", {"key": f"key-{n}"}) for n in range(40)]
    board = await board_of(Oracle(truth), planning="never")
    console = Console(file=io.StringIO(), width=100, height=24, force_terminal=True)
    view = TableView(board, console, "agent")

    def drawn() -> list[str]:
        with console.capture() as capture:
            console.print(view.frame())
        return capture.get().splitlines()

    assert len(drawn()) <= 24
    assert "key-39" in "\n".join(drawn())
    view.over = True
    assert sum("key-" in line for line in drawn()) == 40


@given(st.text())
def test_what_a_model_wrote_cannot_steer_the_terminal(text: str) -> None:
    shown = plain(text)
    assert all(letter.isprintable() for letter in shown)
    assert len(shown) <= len(text)


def test_foreign_events_are_nobodys_row() -> None:
    board = Board()
    for event in (None, 3, "text", {}, {"type": "progress"}, {"type": 7}):
        assert board.feed(event, 0.0) is None
    assert not board.lanes
