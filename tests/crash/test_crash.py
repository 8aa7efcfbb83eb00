"""Kill -9 in real processes, a small set; `python -m benchmarks.prove.crashes` is the long one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.driver import Case, Outcome, Server, crash_and_resume, take_stock, violations
from tests.crash.lanes import task_of
from tests.crash.scenarios import (
    RACES,
    combinations,
    crash_points,
    kill_at_random,
    race,
    row_of,
    stop_in_the_middle,
)
from tests.crash.sites import Site
from tests.postgres import PostgresServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server") / "children.log")
    yield server
    server.close()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(store="sqlite", folder=tmp_path)


KILLS: list[tuple[str, str, str, int]] = [
    # task, durability, point, passing
    ("pay", "sync", "act:before", 2),
    ("send", "async", "reason:after", 2),
    ("send", "sync", "ledger:before:started", 1),
    ("pay", "async", "ledger:after:started", 2),
    ("store", "async", "ledger:after:started", 1),
    ("send", "sync", "tool:after:send", 1),
    ("pay", "sync", "ledger:before:done", 1),
    ("cd", "async", "ledger:after:done", 2),
    ("send", "sync", "saver:before:effects", 1),
    ("pay", "async", "saver:after:checkpoint", 6),
    ("jot", "sync", "tool:after:jot", 1),
    ("jot", "sync", "undo:before:jot", 1),
    ("jot", "async", "undo:after:jot", 1),
    ("jot", "sync", "ledger:after:kept", 1),
    ("jot", "async", "ledger:after:kept", 1),
    ("ahead", "async", "saver:before:settle", 1),
]


@pytest.mark.parametrize(("task", "durability", "point", "nth"), KILLS)
def test_a_killed_run_ends_right_in_another_process(
    server: Server, site: Site, task: str, durability: str, point: str, nth: int
) -> None:
    case = site.case(task=task, durability=durability)
    outcome = crash_and_resume(server, case, case.job(points={"kill_at": point, "kill_nth": nth}))
    assert outcome.wrong == []
    assert (outcome.killed, outcome.processes) == (1, 2)


@pytest.mark.parametrize("planning", ["never", "always"])
def test_a_branch_that_was_saved_alone_commits_nothing_unjudged(
    server: Server, site: Site, planning: str
) -> None:
    for first, second in (("act", "reason"), ("reason", "act")):
        points = {"kill_at": f"saver:after:{first}", "slow": {f"saver:before:{second}": 0.05}}
        case = site.case(task="ahead", planning=planning)
        outcome = crash_and_resume(server, case, case.job(points=points))
        assert outcome.wrong == []
        assert outcome.killed == 1


def test_checkpoints_that_come_late_lose_nothing(server: Server, site: Site) -> None:
    for step in (20, 45, 70):
        points = {"kill_step": step, "slow": {"saver:before": 0.01}}
        case = site.case(task="ahead", durability="async")
        outcome = crash_and_resume(server, case, case.job(points=points))
        assert outcome.wrong == []
        assert outcome.killed == 1


def test_killed_at_random_times_with_several_threads(server: Server, site: Site) -> None:
    case = site.case(4, task="mixed")
    outcome = kill_at_random(server, case, 4, random.Random(7), 0.4)
    assert outcome.wrong == []
    assert outcome.killed > 0


@pytest.mark.parametrize(("task", "before", "at"), [RACES[0], RACES[2], RACES[6]])
def test_of_two_workers_on_one_thread_one_is_fenced_out(
    server: Server, site: Site, task: str, before: dict[str, Any], at: str
) -> None:
    case = site.case(task=task, tool_s=0.02)
    outcome, ends = race(server, case, before, at, case.folder / "gate")
    assert outcome.wrong == []
    ended = sorted(end.get("type") or end["status"] for end in ends)
    assert ended in (["LeaseLost", "done"], ["LeaseLost", "asks"])


def test_exit_durability_is_refused_before_anything_happens(server: Server, site: Site) -> None:
    case = site.case(task="send", durability="exit")
    end = server.run(case.job())["runs"][case.whos[0]]
    assert (end["status"], end.get("type")) == ("error", "ConfigError")
    assert not case.journal(case.whos[0]).standing()


def test_a_full_disk_stops_a_run_that_can_be_resumed(server: Server, site: Site) -> None:
    case = site.case(task="send")
    points = {"full_at": "ledger:before:started"}
    outcome, end = stop_in_the_middle(server, case, points, None, case.folder / "gate")
    assert end.get("type") == "LedgerUnavailable"
    assert outcome.wrong == []


def test_every_point_has_a_row_and_every_task_ends(server: Server, site: Site) -> None:
    passed: set[str] = set()
    for options in combinations(["mixed", "ahead"]):
        case = site.case(**options)
        outcome = crash_and_resume(server, case)
        assert outcome.wrong == []
        assert outcome.processes == 1
        passed |= set(outcome.passed)
        names = [points["kill_at"] for points in crash_points(outcome.passed, random.Random(0))]
        assert names == sorted(set(outcome.passed))
    assert {row_of(point) for point in passed} == {27, 28, 29, 30, 31, 32, 33, 34, 35}


def test_on_postgres(server: Server, postgres: PostgresServer, tmp_path: Path) -> None:
    site = Site(store=postgres.fresh_database(), folder=tmp_path)
    site.set_up(server)
    for task, durability, point, nth in KILLS[::4]:
        case = site.case(task=task, durability=durability)
        points = {"kill_at": point, "kill_nth": nth}
        outcome = crash_and_resume(server, case, case.job(points=points))
        assert outcome.wrong == []
        assert outcome.killed == 1
    case = site.case(task="send")
    outcome, ends = race(server, case, *RACES[0][1:], case.folder / "gate")
    assert outcome.wrong == []
    assert sorted(end.get("type") or end["status"] for end in ends) == ["LeaseLost", "done"]


def test_a_server_that_restarts_under_a_run_stops_it_and_it_can_be_resumed(
    server: Server, postgres: PostgresServer, tmp_path: Path
) -> None:
    site = Site(store=postgres.fresh_database(), folder=tmp_path)
    site.set_up(server)
    case = site.case(task="pay")
    gate = case.folder / "gate"
    points = {"gates": {"tool:before:pay": str(gate)}}
    outcome, end = stop_in_the_middle(server, case, points, postgres.restart, gate)
    assert end.get("type") in ("LedgerUnavailable", "OperationalError", "AdminShutdown")
    assert outcome.wrong == []


def done(task: Any) -> dict[str, Any]:
    calls = [list(call) for call in task.expected()]
    return {"status": "done", "committed": calls, "answer": f"done: {len(calls)} calls"}


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        ([("verdict", 1), ("did", 1), ("did", 1), ("verdict", 2), ("did", 2)], "1 took effect 2"),
        ([("did", 1), ("verdict", 1), ("verdict", 2), ("did", 2)], "1 took effect without"),
        ([("verdict", 1), ("did", 1), ("verdict", 2)], "2 stands 0"),
        ([("verdict", 1), ("did", 1), ("verdict", 2), ("did", 2), ("did", 91)], "91 took effect"),
    ],
)
def test_what_must_not_be_is_seen(site: Site, lines: list[tuple[str, int]], what: str) -> None:
    """The claims find a duplicate, an early, a missing and a rejected effect."""
    case: Case = site.case(task="send")
    who = case.whos[0]
    looks = [{"tool": "look", "args": {"n": n}, "kind": "call"} for n in (1, 2, 3)]
    for proposal in looks:
        case.journal(who).write(what="verdict", said="approve", proposal=proposal)
    for kind, n in lines:
        call = {"tool": "send", "args": {"n": n}, "kind": "call"}
        if kind == "did":
            case.journal(who).write(what="did", tool="send", n=n, key="")
        else:
            case.journal(who).write(what="verdict", said="approve", proposal=call)
    _, _, wrong = violations(case, who, done(task_of("send")))
    assert any(what in said for said in wrong)
    outcome = Outcome()
    take_stock(outcome, case, {})
    assert outcome.lost == 1
