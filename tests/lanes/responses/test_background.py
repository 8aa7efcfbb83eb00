from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from agentlanes.config import Settings
from agentlanes.errors import DeadlineExceeded, EndpointRefused, LaneError, MalformedReply
from agentlanes.lanes.chat_model import LaneChatModel
from agentlanes.lanes.lane import Lane, Timers
from agentlanes.lanes.lane_call import LaneCall
from agentlanes.lanes.responses.store import claim
from agentlanes.testing import EndpointServer, Fault, Latency, Reply, on_requests

VERDICT = Reply(reasoning="Is it right? It is.", content='{"verdict": "approve"}')
SLOW = Latency(first_token_s=0.1, token_s=0.02)
NEVER = Latency(first_token_s=600)
POLLS = {"stream": False}


def model_at(base_url: str, **fields: Any) -> LaneChatModel:
    lane = Lane("m", base_url=base_url, api="responses", background=True, **fields)
    return LaneChatModel.from_lane(lane, "reason", Settings())


def kinds(server: EndpointServer) -> list[str]:
    return [what for what, _ in server.background.asked]


def records(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in folder.iterdir()]


async def written(folder: Path) -> None:
    while not any(records(folder)):  # noqa: ASYNC110 - nothing but the file tells
        await asyncio.sleep(0.01)


def statuses(server: EndpointServer) -> list[str]:
    return [server.background.status(given) for _, given in server.background.asked]


@pytest.mark.parametrize("extra", [{}, POLLS], ids=["streamed", "polled"])
async def test_a_reply_from_the_background_is_like_any_other(extra: dict[str, Any]) -> None:
    async with EndpointServer(lambda body: VERDICT, latency=SLOW) as server:
        model = model_at(server.base_url, extra_body=extra)
        message = await model.ainvoke("?")
        chunks = [chunk async for chunk in model.astream("?")]
        body = server.requests[0].body
    assert message.text == "".join(chunk.text for chunk in chunks) == VERDICT.content
    assert message.additional_kwargs["reasoning_content"] == VERDICT.reasoning
    assert (body["background"], body["store"]) == (True, True)
    assert "cancel" not in kinds(server)
    assert len(server.requests) == 2
    if not extra:
        assert kinds(server) == []
        assert message.response_metadata["agentlanes_times"]["first_reasoning_ms"] > 0
    else:
        assert set(kinds(server)) == {"get"}


@pytest.mark.parametrize("extra", [{}, POLLS], ids=["streamed", "polled"])
def test_without_an_event_loop(extra: dict[str, Any]) -> None:
    server = EndpointServer(lambda body: VERDICT, latency=SLOW)
    with server.serve_in_thread():
        model = model_at(server.base_url, extra_body=extra)
        assert model.invoke("?").text == VERDICT.content
        assert "".join(chunk.text for chunk in model.stream("?")) == VERDICT.content
    assert "cancel" not in kinds(server)


@pytest.mark.parametrize("close", ["rst", "fin"])
@pytest.mark.parametrize("streams", [True, False])
async def test_a_connection_that_breaks_is_made_again_where_it_broke(
    close: Any, streams: bool
) -> None:
    faults = on_requests(Fault(kind="cut", after_chunks=7, close=close))
    async with EndpointServer(lambda body: VERDICT, latency=SLOW, faults=faults) as server:
        model = model_at(server.base_url, max_attempts=1)
        if streams:
            text = "".join([chunk.text async for chunk in model.astream("?")])
        else:
            text = (await model.ainvoke("?")).text
    assert text == VERDICT.content
    assert len(server.requests) == 1
    assert kinds(server) == ["stream"]


@pytest.mark.parametrize("extra", [{}, POLLS], ids=["streamed", "polled"])
async def test_a_task_that_is_cancelled_cancels_the_response(
    extra: dict[str, Any], tmp_path: Path
) -> None:
    async with EndpointServer(lambda body: VERDICT, latency=NEVER) as server:
        model = model_at(server.base_url, background_store=tmp_path, extra_body=extra)
        task = asyncio.create_task(model.ainvoke("?"))
        async with asyncio.timeout(10):
            await written(tmp_path)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert kinds(server)[-1] == "cancel"
        assert statuses(server)[-1] == "cancelled"
        assert len(server.requests) == 1
    assert records(tmp_path) == []


async def test_a_stream_that_is_left_early_cancels_the_response() -> None:
    slow = Latency(first_token_s=0.05, token_s=60)
    async with EndpointServer(lambda body: VERDICT, latency=slow) as server:
        stream = model_at(server.base_url).astream("?")
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        del stream  # langchain's own generator lets go of the lane's when it is collected
        async with asyncio.timeout(10):
            await server.background.first_asked.wait()
        assert kinds(server) == ["cancel"]
        assert statuses(server) == ["cancelled"]


