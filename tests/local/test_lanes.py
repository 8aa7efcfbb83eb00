from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from agentlanes.config import Settings
from agentlanes.errors import WeightsError
from agentlanes.lanes.lane import Lane
from agentlanes.local import LocalLanes, Sources, local_lanes

pytest.importorskip("xllamacpp", reason="the extra `local` is not installed")

SERVE = """
import argparse
from agentlanes.local import up
parser = argparse.ArgumentParser()
up.add_arguments(parser)
raise SystemExit(up.main(parser.parse_args()))
"""


def _models(lane: Lane) -> list[str]:
    with urllib.request.urlopen(f"{lane.base_url}/models", timeout=10) as reply:
        return [model["id"] for model in json.load(reply)["data"]]


def test_both_lanes_serve_for_the_length_of_the_block(smollm: Path) -> None:
    lanes = LocalLanes("smollm2-135m", smollm, ctx=256, progress=False)
    with lanes as (act, reason):
        assert act.base_url != reason.base_url
        assert _models(act) == [act.model] == ["smollm2-135m"]
        assert _models(reason) == [reason.model] == [smollm.stem]
        assert (act.tool_format, act.structured, act.temperature) == ("json", "json_schema", 0)
        pids = [server.pid for server in lanes.servers]
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert lanes.servers == ()


async def test_the_same_from_async_code(smollm: Path) -> None:
    examples = [("Weather in Rome?", {"tool": "get_weather", "args": {"city": "Rome"}})]
    async with local_lanes(smollm, smollm, progress=False, ctx=256, act_examples=examples) as (
        act,
        reason,
    ):
        assert act.examples == tuple(examples)
        assert reason.examples == ()
        assert await asyncio.to_thread(_models, act) == [act.model]
        assert await asyncio.to_thread(_models, reason) == [reason.model]


def test_a_lane_that_cannot_be_served_leaves_no_other_running(smollm: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    lanes = LocalLanes(smollm, broken, ctx=256, progress=False)
    with pytest.raises(WeightsError, match="broken"), lanes:
        pytest.fail("it served a broken model")
    assert lanes.servers == ()


@pytest.mark.timeout(60)
async def test_cancelling_while_the_hub_is_silent_returns(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        sources = Sources(
            hub_endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}",
            hub_give_up_s=5,
            pip_args=("--no-index",),
        )
        lanes = LocalLanes(settings=settings, progress=False, sources=sources)
        entering = asyncio.create_task(lanes.__aenter__())
        loop = asyncio.get_running_loop()
        connection, _ = await loop.sock_accept(silent)  # the hub was asked
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
        connection.close()


async def test_offline_without_weights_is_an_error(settings: Settings) -> None:
    lanes = local_lanes(settings=replace(settings, offline=True), progress=True)
    with pytest.raises(WeightsError, match="AGENTLANES_OFFLINE"):
        await lanes.__aenter__()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_up_serves_until_it_is_told_to_end(smollm: Path, ending: signal.Signals) -> None:
    command = [sys.executable, "-c", SERVE, "--act", str(smollm), "--reason", "smollm2-135m"]
    with subprocess.Popen(
        [*command, "--ctx", "256", "--port", "0"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or "Ctrl-C" not in lines[-1]:
            line = process.stdout.readline()
            assert line, lines
            lines.append(line)
        pasted = "".join(
            lines[lines.index("from agentlanes.lanes.lane import Lane, Timers\n") : -2]
        )
        names: dict[str, Lane] = {}
        exec(pasted, names)
        assert _models(names["act"]) == [smollm.stem]
        assert _models(names["reason"]) == ["smollm2-135m"]
        process.send_signal(ending)
        assert process.wait(timeout=30) == 0
    with pytest.raises(OSError, match="refused"):
        _models(names["act"])


def test_up_says_what_is_wrong() -> None:
    run = [sys.executable, "-c", SERVE, "--act", "no-such-model"]
    ended = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "smollm2-135m" in ended.stderr
    assert "Traceback" not in ended.stderr
