from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from openai import AsyncOpenAI, OpenAI

from agentlanes.errors import EndpointUnreachable, WeightsError
from agentlanes.local import LocalServer

pytest.importorskip("xllamacpp", reason="the extra `local` is not installed")

WEATHER = {
    "title": "call",
    "type": "object",
    "properties": {
        "tool": {"const": "get_weather"},
        "city": {"type": "string", "maxLength": 20},
        "days": {"type": "integer", "minimum": 1, "maximum": 9},
        "unit": {"enum": ["celsius", "fahrenheit"]},
    },
    "required": ["tool", "city", "days", "unit"],
    "additionalProperties": False,
}
STABLE = "You look after the weather station of a small town and answer in JSON. " * 8


def _running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def _exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _gone(pid: int, limit_s: float = 20) -> bool:
    end = time.monotonic() + limit_s
    while _running(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not _running(pid)


def _busy(base_url: str) -> bool:
    with urllib.request.urlopen(f"{base_url.removesuffix('/v1')}/slots", timeout=10) as reply:
        return any(slot["is_processing"] for slot in json.load(reply))


def test_a_real_model_answers_inside_a_schema(smollm: Path) -> None:
    with (
        LocalServer(smollm, "smol", ctx=1024) as server,
        OpenAI(base_url=server.base_url, api_key="none", max_retries=0) as client,
    ):
        cached = []
        for question in ("Weather in Paris for three days?", "And in Oslo for two?"):
            reply = client.chat.completions.create(
                model="smol",
                messages=[
                    {"role": "system", "content": STABLE},
                    {"role": "user", "content": question},
                ],
                temperature=0,
                max_tokens=120,
                response_format={
                    "type": "json_schema",
                    "json_schema": {"name": "call", "schema": WEATHER, "strict": False},
                },
            )
            said = json.loads(reply.choices[0].message.content or "")
            assert set(said) == {"tool", "city", "days", "unit"}
            assert said["tool"] == "get_weather"
            assert said["city"]
            assert said["unit"] in {"celsius", "fahrenheit"}
            assert 1 <= said["days"] <= 9
            assert reply.model == "smol"
            assert reply.usage is not None
            assert reply.usage.prompt_tokens_details is not None
            cached.append(reply.usage.prompt_tokens_details.cached_tokens or 0)
        assert cached[0] < 10
        assert cached[1] > 100  # the stable prefix was not read again


def test_the_process_ends_with_the_block_and_can_start_again(smollm: Path) -> None:
    server = LocalServer(smollm, "smol", ctx=256)
    for _ in range(2):
        with server:
            pid = server.pid
            assert pid is not None
            assert _running(pid)
            assert server.alive
        assert not _exists(pid)  # waited for: not even a zombie
        assert server.pid is None
        with pytest.raises(EndpointUnreachable):
            _ = server.base_url
    assert "listening" in server.log_tail()


async def test_a_client_that_leaves_frees_the_slot(smollm: Path) -> None:
    async with (
        LocalServer(smollm, "smol", ctx=4096) as server,
        AsyncOpenAI(base_url=server.base_url, api_key="none", max_retries=0) as client,
    ):
        stream = await client.chat.completions.create(
            model="smol",
            messages=[{"role": "user", "content": "Count from one to ten thousand."}],
            temperature=0,
            max_tokens=4000,
            stream=True,
            extra_body={"ignore_eos": True},
        )
        async for _ in stream:
            break
        assert await asyncio.to_thread(_busy, server.base_url)
        await stream.close()
        for _ in range(100):
            if not await asyncio.to_thread(_busy, server.base_url):
                break
            await asyncio.sleep(0.05)
        else:
            pytest.fail("the slot is still busy")


PARENT = """
import sys, time
from agentlanes.local import LocalServer
server = LocalServer(sys.argv[1], "smol", ctx=256)
server.start()
print(server.pid, flush=True)
time.sleep(120)
"""


def test_the_server_dies_with_its_parent(smollm: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(smollm)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        try:
            assert _running(pid)
            parent.kill()  # no clean-up of its own
            parent.wait()
            assert _gone(pid)
        finally:
            if _running(pid):
                os.kill(pid, signal.SIGKILL)


def test_ctrl_c_of_the_terminal_is_left_to_the_parent(smollm: Path) -> None:
    with LocalServer(smollm, "smol", ctx=256) as server:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGINT)
        assert not _busy(server.base_url)  # still answers
        assert server.alive


async def test_cancelling_the_start_leaves_no_process(smollm: Path) -> None:
    server = LocalServer(smollm, "smol")
    start = asyncio.create_task(server.astart())
    for _ in range(400):
        if server.pid is not None:
            break
        await asyncio.sleep(0.005)
    pid = server.pid
    assert pid is not None
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert not _exists(pid)


def test_a_broken_model_is_a_weights_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    server = LocalServer(broken, "broken")
    with pytest.raises(WeightsError, match=r"broken\.gguf"):
        server.start()
    assert server.pid is None
    with pytest.raises(WeightsError, match="not there"):
        LocalServer(tmp_path / "absent.gguf", "absent").start()


def test_a_port_in_use_says_so(smollm: Path) -> None:
    with LocalServer(smollm, "one", ctx=256) as first:
        port = int(first.base_url.removesuffix("/v1").rpartition(":")[2])
        with pytest.raises((WeightsError, EndpointUnreachable), match=r"port|bind|address"):
            LocalServer(smollm, "two", ctx=256, port=port).start()


def test_a_missing_extra_is_named(smollm: Path) -> None:
    code = """
import sys
sys.modules["xllamacpp"] = None
from agentlanes.errors import MissingExtra
from agentlanes.local import LocalServer
try:
    LocalServer(sys.argv[1], "smol").start()
except MissingExtra as error:
    print(error.extra)
"""
    run = [sys.executable, "-c", code, str(smollm)]
    said = subprocess.run(run, capture_output=True, text=True, timeout=60, check=True).stdout
    assert said.strip() == "local"
