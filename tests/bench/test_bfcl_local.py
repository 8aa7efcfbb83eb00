"""The bounds of the local bench, over real sockets, with a server that answers as models do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from agentlanes.bench.bfcl import BfclOptions, run_bfcl
from agentlanes.bench.bfcl_abilities import abilities
from agentlanes.bench.bfcl_calls import Call, Catalog
from agentlanes.bench.bfcl_data import Task
from agentlanes.bench.bfcl_local import brief, refuse_repeated, setup_of, worked_examples
from agentlanes.bench.bfcl_run import TaskRun
from agentlanes.bench.bfcl_show import progress
from agentlanes.bench.bfcl_tools import World
from agentlanes.cli.main import main
from agentlanes.lanes.lane import Lane
from agentlanes.speculation.exchange import Case
from agentlanes.testing import EndpointServer, Latency, Reply

APPROVED = Reply(content='{"verdict": "approve", "reason": "fine", "suggestion": null}')


@contextmanager
def lanes(act: Any, *, act_s: float = 0.0) -> Iterator[EndpointServer]:
    scripts = {"act": act, "reason": lambda body: APPROVED}
    server = EndpointServer(scripts, latency={"act": Latency(first_token_s=act_s)})
    with server.serve_in_thread():
        yield server


def options(server: EndpointServer, **known: Any) -> BfclOptions:
    url = server.base_url
    return BfclOptions(lanes="local", tasks=1, act_url=url, reason_url=url, **known)


def call(tool: str, args: dict[str, Any], *before: Any, together: Any = ()) -> Case:
    return Case(proposal=proposal(tool, args), transcript=before, together=together)


def proposal(tool: str, args: dict[str, Any]) -> Any:
    return {"kind": "call", "tool": tool, "args": args}


def made(tool: str, args: dict[str, Any]) -> tuple[AIMessage, ToolMessage]:
    asked = {"name": tool, "args": args, "id": "call_0", "type": "tool_call"}
    return AIMessage("", tool_calls=[asked]), ToolMessage("ok", tool_call_id="call_0")


def test_a_call_is_refused_only_when_the_turn_has_made_it() -> None:
    user, again = HumanMessage("do"), HumanMessage("do more")
    done = made("cd", {"folder": "a"})
    assert refuse_repeated(call("cd", {"folder": "a"}, user, *done)) is not None
    assert refuse_repeated(call("cd", {"folder": "b"}, user, *done)) is None
    assert refuse_repeated(call("ls", {}, user, *done)) is None
    assert refuse_repeated(call("cd", {"folder": "a"}, user, *done, again)) is None
    beside = [proposal("cd", {"folder": "a"})]
    assert refuse_repeated(call("cd", {"folder": "a"}, user, together=beside)) is not None


def test_no_turn_of_the_tasks_makes_a_call_twice(catalog: Catalog, tasks: list[Task]) -> None:
    for task in tasks:
        for turn in task.truth:
            calls = [catalog.parse(text, task.classes) for text in turn]
            pairs = [(a, b) for n, a in enumerate(calls) for b in calls[:n]]
            assert not any(catalog.same(a, b, task.classes) for a, b in pairs), task.id


def test_worked_examples_fit_the_tools_and_end(catalog: Catalog, tasks: list[Task]) -> None:
    for owners in {task.classes for task in tasks}:
        specs = catalog.tools(owners)
        examples = worked_examples(list(specs.values()))
        *calls, (_, last) = examples
        assert set(last) == {"final_answer"}
        assert calls
        for _, reply in calls:
            assert Draft202012Validator(specs[reply["tool"]].schema).is_valid(reply["args"])


def test_descriptions_lose_what_every_tool_repeats(catalog: Catalog, tasks: list[Task]) -> None:
    assert brief("no such mark") == "no such mark"
    shown = World(catalog, tasks[0]).tools(describe=brief)
    assert all("This tool belongs to" not in tool.description for tool in shown)
    assert all(tool.description for tool in shown)


def test_only_embedded_models_get_short_replies_and_examples(
    catalog: Catalog, tasks: list[Task]
) -> None:
    pair = (Lane("act", base_url="http://a/v1"), Lane("reason", base_url="http://b/v1"))
    specs = catalog.tools(tasks[0].classes)
    small = setup_of(BfclOptions(lanes="local"), specs, pair)
    assert [lane.max_tokens for lane in small.lanes] == [256, 256]
    assert small.lanes[0].examples
    assert small.turn_s == 90
    own = BfclOptions(lanes="local", act_url="http://a/v1", reason_url="http://b/v1")
    assert setup_of(own, specs, pair).lanes == pair
    scripted = setup_of(BfclOptions(), specs, pair)
    assert (scripted.lanes, scripted.turn_s) == (pair, None)
    assert scripted.options == {"max_steps": 200, "max_corrections": 5}


async def test_a_turn_that_takes_too_long_loses_its_task(wheel: Path) -> None:
    def silent(body: dict[str, Any]) -> Reply:
        return Reply(content="late")

    with lanes(silent, act_s=30) as server:
        result = await run_bfcl(options(server, turn_s=0.3))
    assert (result.correct, result.serial_correct, result.timed_tasks) == (0, 0, 0)
    assert {failure["why"] for failure in result.failures} == {
        "TurnBound: not finished within 0.3 s"
    }
    assert result.abilities["lanes"]["stopped"] == {"TurnBound": 1}
    assert result.speedup is None


async def test_a_model_that_calls_for_ever_is_stopped(wheel: Path) -> None:
    def repeats(body: dict[str, Any]) -> Reply:
        return Reply(tool_calls=[("ls", {})])

    with lanes(repeats) as server:
        result = await run_bfcl(options(server))
        assert len(server.requests) < 20
    can = result.abilities["serial"]
    assert can["stopped"] == {"CorrectionLimit": 1}
    assert (can["calls"], can["right_calls"], can["finished"]) == (1, 0, 0)
    assert result.correct == 0


async def test_a_model_that_varies_its_calls_for_ever_is_stopped(wheel: Path) -> None:
    def wanders(body: dict[str, Any]) -> Reply:
        made = sum(message["role"] == "tool" for message in body["messages"])
        return Reply(tool_calls=[("cat", {"file_name": f"file_{made}"})])

    with lanes(wanders) as server:
        result = await run_bfcl(options(server, max_steps=4))
    for name in ("lanes", "serial"):
        can = result.abilities[name]
        assert can["stopped"] == {"StepLimit": 1}
        assert can["calls"] >= 4


def test_the_command_ends_with_figures_whatever_the_lanes_do(
    wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "result.json"
    with lanes(lambda body: Reply(status=500, error="broken")) as server:
        url = server.base_url
        words = ["--lanes", "local", "--tasks", "1", "--act-url", url, "--reason-url", url]
        assert main(["bench", "bfcl", *words, "--json", str(file)]) == 0
    said = capsys.readouterr()
    assert "0 of 4 turns finished" in said.out
    assert "0.0 s" not in said.out  # no task was timed, and none took no time
    assert "1 of 1 tasks" in said.err  # no terminal: lines
    written = json.loads(file.read_text())
    assert (written["correct"], written["turn_s"], written["planning"]) == (0, 90, "never")


@pytest.mark.parametrize(("count", "lines"), [(45, 3), (40, 2), (3, 1)])
def test_without_a_terminal_progress_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], count: int, lines: int
) -> None:
    with progress(BfclOptions(tasks=count)) as on_task:
        for number in range(count):
            on_task(str(number))
    said = capsys.readouterr().err.splitlines()
    assert len(said) == lines
    assert said[-1].startswith(f"{count} of {count} tasks")


def test_what_was_right_is_counted_turn_by_turn(catalog: Catalog, tasks: list[Task]) -> None:
    task = tasks[0]
    truth = [[catalog.parse(text, task.classes) for text in turn] for turn in task.truth]
    odd = Call("ls", {})
    judged = [(0, truth[0][0], "approve"), (0, odd, "reject"), (1, odd, "approve")]
    run = TaskRun(
        world=World(catalog, task),
        committed=[[*truth[0], truth[0][0]]],
        left_off=[odd, truth[1][0]],
        error="TurnBound: not finished",
        judged=judged,
    )
    assert abilities(catalog, [(task, run)]) == {
        "turns": 4,
        "finished": 1,
        "stopped": {"TurnBound": 1},
        "calls": len(truth[0]) + 3,
        "right_calls": len(truth[0]) + 1,
        "wanted_calls": len(truth[0]) + len(truth[1]),
        "first_calls_right": 1,
        "judged": {"approve_right": 1, "reject_wrong": 1, "approve_wrong": 1},
    }
