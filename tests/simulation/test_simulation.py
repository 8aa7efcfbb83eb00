"""Generated schedules: running ahead changes nothing but the time, whatever happens.

Shrinking takes minutes, so what fails here is reported as it was drawn;
`python -m benchmarks.prove.schedules --shrink` cuts it down.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.simulation.claims import check, check_troubled
from tests.simulation.found import FOUND
from tests.simulation.schedules import Schedule, schedules, troubled

COMMON = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.timeout(900)
@settings(COMMON, max_examples=500)
@given(schedules())
def test_running_ahead_ends_as_the_serial_run_does(schedule: Schedule) -> None:
    check(schedule)


@pytest.mark.timeout(900)
@settings(COMMON, max_examples=100)
@given(troubled())
def test_a_disturbed_run_ends_as_an_undisturbed_one_does(schedule: Schedule) -> None:
    check_troubled(schedule)


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_once_holds(name: str) -> None:
    schedule = FOUND[name]
    check(replace(schedule, troubles=()))
    check_troubled(schedule)
