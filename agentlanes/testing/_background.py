"""Responses that a scripted endpoint makes in the background: asked for by id, cancelled.

Nothing runs for them: when a token of one is there is said by its latency, from the moment its
request arrived, so what a question finds depends on when it is asked.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from aiohttp import web

from agentlanes.testing._answer import send, send_error, send_stream
from agentlanes.testing._responses import response_events, response_object
from agentlanes.testing.hostile import alter
from agentlanes.testing.latency import Latency
from agentlanes.testing.reply import Reply, error_body

if TYPE_CHECKING:
    from agentlanes.testing.endpoint import RequestLog

__all__ = ["BackgroundResponses"]


@dataclass(slots=True, kw_only=True)
class _Response:
    """One response, from its request on."""

    id: str
    nth: int
    log: RequestLog
    reply: Reply
    latency: Latency
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ended(self) -> bool:
        due_s = self.latency.end_s(max(self.reply.tokens, 1))
        return time.monotonic() >= self.log.t_start + due_s

    def shown(self) -> dict[str, Any]:
        whole = response_object(
            self.reply,
            self.log.body,
            finish=self.ended and not self.cancelled.is_set(),
            nth=self.nth,
        )
        if self.cancelled.is_set():
            return {**whole, "status": "cancelled"}
        if self.reply.error is not None and self.ended:
            error = self.reply.error
            said = {"code": "server_error", "message": error} if isinstance(error, str) else error
            return {**whole, "status": "failed", "error": dict(said), "output": []}
        return whole


class BackgroundResponses:
    """The responses of one endpoint.

    Attributes:
        asked: What was asked of them, in order: `("get", id)`, `("stream", id)`, `("cancel", id)`.
        first_asked: Set once anything was.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.first_asked = asyncio.Event()
        self._responses: dict[str, _Response] = {}
        self._made: Counter[str] = Counter()

    async def start(
        self, request: web.Request, log: RequestLog, reply: Reply, latency: Latency
    ) -> web.StreamResponse:
        """Begin a response, and answer the request that asked for it."""
        if reply.status != 200:
            error = reply.error or f"made to fail with status {reply.status}"
            return await send_error(request, log, reply.status, error, headers=reply.headers)
        if log.fault is not None:
            reply = alter(reply, log.fault)
        equal = json.dumps(log.body, sort_keys=True)
        nth = self._made[equal]
        self._made[equal] += 1
        given = response_object(reply, log.body, finish=False, nth=nth)["id"]
        made = _Response(id=given, nth=nth, log=log, reply=reply, latency=latency)
        self._responses[given] = made
        if log.stream:
            return await self._stream(request, log, made, after=-1)
        return await send(request, log, json.dumps(made.shown(), ensure_ascii=False))

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Answer `GET /v1/responses/{id}`, streamed from an event on if that is asked for."""
        made = self._responses.get(request.match_info["id"])
        streamed = request.query.get("stream") == "true"
        self._note("stream" if streamed else "get", request)
        if made is None:
            return _unknown(request)
        if not streamed:
            return web.json_response(made.shown())
        log = replace(made.log, fault=None)
        return await self._stream(
            request, log, made, after=int(request.query.get("starting_after", "-1"))
        )

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        """Answer `POST /v1/responses/{id}/cancel`."""
        made = self._responses.get(request.match_info["id"])
        self._note("cancel", request)
        if made is None:
            return _unknown(request)
        if not made.ended:
            made.cancelled.set()
        return web.json_response(made.shown())

    def status(self, given: str) -> str:
        """Say how it stands with a response.

        Raises:
            KeyError: There is none of that id.
        """
        return str(self._responses[given].shown()["status"])

    def hurry(self) -> None:
        """Complete everything that is under way now."""
        for made in self._responses.values():
            made.latency = Latency()

    def _note(self, what: str, request: web.Request) -> None:
        self.asked.append((what, request.match_info["id"]))
        self.first_asked.set()

    async def _stream(
        self, request: web.Request, log: RequestLog, made: _Response, *, after: int
    ) -> web.StreamResponse:
        events: list[tuple[int | None, Mapping[str, Any]]] = [
            (token, event)
            for token, event in response_events(made.reply, log.body, nth=made.nth)
            if event["sequence_number"] > after
        ]
        return await send_stream(
            request, log, made.reply, made.latency, events=events, until=made.cancelled
        )


def _unknown(request: web.Request) -> web.StreamResponse:
    given = request.match_info["id"]
    body = error_body(f"Response with id '{given}' not found.", kind="invalid_request_error")
    return web.json_response(body, status=404)
