from __future__ import annotations

import asyncio
import socket
import time

import pytest

from agentlanes.errors import DeadlineExceeded
from agentlanes.lanes.policies.deadline import Patient, current, deadline_scope, step_scope
from agentlanes.lanes.policies.pulse import Pulse
from agentlanes.testing import VirtualClock


def test_the_earlier_deadline_holds() -> None:
    assert current() is None
    with deadline_scope(10.0):
        with deadline_scope(5.0, of="step"):
            assert (current().at, current().of) == (5.0, "step")  # type: ignore[union-attr]
        with deadline_scope(None, of="step"):
            assert (current().at, current().of) == (10.0, "run")  # type: ignore[union-attr]
        with deadline_scope(20.0, of="step"):
            assert (current().at, current().of) == (10.0, "run")  # type: ignore[union-attr]
    assert current() is None


def test_it_reaches_the_tasks_below() -> None:
    async def main() -> None:
        async def below() -> float | None:
            await asyncio.sleep(0)
            deadline = current()
            return deadline.at if deadline else None

        with deadline_scope(7.0):
            task = asyncio.create_task(below())
        assert await task == 7.0
        assert await below() is None

    VirtualClock.run(main())


def test_steps_end_in_time() -> None:
    async def main() -> None:
        clock = asyncio.get_running_loop().time
        async with step_scope():
            await asyncio.sleep(1000)
        began = clock()
        with deadline_scope(began + 5, step_timeout_s=2):
            for _ in range(2):
                with pytest.raises(DeadlineExceeded, match="step_timeout_s"):
                    async with step_scope():
                        await asyncio.sleep(1000)
            assert clock() - began == pytest.approx(4.2)
            with pytest.raises(DeadlineExceeded, match="run_timeout_s"):
                async with step_scope():
                    await asyncio.sleep(1000)
            assert clock() - began == pytest.approx(5.1)
            with pytest.raises(DeadlineExceeded, match="run_timeout_s"):
                async with step_scope():
                    raise AssertionError("never begun")
        with deadline_scope(None, step_timeout_s=2):
            with pytest.raises(TimeoutError, match="its own"):
                async with step_scope():
                    raise TimeoutError("its own")
            async with step_scope():
                await asyncio.sleep(1)

    VirtualClock.run(main())


async def test_patience_with_a_blocked_loop() -> None:
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    reader, own = await asyncio.open_connection(sock=ours)
    _, writer = await asyncio.open_connection(sock=theirs)

    async def answer_late(*, answers: bool) -> bytes:
        if answers:
            writer.write(b"x")
        async with Patient(loop.time() + 0.05, blocked_s=0.1):
            loop.call_soon(time.sleep, 0.4)  # nothing can be read while it lasts
            return await reader.readexactly(1)

    assert await answer_late(answers=True) == b"x"
    with pytest.raises(TimeoutError):
        await answer_late(answers=False)
    with pytest.raises(TimeoutError):  # whoever comes late is not forgiven again and again
        async with Patient(loop.time() - 1, blocked_s=60):
            await reader.readexactly(1)
    for end in (own, writer):
        end.close()
        await end.wait_closed()


async def test_a_pulse_feels_that_the_loop_stands_still() -> None:
    pulse = Pulse(0.8)
    await asyncio.sleep(0.01)
    time.sleep(0.5)  # noqa: ASYNC251 - it comes back long before the time is over
    await asyncio.sleep(0.01)
    assert pulse.still_s > 0.4
    pulse.stop()
    felt = pulse.still_s
    time.sleep(0.1)  # noqa: ASYNC251
    await asyncio.sleep(0.01)
    assert pulse.still_s == felt
