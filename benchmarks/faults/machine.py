"""Rows 39, 40 and 42 to 44: the policies at random, and a machine on which something is missing."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from agentlanes.speculation.ledger import open_ledger
from agentlanes.testing import EndpointServer
from benchmarks.faults.lab import TEXT, Checks, Row, fine
from tests.lanes.policies.test_policy_machines import run_machines
from tests.speculation.test_ledger_machine import LedgerMachine

__all__ = ["ROWS"]

_STEPS = 10_000
_FILES, _CALLS = 24, 5000


async def at_random(checks: Checks) -> None:
    policies = await asyncio.to_thread(run_machines, examples=70, steps=60)
    ledger = await asyncio.to_thread(_ledger_steps)
    checks.saw(f"{policies:,} steps of breaker, budget and limiter, {ledger:,} of the ledger")
    checks.that(policies >= _STEPS, f"only {policies} steps of the policies")
    checks.that(ledger >= _STEPS, f"only {ledger} steps of the ledger")


def _ledger_steps() -> int:
    with tempfile.TemporaryDirectory() as folder:
        places = iter(range(10**9))

        class Machine(LedgerMachine):
            def __init__(self) -> None:
                where = Path(folder) / f"{next(places)}.db"
                super().__init__(lambda: open_ledger(where))

        Machine.steps = 0
        chosen = settings(max_examples=200, stateful_step_count=60, deadline=None)
        run_state_machine_as_test(Machine, settings=chosen)
    return Machine.steps


async def langsmith_down(checks: Checks) -> None:
    try:
        from benchmarks.faults.langsmith import row_40
    except ModuleNotFoundError:
        checks.that(False, "there is no benchmarks/faults/langsmith.py")
        return
    held, seen = await asyncio.to_thread(row_40)
    checks.saw(seen)
    checks.that(held, seen)


async def clock_jumps(checks: Checks) -> None:
    library = _libfaketime()
    with tempfile.TemporaryDirectory() as folder:
        env = dict(os.environ)
        if library is not None:
            moved = Path(folder) / "offset"
            moved.write_text("+0\n")
            env |= {
                "LD_PRELOAD": str(library),
                "FAKETIME_TIMESTAMP_FILE": str(moved),
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
        code, said = await _child("benchmarks.faults.clock_jump", env=env)
    checks.saw(f"{'libfaketime' if library else 'time.time replaced'}: {said}")
    checks.that(code == 0, said)


def _libfaketime() -> Path | None:
    return next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


async def no_vocabulary(checks: Checks) -> None:
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "TIKTOKEN_CACHE_DIR": folder}
        code, said = await _child("benchmarks.faults.offline", env=env)
    checks.that(code == 0, said)
    method, tokens, own, tried = json.loads(said)
    checks.that(method == "estimate" and tokens == own > 0, f"{method}, {tokens}, {own}")
    checks.that(not tried, f"tried {tried}")
    checks.saw(f"{tokens} tokens by estimate, no connection tried")


async def few_files(checks: Checks) -> None:
    server = EndpointServer(fine)
    with server.serve_in_thread():
        code, said = await _child(
            "benchmarks.faults.few_files", server.base_url, str(_FILES), str(_CALLS)
        )
        made = len(server.requests)
    checks.that(code == 0, said)
    found = json.loads(said)
    checks.saw(
        f"{_CALLS} calls with {_FILES} files: {made} requests, {found['limit']} at once in the end"
    )
    checks.that(found["cut"], "the files were never used up")
    checks.that(found["ended"] == {TEXT: _CALLS}, f"ended with {found['ended']}")


async def _child(module: str, *args: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *args, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        out, err = await child.communicate()
    except asyncio.CancelledError:
        child.kill()
        await child.wait()
        raise
    code = child.returncode or 0
    return code, out.decode().strip() or err.decode()[-400:]


ROWS = (
    Row(
        number=39,
        name="stateful property test of breaker, budget, ledger",
        expected=">= 10,000 steps, no violation",
        run=at_random,
        apart=True,
    ),
    Row(
        number=40,
        name="LangSmith refused or black hole",
        expected="<= 5% step CPU, memory <= +64 MiB, exit <= 5 s",
        run=langsmith_down,
        apart=True,
    ),
    Row(number=42, name="clock jumps an hour", expected="no effect", run=clock_jumps),
    Row(
        number=43,
        name="tokenizer vocabulary unreachable",
        expected="estimate used, no network",
        run=no_vocabulary,
    ),
    Row(
        number=44,
        name="file descriptors exhausted, 5,000 calls",
        expected="queueing, no lost run",
        run=few_files,
        apart=True,
    ),
)
