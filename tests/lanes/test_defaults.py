from __future__ import annotations

import doctest
import subprocess
import sys
from dataclasses import replace

import pytest

from agentlanes.config import Secret, Settings
from agentlanes.errors import EndpointUnreachable
from agentlanes.lanes import defaults, urls
from agentlanes.lanes.chat_model import LaneChatModel
from agentlanes.lanes.defaults import default_lanes, local_lane
from agentlanes.lanes.translate import Asked, translate
from agentlanes.testing import EndpointServer, Reply


def test_without_anything_the_lanes_are_those_of_agentlanes_up() -> None:
    act, reason = default_lanes(Settings())
    assert (act.base_url, reason.base_url) == (
        "http://127.0.0.1:8401/v1",
        "http://127.0.0.1:8402/v1",
    )
    for lane, role in ((act, "act"), (reason, "reason")):
        served = local_lane(role, "qwen", "http://127.0.0.1:1/v1")  # type: ignore[arg-type]
        assert replace(served, model=lane.model, base_url=lane.base_url) == lane
        assert lane.timers is not None
        assert lane.timers.first_token_s >= 60
        assert lane.max_tokens


def test_the_environment_comes_first() -> None:
    act, reason = default_lanes(
        Settings.from_env({"OPENAI_API_KEY": "sk-1", "AGENTLANES_REASON_URL": "http://h/v1"})
    )
    assert (act.model, act.base_url) == ("gpt-5-nano", None)
    assert reason.base_url == "http://h/v1"


@pytest.mark.parametrize("at", [0, 1])
def test_default_lanes_that_are_not_up_say_what_to_do(at: int) -> None:
    import httpx2
    import openai

    lane = default_lanes(Settings())[at]
    assert lane.base_url is not None
    failure = openai.APIConnectionError(request=httpx2.Request("POST", lane.base_url))
    failed = translate(failure, Asked(model=lane.model, base_url=lane.base_url))
    assert failed is not None
    assert isinstance(failed.error, EndpointUnreachable)
    for word in ("`agentlanes up`", "OPENAI_API_KEY", "AGENTLANES_ACT_URL", lane.base_url):
        assert word in str(failed.error)


async def test_what_is_bound_reaches_a_local_lane_unchanged() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
    async with EndpointServer(lambda body: Reply(content="{}")) as server:
        lane = replace(default_lanes(Settings())[1], base_url=server.base_url)
        model = LaneChatModel.from_lane(lane, "reason", Settings())
        await model.bind(response_format=wanted, max_tokens=9).ainvoke("?")
        body = server.requests[0].body
        await model.aclose()
    assert body["response_format"] == wanted
    assert (body["max_tokens"], body["temperature"]) == (9, 0)


def test_defaults_are_light() -> None:
    code = (
        "import sys, agentlanes.lanes.defaults as d; d.default_lanes(d.Settings());"
        "print([m for m in ('openai', 'httpx2', 'langchain_core', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", [defaults, urls])
def test_examples(module: object) -> None:
    done = doctest.testmod(module)  # type: ignore[arg-type]
    assert done.attempted > 0
    assert done.failed == 0


def test_a_url_s_own_key_goes_to_it_and_the_openai_key_does_not() -> None:
    environ = {
        "OPENAI_API_KEY": "sk-openai",
        "AGENTLANES_ACT_URL": "http://127.0.0.1:1/v1",
        "AGENTLANES_ACT_KEY": "sk-act",
        "AGENTLANES_REASON_URL": "http://127.0.0.1:2/v1",
    }
    settings = Settings.from_env(environ)
    act, reason = default_lanes(settings)
    assert isinstance(act.api_key, Secret)
    assert act.api_key.reveal() == "sk-act"
    assert reason.api_key is None
    assert "sk-" not in repr(settings) + repr(act) + repr(reason)
