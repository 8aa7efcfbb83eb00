"""The effect ledger in the process."""

from __future__ import annotations

from dataclasses import replace

from agentlanes.speculation.ledger import EffectRecord, MemoryLedger, effect_key


def test_a_key_is_for_one_place_of_one_run() -> None:
    keys = {effect_key(run, ordinal) for run in ("a", "b", "a1") for ordinal in range(12)}
    assert len(keys) == 36
    assert effect_key("a", 1) == effect_key("a", 1)


async def test_records_are_kept_as_they_were_written() -> None:
    ledger = MemoryLedger()
    record = EffectRecord(key="k", run="r", thread="t", ordinal=0, tool="mail", args="{}")
    assert await ledger.get("k") is None
    await ledger.put(record)
    await ledger.put(replace(record, status="started"))
    await ledger.put(replace(record, status="done", result="sent"))
    found = await ledger.get("k")
    assert found == replace(record, status="done", result="sent")
    assert [r.status for r in ledger.records()] == ["done"]
