from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import openai
import pytest

from agentlanes.cli import endpoint
from agentlanes.errors import ConfigError
from agentlanes.testing.endpoint import RequestLog
from agentlanes.testing.latency import Latency, LogNormal


@contextmanager
def running(*options: str) -> Iterator[tuple[subprocess.Popen[str], str, list[str]]]:
    command = [sys.executable, "-m", "agentlanes.cli.main", "endpoint", *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ}
    )
    assert process.stdout is not None
    lines: list[str] = []
    try:
        for line in process.stdout:
            lines.append(line.rstrip())
            if line.startswith("Ctrl-C"):
                break
        found = re.search(r"http://\S+/v1", "\n".join(lines))
        assert found, lines
        yield process, found.group(), lines
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            lines += process.stdout.read().splitlines()
            process.wait(timeout=30)
        process.stdout.close()


def test_a_client_is_served_by_both_apis_and_the_end_is_summed_up() -> None:
    options = ("--profile", "instant", "--fault", "broken=status=503", "--seed", "3")
    with (
        running(*options) as (process, url, lines),
        openai.OpenAI(base_url=url, api_key="any", max_retries=0) as client,
    ):
        said = client.chat.completions.create(
            model="act", messages=[{"role": "user", "content": "Good morning"}]
        )
        assert said.choices[0].message.content == "You said: Good morning"
        answered = client.responses.create(model="reason", input="Good evening")
        assert answered.output_text == "You said: Good evening"
        assert answered.output[0].type == "reasoning"
        with pytest.raises(openai.InternalServerError):
            client.responses.create(model="broken", input="hi")
    assert process.returncode == 0
    text = "\n".join(lines)
    assert f"export OPENAI_BASE_URL={url}" in text
    assert f"export AGENTLANES_ACT_URL={url} AGENTLANES_ACT_MODEL=act" in text
    assert re.search(r"chat +act +whole +200 .*'Good morning'", text)
    assert re.search(r"responses +broken +whole +503 .*fault: status", text)
    assert "3 requests\n  answered: 2 x 200, 1 x 503\n  faults:   1 x status" in text


def arguments(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    endpoint.add_arguments(parser)
    return parser.parse_args(given)


def request(model: str, nth: int = 1) -> RequestLog:
    body = {"model": model, "messages": [], "nth": nth}
    return RequestLog(body=body, model=model, stream=True, nth=nth, t_start=0.0)


def test_profiles_are_for_all_or_for_one() -> None:
    assert endpoint._profile_of(arguments(), "reason-7") == "reasoning"
    assert endpoint._profile_of(arguments(), "act") == "fast"
    assert endpoint._profile_of(arguments("--profile", "instant"), "reason") == "instant"
    mixed = arguments("--profile", "instant", "--profile", "slow*=reasoning")
    assert endpoint._profile_of(mixed, "slow-1") == "reasoning"
    assert endpoint._profile_of(mixed, "act") == "instant"
    with pytest.raises(ConfigError, match="no profile 'slow'"):
        endpoint._profile_of(arguments("--profile", "slow"), "act")
    assert isinstance(endpoint.PROFILES["instant"](0), Latency)
    assert isinstance(endpoint.PROFILES["reasoning"](0), LogNormal)


def test_faults_are_for_all_or_for_one_and_drawn_with_their_chance() -> None:
    plan = endpoint._faults(["status=429", "act=stall:0"], 0)
    assert plan is not None
    first = plan(request("act"))
    assert first is not None
    assert first.status == 429
    some = endpoint._faults(["act=status=503:0.5"], 1)
    assert some is not None
    hits = [some(request("act", n)) is not None for n in range(200)]
    assert 60 < sum(hits) < 140
    assert some(request("reason")) is None
    again = endpoint._faults(["act=status=503:0.5"], 1)
    assert again is not None
    assert hits == [again(request("act", n)) is not None for n in range(200)]
    assert endpoint._faults([], 0) is None
    for wrong in ("nonsense", "stall:2", "stall(never=1)"):
        with pytest.raises(ConfigError, match="--fault"):
            endpoint._faults([wrong], 0)
    with pytest.raises(ConfigError, match="add up"):
        endpoint._faults(["stall:0.6", "cut:0.6"], 0)


def test_a_port_that_is_taken_is_said() -> None:
    with running("--profile", "instant", "--quiet") as (_, url, _lines):
        port = url.rsplit(":", 1)[1].split("/")[0]
        done = subprocess.run(
            [sys.executable, "-m", "agentlanes.cli.main", "endpoint", "--port", port],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert "choose another --port" in done.stderr
