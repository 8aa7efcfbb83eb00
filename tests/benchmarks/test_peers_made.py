from __future__ import annotations

import random
from functools import partial

import pytest

from agentlanes.bench.bfcl_calls import Call
from benchmarks.peers.bound import bound_s
from benchmarks.peers.formal import equal_words, formal_verification
from benchmarks.peers.items import depends
from benchmarks.peers.lengths import of_length
from benchmarks.peers.oracle import Oracle
from benchmarks.peers.planning import plan_validation, schedule_fault
from benchmarks.peers.retrieval import retrieval
from benchmarks.peers.stage import Stage

WORKLOADS = {
    "retrieval": retrieval,
    "plan-validation": plan_validation,
    "formal-verification": formal_verification,
    "steps-9": partial(of_length, 9),
}


@pytest.mark.parametrize("name", WORKLOADS)
def test_right_calls_pass_and_a_missing_one_fails(name):
    items = WORKLOADS[name](tasks=5)
    for item in items.items():
        calls = items.truth(item).calls[0]
        whole, short = items.world(item), items.world(item)
        for call in calls:
            whole.execute(call)
        for call in calls[:-1]:
            short.execute(call)
        assert items.right(item, [calls], whole) == (True, "")
        assert not items.right(item, [calls[:-1]], short)[0]


def test_the_scheduler_s_faults_are_told_apart():
    jobs = [{"job": 0, "takes": 3, "after": []}, {"job": 1, "takes": 2, "after": [0]}]
    assert schedule_fault(jobs, 5, [(0, 0, 0), (1, 0, 3)]) == ""
    assert "exactly once" in schedule_fault(jobs, 5, [(0, 0, 0)])
    assert "before job 0" in schedule_fault(jobs, 5, [(0, 0, 0), (1, 1, 2)])
    assert "after the deadline" in schedule_fault(jobs, 5, [(0, 0, 1), (1, 0, 4)])
    free = [{**job, "after": []} for job in jobs]
    assert "two jobs" in schedule_fault(free, 9, [(0, 0, 0), (1, 0, 2)])


def test_z3_proves_and_refutes():
    assert equal_words("(x ^ y) + 2 * (x & y)", "x + y")
    assert not equal_words("x + 1", "x")


def test_reads_wait_for_data_and_writes_for_everything():
    first, second = Call("find", {"name": "a"}), Call("open", {"page": 17})
    assert depends(second, '{"page": 17}', ("read", "read"), "open it")
    assert not depends(second, '{"page": 17}', ("read", "read"), "open 17")
    assert depends(first, "", ("write", "read"), "find a")


def test_errors_and_latencies_are_functions_of_seed_and_place():
    items = retrieval(tasks=3)
    item = items.items()[0]
    calls = items.truth(item).calls[0]
    right = Oracle(items, act_error=0.0, seed=1)
    wrong = Oracle(items, act_error=1.0, seed=1)
    for at, call in enumerate(calls):
        assert right.draft(item, 0, at) == call
        assert wrong.draft(item, 0, at) != call
        assert wrong.draft(item, 0, at) == Oracle(items, act_error=1.0, seed=1).draft(item, 0, at)
    stage = Stage(items, act_error=0.1, seed=1)
    assert bound_s(stage, item) == bound_s(stage, item)
    drawn = [stage.profile.reason(str(n)) for n in range(4000)]
    assert sorted(drawn)[2000] == pytest.approx(6.0, rel=0.1)
    assert max(drawn) <= 120.0


def test_wrong_calls_differ():
    draw = random.Random(0)
    for make in WORKLOADS.values():
        items = make(tasks=3)
        for item in items.items():
            for call in items.truth(item).calls[0]:
                assert not items.same(item, items.wrong(item, call, draw), call)


def test_everybody_does_the_task_and_nobody_who_asks_beats_the_bound():
    pytest.importorskip("langchain", reason="the peers are installed by `make bench` alone")
    from benchmarks.peers.contestants import CONTESTANTS
    from benchmarks.peers.jobs import run_jobs
    from benchmarks.peers.run import Setup

    names = tuple(name for name in CONTESTANTS if not name.endswith(("-act", "-routed")))
    setup = Setup(workload="plan-validation", contestants=names, act_error=0.0)
    done = run_jobs(setup, tasks=2)
    assert all(one.success for one in done), [one.why for one in done if not one.success]
    assert all(one.bound_s <= one.wall_s for one in done)
