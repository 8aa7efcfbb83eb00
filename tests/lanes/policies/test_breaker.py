from __future__ import annotations

from agentlanes.lanes.policies.breaker import Breaker


def fail(breaker: Breaker, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        breaker.failed(now, since=now)


def test_opens_after_five_in_a_row() -> None:
    breaker = Breaker(draw=lambda: 0.5)
    fail(breaker, 4)
    breaker.succeeded(0.0, since=0.0)
    fail(breaker, 4)
    assert breaker.enter(0.0) == "go"
    fail(breaker, 1)
    assert breaker.enter(0.0) == "shut"
    assert breaker.retry_in_s(0.0) == 7.5
    assert breaker.enter(7.4) == "shut"
    assert breaker.enter(7.5) == "probe"


def test_opens_at_half_of_ten_in_thirty_seconds() -> None:
    breaker = Breaker()
    for at in range(9):
        (breaker.failed if at % 2 else breaker.succeeded)(float(at), since=float(at))
    assert breaker.closed  # four of nine
    breaker.failed(9.0, since=9.0)
    assert not breaker.closed

    spread = Breaker()
    for at in range(0, 200, 4):  # seven in any thirty seconds
        (spread.failed if at % 8 else spread.succeeded)(float(at), since=float(at))
        assert spread.closed


def test_one_probe_and_then_longer_each_time() -> None:
    breaker = Breaker(draw=lambda: 1.0)
    fail(breaker, 5)
    now, stays = 0.0, []
    for _ in range(6):
        stays.append(breaker.retry_in_s(now))
        now += stays[-1]
        assert [breaker.enter(now) for _ in range(100)] == ["probe"] + ["wait"] * 99
        breaker.failed(now, since=now, probe=True)
        assert breaker.enter(now) == "shut"
    assert stays == [10.0, 20.0, 40.0, 60.0, 60.0, 60.0]
    now += 60
    assert breaker.enter(now) == "probe"
    breaker.succeeded(now, since=now, probe=True)
    assert breaker.enter(now) == "go"
    fail(breaker, 5, now)
    assert breaker.retry_in_s(now) == 10.0  # a success makes it patient again


def test_stays_open_within_its_bounds() -> None:
    for drawn in (0.0, 0.3, 1.0):
        breaker, now = Breaker(draw=lambda drawn=drawn: drawn), 0.0
        fail(breaker, 5)
        for _ in range(50):
            stays = breaker.retry_in_s(now)
            assert 5.0 - 1e-6 <= stays <= 60.0 + 1e-6
            now += stays + 1e-6
            assert breaker.enter(now) == "probe"
            breaker.failed(now, since=now, probe=True)


def test_a_probe_that_shows_nothing_is_made_again() -> None:
    breaker = Breaker(draw=lambda: 0.0)
    fail(breaker, 5)
    assert breaker.enter(6.0) == "probe"
    breaker.abandoned(probe=True)
    assert breaker.enter(6.0) == "probe"
    assert breaker.enter(6.0) == "wait"
    breaker.abandoned()
    assert breaker.enter(6.0) == "wait"


def test_what_began_before_a_change_counts_no_longer() -> None:
    breaker = Breaker(draw=lambda: 0.0)
    fail(breaker, 5)
    assert breaker.enter(6.0) == "probe"
    breaker.succeeded(6.1, since=6.0, probe=True)
    for _ in range(20):
        breaker.failed(7.0, since=0.0)
    assert breaker.enter(7.0) == "go"
