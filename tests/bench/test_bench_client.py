"""The comparison of clients, with those that are installed here and a load that is none."""

from __future__ import annotations

import pytest

from benchmarks.client.__main__ import endpoint_process
from benchmarks.client.callers import Caller, Lane, LaneStream, OpenAI
from benchmarks.client.faults import make_fail
from benchmarks.client.load import Level, measure
from benchmarks.client.server import FAULTS, TEXT


@pytest.mark.parametrize("kind", [OpenAI, Lane, LaneStream])
async def test_a_client_is_measured(kind: type[OpenAI] | type[Lane]) -> None:
    level = Level(in_flight=5, answer_ms=5, calls=20)
    with endpoint_process() as base_url:
        caller: Caller = kind(base_url)
        assert await caller.call("answer/1") == TEXT
        sample = await measure(caller, level)
        gave = {
            fault: await make_fail(caller, base_url, fault, 0, TEXT)
            for fault in FAULTS
            if "429" not in fault
        }
        await caller.aclose()
    assert sample.failed == 0
    assert sample.cpu_ms > 0
    assert gave["400"].requests == 1
    assert gave["503 for ever"].requests == 3
    quiet = {fault for fault, outcome in gave.items() if not outcome.gave.endswith("Error")}
    if kind is OpenAI:  # what the SDK takes for a reply
        assert {"no finish reason", "web page with status 200"} <= quiet
    else:
        assert not any("characters" in one.gave or "reply" in one.gave for one in gave.values())
