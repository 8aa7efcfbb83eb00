from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool

from agentlanes import build_agent, run_sync
from agentlanes.config import Settings
from agentlanes.errors import ConfigError
from agentlanes.lanes.abilities import ABILITIES, abilities_of
from agentlanes.lanes.chat_model import LaneChatModel
from agentlanes.lanes.lane import Lane
from agentlanes.lanes.prediction import predicting
from agentlanes.lanes.request import OPENAI_URL, build_body
from agentlanes.testing import EndpointServer, Reply

URL = "http://127.0.0.1:1/v1"
DRAFT = "It is 21 degrees in Paris."


def body_of(lane: Lane, base_url: str = URL, **options: Any) -> dict[str, Any]:
    return build_body(lane, base_url, [HumanMessage("?")], stop=None, options=options)


def test_knobs_are_sent_and_unset_ones_are_not() -> None:
    lane = Lane(
        "m",
        base_url=URL,
        prompt_cache_key="tenant-7",
        prompt_cache_options={"ttl": "30m"},
        priority=-1,
        service_tier="flex",
        reasoning_effort="low",
    )
    body = body_of(lane)
    assert body["prompt_cache_key"] == "tenant-7"
    assert body["prompt_cache_options"] == {"ttl": "30m"}
    assert body["priority"] == -1
    assert body["service_tier"] == "flex"
    assert body["reasoning_effort"] == "low"
    assert set(body_of(Lane("m", base_url=URL))) == {
        "model",
        "messages",
        "stream",
        "stream_options",
    }


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"server": "llama.cpp", "service_tier": "flex"}, "llama.cpp has no service_tier"),
        ({"server": "ollama", "priority": 3}, "ollama has no priority"),
        ({"server": "vllm", "prompt_cache_key": "k"}, "vllm has no prompt_cache_key"),
        ({"server": "openai", "priority": 1}, "openai has no priority"),
        ({"server": "vllm", "prediction": True}, "vllm has no prediction"),
        (
            {"server": "ollama", "api": "responses", "background": True},
            "ollama has no background",
        ),
        ({"server": "tgi"}, "no server 'tgi'"),
        ({"api": "completions"}, "no api 'completions'"),
        ({"background": True}, "Responses API's"),
        ({"reasoning_summary": "auto"}, "Responses API's"),
        ({"api": "responses", "prediction": True}, "Chat Completions' own"),
        ({"api": "responses", "background_store": "x"}, "background=True only"),
    ],
)
def test_what_a_server_has_not_is_said_when_the_lane_is_made(
    fields: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        Lane("m", **fields)


def test_nothing_is_known_of_a_server_that_is_not_named() -> None:
    Lane("m", priority=1, service_tier="flex", prediction=True, prompt_cache_key="k")
    unknown = abilities_of(None)
    assert unknown.reports is None
    assert [name for name in ABILITIES if ABILITIES[name].responses is None] == []


def test_a_named_openai_is_one_at_any_address() -> None:
    proxy = Lane("m", base_url=URL, server="openai", max_tokens=9)
    assert body_of(proxy)["max_completion_tokens"] == 9
    assert body_of(Lane("m", max_tokens=9), OPENAI_URL)["max_completion_tokens"] == 9
    assert body_of(Lane("m", base_url=URL, max_tokens=9))["max_tokens"] == 9


def test_a_draft_is_sent_only_by_lanes_that_declare_it() -> None:
    wanted = {"type": "content", "content": DRAFT}
    assert body_of(Lane("m", prediction=True), draft_answer=DRAFT)["prediction"] == wanted
    plain = body_of(Lane("m"), draft_answer=DRAFT)
    assert "prediction" not in plain
    assert "draft_answer" not in plain
    capped = Lane("m", prediction=True, server="openai", max_tokens=9)
    assert "max_completion_tokens" not in body_of(capped, draft_answer=DRAFT)
    assert body_of(capped)["max_completion_tokens"] == 9


def test_the_final_pass_sends_the_draft() -> None:
    @tool
    def get_weather(city: str) -> str:
        """Current weather of a city."""
        return f"21 degrees in {city}"

    def act(body: dict[str, Any]) -> Reply:
        if "Write the final answer" in str(body["messages"][0]["content"]):
            return Reply(
                content=DRAFT,
                usage={
                    "prompt_tokens": 9,
                    "completion_tokens": 9,
                    "completion_tokens_details": {"accepted_prediction_tokens": 8},
                },
            )
        if any(m["role"] == "tool" for m in body["messages"]):
            return Reply(content=DRAFT)
        return Reply(tool_calls=[("get_weather", {"city": "Paris"})])

    def reason(body: dict[str, Any]) -> Reply:
        return Reply(content='{"verdict": "approve", "reason": "right"}')

    server = EndpointServer({"act": act, "reason": reason})
    with server.serve_in_thread():
        agent = build_agent(
            act=Lane("act", base_url=server.base_url, prediction=True),
            reason=Lane("reason", base_url=server.base_url),
            tools=[get_weather],
        )
        result = run_sync(agent, {"messages": [HumanMessage("How warm is it in Paris?")]})
    sent = [log.body.get("prediction") for log in server.requests if log.model == "act"]
    assert sent[-1] == {"type": "content", "content": DRAFT}
    assert sent[:-1] == [None] * (len(sent) - 1)
    reports = result["messages"][-1].response_metadata["server_reports"]
    assert reports == {"prediction": {"accepted_prediction_tokens": 8}}


@pytest.mark.parametrize("extra", [{}, {"stream": False}], ids=["streamed", "whole"])
async def test_what_a_server_measured_is_on_the_message(extra: dict[str, Any]) -> None:
    timings = {"prompt_ms": 43.2, "predicted_per_second": 104.7, "draft_n": 9}
    reply = Reply(content="hi", reports={"timings": timings, "metrics": {"queue_time_ms": 30.0}})
    async with EndpointServer(lambda body: reply) as server:
        lane = Lane("m", base_url=server.base_url, extra_body=extra)
        message = await LaneChatModel.from_lane(lane, "act", Settings()).ainvoke("?")
    meta = message.response_metadata
    assert meta["server_reports"] == {"timings": timings, "metrics": {"queue_time_ms": 30.0}}
    assert meta["agentlanes_times"]["queue_ms"] >= 30.0


def test_predicting_leaves_other_models_alone() -> None:
    model = LaneChatModel.from_lane(Lane("m", base_url=URL), "act", Settings())
    assert predicting(model, DRAFT) is model
    able = LaneChatModel.from_lane(Lane("m", base_url=URL, prediction=True), "act", Settings())
    assert predicting(able, None) is able
    assert predicting(able, DRAFT) is not able