@pytest.mark.parametrize("extra", [{}, POLLS], ids=["streamed", "polled"])
async def test_timers_hold_and_what_is_late_is_cancelled(extra: dict[str, Any]) -> None:
    timers = Timers(connect_s=1, first_token_s=0.4, progress_s=0.4, total_s=0.6)
    async with EndpointServer(lambda body: VERDICT, latency=NEVER) as server:
        model = model_at(server.base_url, timers=timers, extra_body=extra, max_attempts=1)
        with pytest.raises(DeadlineExceeded):
            await model.ainvoke("?")
        assert kinds(server)[-1] == "cancel"


async def test_an_unusable_reply_and_a_failed_response_are_typed() -> None:
    cut = Reply(tool_calls=[("pay", '{"sum": ')])
    failed = Reply(error={"code": "invalid_prompt", "message": "no"}, content="never")
    async with EndpointServer({"m": lambda body: cut}) as server:
        with pytest.raises(MalformedReply):
            await model_at(server.base_url, max_attempts=1).ainvoke("?")
    async with EndpointServer({"m": lambda body: failed}) as server:
        with pytest.raises(EndpointRefused, match="invalid_prompt"):
            await model_at(server.base_url, extra_body=POLLS, max_attempts=1).ainvoke("?")


async def test_a_request_that_is_made_again_takes_the_response_up(tmp_path: Path) -> None:
    """The endpoint cannot be reached for longer than the lane waits: the response goes on."""
    timers = Timers(connect_s=1, first_token_s=0.5, progress_s=0.5, total_s=1)
    async with EndpointServer(lambda body: VERDICT, latency=NEVER) as server:
        url, known = server.base_url, server.background
        lost = model_at(url, timers=timers, background_store=tmp_path, extra_body=POLLS)
        task = asyncio.create_task(lost.ainvoke("?"))
        await known.first_asked.wait()
    with pytest.raises(LaneError):
        await task
    assert len(records(tmp_path)) == 1
    port = int(url.rsplit(":", 1)[1].removesuffix("/v1"))
    again = EndpointServer(lambda body: VERDICT, port=port)
    again.background = known  # the same endpoint, back from its restart
    known.hurry()
    async with again:
        found = model_at(url, background_store=tmp_path, extra_body=POLLS)
        assert (await found.ainvoke("?")).text == VERDICT.content
        assert again.requests == []
    assert records(tmp_path) == []


async def test_a_response_that_is_gone_is_asked_for_anew(tmp_path: Path) -> None:
    async with EndpointServer(lambda body: VERDICT) as server:
        model = model_at(server.base_url, background_store=tmp_path, max_attempts=1)
        await model.ainvoke("?")
        leave_record(tmp_path, server.base_url)
        assert (await model.ainvoke("?")).text == VERDICT.content
        assert kinds(server) == ["stream"]
        assert len(server.requests) == 2
    assert records(tmp_path) == []


def leave_record(folder: Path, base_url: str) -> None:
    """Leave what a process leaves behind whose response the endpoint has dropped since."""
    lane = Lane("m", base_url=base_url, api="responses", background=True, background_store=folder)
    call = LaneCall(
        lane,
        timers=lane.timers_as("reason"),
        base_url=base_url,
        key=None,
        messages=[HumanMessage("?")],
        stop=None,
        options={},
        now=0.0,
    )
    assert call.background is not None
    record = claim(folder, call.background.digest)
    record.remember("resp_gone")
    record.release()


WORKER = """
    import asyncio, sys
    from pathlib import Path
    from agentlanes.config import Settings
    from agentlanes.lanes.chat_model import LaneChatModel
    from agentlanes.lanes.lane import Lane

    lane = Lane("m", base_url=sys.argv[1], api="responses", background=True,
                background_store=Path(sys.argv[2]))
    model = LaneChatModel.from_lane(lane, "reason", Settings())
    print(asyncio.run(model.ainvoke("?")).text)
"""


def test_a_process_that_was_killed_finds_its_response_again(tmp_path: Path) -> None:
    server = EndpointServer(lambda body: VERDICT, latency=Latency(first_token_s=2.0))
    with server.serve_in_thread():
        worker = textwrap.dedent(WORKER)
        command = [sys.executable, "-c", worker, server.base_url, str(tmp_path)]
        first = subprocess.Popen(command, stdout=subprocess.PIPE)
        while not any(records(tmp_path)):
            assert first.poll() is None
            signal.sigtimedwait([], 0.02)
        os.kill(first.pid, signal.SIGKILL)
        first.communicate()
        second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert second.stdout.strip() == VERDICT.content
    assert len(server.requests) == 1
    assert "cancel" not in kinds(server)
    assert records(tmp_path) == []


async def test_equal_requests_at_the_same_time_have_a_response_each(tmp_path: Path) -> None:
    async with EndpointServer(lambda body: VERDICT, latency=SLOW) as server:
        model = model_at(server.base_url, background_store=tmp_path)
        both = await asyncio.gather(model.ainvoke("?"), model.ainvoke("?"))
        assert {m.text for m in both} == {VERDICT.content}
        ids = {m.response_metadata["reply_id"] for m in both}
        assert len(ids) == len(server.requests) == 2
    assert records(tmp_path) == []
