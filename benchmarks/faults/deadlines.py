"""Row 25: a deadline of two seconds holds whatever the endpoint does, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import time
from contextlib import suppress
from pathlib import Path
from typing import get_args

from agentlanes.lanes.policies.deadline import deadline_scope
from agentlanes.testing import EndpointServer, Fault, Reply
from agentlanes.testing.faults import FaultKind
from benchmarks.faults.lab import (
    ROLES,
    TEXT,
    Checks,
    LaneChatModel,
    Row,
    Settings,
    call,
    calm,
    lag,
    lane_at,
)

__all__ = ["ROWS"]

_DEADLINE_S, _ALLOWED_S = 2.0, 0.25
_AT_ONCE = 16
_MORE = {
    "throttled for ever": Fault(kind="status", status=429),
    "throttled for long": Fault(kind="status", status=429, retry_after="130"),
    "throttled for a while": Fault(kind="status", status=429, retry_after="1"),
    "stall before the headers": Fault(kind="stall", after_chunks=0),
    "a stall that ends": Fault(kind="stall", stall_s=0.5),
    "FIN in the middle": Fault(kind="cut", close="fin"),
}


async def any_row(checks: Checks) -> None:
    faults = {kind: Fault(kind=kind, every_s=0.05) for kind in get_args(FaultKind)} | _MORE

    def script(body: dict[str, object]) -> Reply:
        return Reply(content=TEXT, tool_calls=[("look", {"city": "Paris"})])

    before = await _held()
    server = EndpointServer(script, faults=lambda log: faults[log.model])
    with server.serve_in_thread():
        worst_s, ended = 0.0, dict[str, int]()
        lanes = [
            (f"{role} {name}", lane_at(server.base_url, name, **fields), role)
            for fields in ({}, {"extra_body": {"stream": False}})
            for name in faults
            for role in ROLES
        ]
        for start in range(0, len(lanes), _AT_ONCE):
            models = [
                (name, LaneChatModel.from_lane(lane, role, Settings()))
                for name, lane, role in lanes[start : start + _AT_ONCE]
            ]
            async with lag() as late:
                seen = await asyncio.gather(*(_one(name, model) for name, model in models))
            for _, model in models:
                await model.aclose()
            for name, said, took_s in seen:
                worst_s = max(worst_s, took_s)
                ended[said] = ended.get(said, 0) + 1
                most = _DEADLINE_S + _ALLOWED_S + late.worst_s
                checks.that(took_s <= most, f"{name}: {took_s:.2f} s")
                checks.that(not said.startswith("crash"), f"{name}: {said}")
    await calm()
    after = await _held()
    checks.that(after[0] == before[0], f"{after[0] - before[0]} tasks are left")
    checks.that(after[1] <= before[1], f"{after[1] - before[1]} sockets are left")
    checks.saw(f"{sum(ended.values())} calls, the last after {worst_s:.2f} s; {ended}")


async def _one(name: str, model: LaneChatModel) -> tuple[str, str, float]:
    began = time.monotonic()
    try:
        with deadline_scope(began + _DEADLINE_S):
            said = await call(model)
        took_s = time.monotonic() - began
        said = "answered" if said == TEXT else said
    except Exception as error:
        took_s, said = time.monotonic() - began, f"crash: {type(error).__name__}: {error}"
    return name, said, took_s


async def _held() -> tuple[int, int]:
    """Count the tasks of this loop and the sockets of this process."""
    await calm()
    gc.collect()
    return len(asyncio.all_tasks()), _sockets()


def _sockets() -> int:
    count = 0
    for place in Path("/proc/self/fd").glob("*"):
        with suppress(OSError):  # the one that lists them is gone by now
            count += place.readlink().name.startswith("socket:")
    return count


ROWS = (
    Row(
        number=25,
        name="2 s deadline under any row",
        expected="returns <= 2.25 s, no leaked task or socket",
        run=any_row,
    ),
)
