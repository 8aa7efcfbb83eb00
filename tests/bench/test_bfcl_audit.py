"""The effect table of BFCL's APIs holds, as far as a good number of calls can say."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agentlanes.bench.bfcl_audit import audit_apis, mutating_getters
from agentlanes.bench.bfcl_calls import Catalog
from agentlanes.bench.bfcl_data import CATEGORIES, Task, load_tasks
from agentlanes.bench.bfcl_effects import EFFECTS
from agentlanes.testing import EffectAudit


@pytest.fixture(scope="module")
def some(wheel: Path) -> list[Task]:
    """Tasks of all categories, and so of all APIs."""
    return [task for name in CATEGORIES for task in load_tasks(wheel, category=name)[::5]]


@pytest.fixture(scope="module")
def audits(catalog: Catalog, some: list[Task]) -> dict[str, EffectAudit]:
    found = asyncio.run(audit_apis(catalog, some, explore_every=6))
    return {audit.tool: audit for audit in found}


def test_every_tool_is_audited_and_no_declared_class_is_contradicted(
    audits: dict[str, EffectAudit],
) -> None:
    assert set(audits) == {name for tools in EFFECTS.values() for name in tools}
    assert [audit.explain() for audit in audits.values() if audit.contradicted] == []
    assert all(audit.calls > audit.failed for audit in audits.values())


def test_the_getters_that_mutate_are_named(audits: dict[str, EffectAudit]) -> None:
    found = {audit.tool: audit for audit in mutating_getters(audits.values())}
    assert set(found) == {
        "get_current_speed",
        "get_flight_cost",
        "get_outside_temperature_from_google",
        "logarithm",
        "square_root",
    }
    assert "TravelAPI._flight_cost_lookup['" in found["get_flight_cost"].explain()
    assert "VehicleControlAPI._random" in found["get_outside_temperature_from_google"].places
    # In a long context it also writes a table that all instances share.
    assert any(
        "LONG_WEATHER" in place for place in found["get_outside_temperature_from_google"].places
    )
    assert found["square_root"].places == {"decimal.prec": found["square_root"].changing}


def test_nothing_is_fenced_for_no_reason(audits: dict[str, EffectAudit]) -> None:
    fenced = {name for tools in EFFECTS.values() for name, kind in tools.items() if kind == "write"}
    idle = {name for name in fenced if not audits[name].changing}
    assert "contact_customer_support" in idle  # keeps no state, but somebody gets the message
    # The others need arguments that few of these worlds have a use for.
    assert idle <= {"contact_customer_support", "edit_ticket", "rmdir", "unfollow_user"}
