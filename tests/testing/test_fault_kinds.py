from __future__ import annotations

import json
from typing import Any, get_args

import httpx2
import pytest

from agentlanes.testing import EndpointServer, Fault, Reply, parse_fault, random_faults
from agentlanes.testing.faults import FaultKind
from agentlanes.testing.hostile import HOSTILE_ARGUMENTS, alter

ASK = {"model": "m", "messages": [{"role": "user", "content": "Zürich?"}]}
CALL = Reply(content="Grüße", tool_calls=[("f", {"city": "Zürich"})])


async def read(server: EndpointServer, *, stream: bool = True, timeout_s: float = 5) -> bytes:
    """Give all that arrives, until the end, an error or the timeout."""
    got = b""
    async with httpx2.AsyncClient(timeout=timeout_s) as http:
        url = f"{server.base_url}/chat/completions"
        try:
            async with http.stream("POST", url, json={**ASK, "stream": stream}) as answer:
                async for piece in answer.aiter_bytes():
                    got += piece
                    if len(got) > 300 and b"ping" in got[:8]:
                        break
        except httpx2.TransportError:
            got += b"<broken>"
    return got


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("fault", "there", "not_there"),
    [
        (Fault(kind="short_head"), b"<broken>", b"Gr"),
        (Fault(kind="short_body"), b"<broken>", b"Gr"),
        (Fault(kind="json_null"), b"null", b"choices"),
        (Fault(kind="json_empty"), b"{}", b"choices"),
        (Fault(kind="json_error"), b'"error"', b"choices"),
        (Fault(kind="no_choices"), b'"choices": []', b"Gr"),
        (Fault(kind="error_data"), b'"error"', b"choices"),
        (Fault(kind="error_event"), b"broke down", b"choices"),
        (Fault(kind="context_length"), b"context_length_exceeded", b"choices"),
        (Fault(kind="insufficient_quota"), b"insufficient_quota", b"choices"),
        (Fault(kind="content_filter"), b'"content_filter"', b'"tool_calls"}'),
        (Fault(kind="refusal"), b"I ca", b"Gr"),
        (Fault(kind="exhausted"), b'"finish_reason": "length"', b"function"),
        (Fault(kind="cut_args", after_bytes=4, finish="length"), b'"length"', b"city"),
        (Fault(kind="hostile_args", case=19), b"xxxxxxxx", b"city"),
        (Fault(kind="bad_utf8"), b"\xff\xfe", b"<broken>"),
        (Fault(kind="split_utf8"), "Gr\u00fc".encode(), b"<broken>"),
        (Fault(kind="no_finish"), b'"finish_reason": null', b'"tool_calls"}'),
        (Fault(kind="no_done"), b"choices", b"[DONE]"),
        (Fault(kind="long_line", size_bytes=2**20), b"x" * 2**20, b"choices"),
        (Fault(kind="drip", every_s=0.0), b"choices", b"<broken>"),
    ],
)
async def test_what_arrives(stream: bool, fault: Fault, there: bytes, not_there: bytes) -> None:
    async with EndpointServer(lambda body: CALL, faults=lambda log: fault) as server:
        got = await read(server, stream=stream)
        assert there in got
        assert not_there not in got


@pytest.mark.parametrize("kind", ["pings", "empty_deltas", "stall", "drip"])
@pytest.mark.parametrize("stream", [True, False])
async def test_what_never_ends(kind: Any, stream: bool) -> None:
    fault = Fault(kind=kind, every_s=0.5, after_chunks=0)
    async with EndpointServer(lambda body: CALL, faults=lambda log: fault) as server:
        await read(server, stream=stream, timeout_s=0.1)
        await server.wait_idle()
        assert server.requests[0].aborted


async def test_split_utf8_is_no_damage() -> None:
    plan = lambda log: Fault(kind="split_utf8") if log.nth == 1 else None  # noqa: E731
    async with EndpointServer(lambda body: CALL, faults=plan) as server:
        for stream in (True, False):
            first, second = await read(server, stream=stream), await read(server, stream=stream)
            assert _without_time(first) == _without_time(second)


def _without_time(got: bytes) -> list[str]:
    return [part for part in got.decode().split(", ") if "created" not in part]


async def test_headers_come_along() -> None:
    limits = (("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "1s"))
    fault = Fault(kind="headers", headers=limits)
    async with (
        EndpointServer(lambda body: CALL, faults=lambda log: fault) as server,
        httpx2.AsyncClient() as http,
    ):
        answer = await http.post(f"{server.base_url}/chat/completions", json=ASK)
        assert answer.status_code == 200
        assert set(limits) <= set(answer.headers.items())


def test_hostile_arguments_are_hostile() -> None:
    assert len(HOSTILE_ARGUMENTS) >= 20
    altered = [
        alter(CALL, Fault(kind="hostile_args", case=case)).calls[0][1]
        for case in range(len(HOSTILE_ARGUMENTS))
    ]
    assert altered == list(HOSTILE_ARGUMENTS)


def test_every_kind_can_be_written() -> None:
    for kind in get_args(FaultKind):
        assert parse_fault(f"{kind}:0.5") == (Fault(kind=kind), 0.5)
    assert parse_fault("429") == (Fault(kind="status", status=429), 1.0)
    text = "stall(stall_s=0.5,after_chunks=3):1e-2"
    assert parse_fault(text) == (Fault(kind="stall", stall_s=0.5, after_chunks=3), 0.01)
    assert parse_fault("cut(close=fin)") == (Fault(kind="cut", close="fin"), 1.0)


@pytest.mark.parametrize(
    "text",
    ["", "stal:0.1", "stall:2", "stall:x", "cut(close=tcp)", "cut(wait=1)", "drip(every_s=x)"],
)
def test_what_cannot_be_read_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"fault|probability|option|number|close"):
        parse_fault(text)


async def test_random_faults_follow_seed_and_request() -> None:
    def drawn(seed: int, order: list[int]) -> dict[int, list[str | None]]:
        plan = random_faults(
            (Fault(kind="reset"), 0.3), (Fault(kind="status"), 0.2), seed=seed, model="m*"
        )
        seen: dict[int, list[str | None]] = {}
        for number in order:
            body = {"model": "m", "messages": [number]}
            fault = plan(_log(body))
            seen.setdefault(number, []).append(fault.kind if fault else None)
        return seen

    order = list(range(200)) * 2
    assert drawn(1, order) == drawn(1, order[::-1])
    assert drawn(1, order) != drawn(2, order)
    kinds = [kind for each in drawn(1, order).values() for kind in each]
    assert 80 <= kinds.count("reset") <= 160
    assert 50 <= kinds.count("status") <= 110
    assert random_faults((Fault(kind="reset"), 1.0), model="n")(_log(ASK)) is None
    with pytest.raises(ValueError, match="add up"):
        random_faults((Fault(kind="reset"), 0.8), (Fault(kind="status"), 0.3))


def _log(body: dict[str, Any]) -> Any:
    from agentlanes.testing import RequestLog

    return RequestLog(body=body, model="m", stream=True, nth=1, t_start=0.0)


def test_bodies_stay_json() -> None:
    assert json.loads(alter(CALL, Fault(kind="headers")).calls[0][1]) == {"city": "Zürich"}
