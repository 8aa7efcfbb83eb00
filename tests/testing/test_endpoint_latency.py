from __future__ import annotations

import pytest
from openai import AsyncOpenAI

from agentlanes.testing import EndpointServer, Latency, LogNormal, Reply

ASK = [{"role": "user", "content": "How is the weather in Zürich?"}]


def client_of(server: EndpointServer) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=server.base_url, api_key="sk-test", max_retries=0)


async def test_latency_is_waited_for_by_model_and_by_reply() -> None:
    def script(body: dict) -> Reply:
        own = Latency(total_s=0.12) if body["messages"] else None
        return Reply(content="word " * 10, latency=own)

    slow = {"slow/*": Latency(first_token_s=0.05, token_s=0.005)}
    async with EndpointServer(script, latency=slow) as server, client_of(server) as client:
        await client.chat.completions.create(model="slow/1", messages=[])
        await client.chat.completions.create(model="quick", messages=ASK)
        stream = await client.chat.completions.create(model="slow/1", messages=[], stream=True)
        assert len([chunk async for chunk in stream]) > 10
        await server.wait_idle()
    took_s = [log.t_end - log.t_start for log in server.requests]
    # Lower bounds hold on any machine: a timer is never early by more than its resolution.
    assert took_s[0] >= 0.05 + 12 * 0.005 - 0.002
    assert took_s[1] >= 0.12 - 0.002
    assert took_s[2] >= 0.05 + 12 * 0.005 - 0.002


def test_tokens_leave_in_order_and_the_last_one_at_the_end() -> None:
    for latency in (Latency(first_token_s=0.5, token_s=0.1), Latency(first_token_s=1, total_s=3)):
        due = [latency.due_s(token, 8) for token in range(1, 9)]
        assert due == sorted(due)
        assert due[0] == latency.first_token_s
        assert due[-1] == latency.end_s(8)
    assert Latency(total_s=2).end_s(0) == 2


@pytest.mark.parametrize(
    "bad", [{"first_token_s": -1}, {"token_s": float("nan")}, {"first_token_s": 2, "total_s": 1}]
)
def test_impossible_latencies_are_refused(bad: dict) -> None:
    with pytest.raises(ValueError, match=r"latency|total_s"):
        Latency(**bad)


def test_lognormal_draws_depend_on_the_request_alone_and_have_the_shape() -> None:
    profile = LogNormal(median_s=0.2, p95_s=0.8, seed=3)
    bodies = [{"model": "m", "messages": [{"content": str(n)}]} for n in range(2000)]
    draws = [profile.draw(body).first_token_s for body in bodies]
    assert [profile.draw(body).first_token_s for body in reversed(bodies)] == draws[::-1]
    again = LogNormal(median_s=0.2, p95_s=0.8, seed=4).draw(bodies[0]).first_token_s
    assert again != draws[0]
    ordered = sorted(draws)
    assert ordered[1000] == pytest.approx(0.2, rel=0.1)
    assert ordered[1900] == pytest.approx(0.8, rel=0.2)
    with pytest.raises(ValueError, match="median_s"):
        LogNormal(median_s=0.5, p95_s=0.1)
