"""Sends a fault that stands in place of an answer."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from agentlanes.testing._answer import SSE, drop, send, send_error
from agentlanes.testing._wire import WIRES
from agentlanes.testing.faults import Fault
from agentlanes.testing.reply import error_body

if TYPE_CHECKING:
    from agentlanes.testing.endpoint import RequestLog

__all__ = ["send_fault"]

_HTML = "<!doctype html><title>Sign in</title><h1>Sign in to the network to go on</h1>"
_BROKEN = error_body("the server broke down", kind="server_error", code="server_error")
_BODIES: dict[str, Any] = {
    "json_null": None,
    "json_empty": {},
    "json_error": _BROKEN,
}
_PIECE = 64 * 1024


async def send_fault(
    request: web.Request, log: RequestLog, fault: Fault
) -> web.StreamResponse | None:
    """Send a fault that stands in place of an answer; `None` for one that damages an answer."""
    refused = await _refuse(request, log, fault)
    if refused is not None:
        return refused
    headers = dict(fault.headers)
    kind = fault.kind
    if kind == "reset":
        return drop(request, web.Response(), fault)
    if kind == "short_head":
        return _short_head(request, fault)
    if kind == "html":
        return await send(request, log, _HTML, content_type="text/html", headers=headers)
    if kind == "no_choices":
        return await send(request, log, json.dumps(WIRES[log.api].hollow), headers=headers)
    if kind in _BODIES:
        return await send(request, log, json.dumps(_BODIES[kind]), headers=headers)
    if kind in ("error_data", "error_event") and not log.stream:
        return await send(request, log, json.dumps(_BROKEN), headers=headers)
    if kind in ("error_data", "error_event", "pings", "empty_deltas", "long_line"):
        return await _stream(request, log, fault)
    return None


async def _refuse(request: web.Request, log: RequestLog, fault: Fault) -> web.StreamResponse | None:
    """Answer with an HTTP error, if the fault is one."""
    headers = dict(fault.headers)
    if fault.retry_after is not None:
        headers["Retry-After"] = fault.retry_after
    if fault.kind == "status":
        problem = f"made to fail with status {fault.status}"
        return await send_error(request, log, fault.status, problem, headers=headers)
    if fault.kind == "context_length":
        problem = "This model's maximum context length is 8192 tokens. Reduce the messages."
        code = "context_length_exceeded"
        return await send_error(request, log, 400, problem, code=code, headers=headers)
    if fault.kind == "insufficient_quota":
        problem = "You exceeded your current quota, check your plan and billing details."
        error = error_body(problem, kind="insufficient_quota", code="insufficient_quota")["error"]
        return await send_error(request, log, 429, error, headers=headers)
    return None


async def _stream(request: web.Request, log: RequestLog, fault: Fault) -> web.StreamResponse:
    plain = not log.stream
    kind = {"Content-Type": "application/json"} if plain else SSE
    response = web.StreamResponse(headers={**kind, **dict(fault.headers)})
    await response.prepare(request)
    log.status = 200
    if fault.kind == "long_line":
        await response.write(b'{"x": "' if plain else b'data: {"x": "')
        for _ in range(max(1, fault.size_bytes // _PIECE)):
            await response.write(b"x" * _PIECE)
        await response.write(b'"}' if plain else b'"}\n\n')
    elif fault.kind == "error_data":
        await response.write(f"data: {json.dumps(_BROKEN)}\n\n".encode())
    elif fault.kind == "error_event":
        error = _BROKEN["error"]
        if log.api == "responses":
            error = WIRES["responses"].error(error)
        await response.write(f"event: error\ndata: {json.dumps(error)}\n\n".encode())
    else:
        await _say_nothing(response, log, fault)
    await response.write_eof()
    return response


async def _say_nothing(response: web.StreamResponse, log: RequestLog, fault: Fault) -> None:
    """Keep the connection busy until the client leaves or the server closes."""
    wire = WIRES[log.api]
    said = b": ping\n\n" if fault.kind == "pings" else wire.event(wire.empty) + b"\n\n"
    if not log.stream:
        said = b" "  # what endpoints send to keep a connection open while they work
    while True:
        await response.write(said)
        await asyncio.sleep(fault.every_s)


def _short_head(request: web.Request, fault: Fault) -> web.StreamResponse:
    transport = request.transport
    if transport is not None:
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Ty")
    return drop(request, web.Response(), Fault(kind="short_head", close="fin"))
